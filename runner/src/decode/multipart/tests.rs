use http::StatusCode;
use serde_json::json;

use super::*;

const FIELD: &str = "Content-Disposition: form-data; name=\"a\"";

/// A body with boundary `b` of these parts, each its headers and its content.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend_from_slice(format!("--b\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

fn read(body: impl AsRef<[u8]>) -> Result<Parts, BodyFault> {
    let content = Bytes::copy_from_slice(body.as_ref());
    let read = read_multipart(content, Some("b"), &BodyLimits::default())?;
    let Body::Multipart(parts) = read else {
        panic!("it is multipart");
    };
    Ok(parts)
}

#[track_caller]
fn only(parts: &Parts, name: &str) -> Part {
    let [part] = parts[name].as_slice() else {
        panic!("{name} is there once: {parts:?}");
    };
    part.clone()
}

// W15, TP-30.
#[test]
fn a_json_part_is_parsed_and_a_file_part_is_bytes() {
    let png = b"\x89PNG\r\n\x1a\n\0\xff--b\r\r\n";
    let parts = read(form(&[
        ("Content-Disposition: form-data; name=\"person\"\r\nContent-Type: application/json; charset=utf-8", br#"{"firstname": "Ada"}"#),
        ("Content-Disposition: form-data; name=\"photo\"; filename=\"me.png\"\r\nContent-Type: image/png", png),
        ("Content-Disposition: form-data; name=\"record\"; filename=\"r.json\"\r\nContent-Type: application/json", b"[1]"),
        ("Content-Disposition: form-data; name=\"list\"; filename=\"a.csv\"\r\nContent-Type: text/csv", b"1;\xfc"),
    ]))
    .unwrap();
    let person = only(&parts, "person");
    assert_eq!(person.data, Body::Json(json!({"firstname": "Ada"})));
    assert_eq!(
        person.content_type.as_deref(),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(person.file_name, None);
    let photo = only(&parts, "photo");
    assert_eq!(photo.data, Body::Bytes(Bytes::from_static(png)));
    assert_eq!(photo.file_name.as_deref(), Some("me.png"));
    assert_eq!(only(&parts, "record").data, Body::Json(json!([1])));
    assert_eq!(
        only(&parts, "list").data,
        Body::Bytes(Bytes::from_static(b"1;\xfc"))
    );
}

// W15.
#[test]
fn a_text_part_is_text_in_its_character_set() {
    let parts = read(form(&[
        ("content-disposition: form-data; name=plain", "grün".as_bytes()),
        ("Content-Disposition: form-data; name=\"latin\"\r\nContent-Type: text/plain; charset=latin1", b"gr\xfcn"),
        ("Content-Disposition: form-data; name=\"empty\"", b""),
        ("Content-Disposition: form-data; name=\"blob\"\r\nContent-Type: application/octet-stream", b"\0"),
    ]))
    .unwrap();
    assert_eq!(only(&parts, "plain").data, Body::Text("grün".to_owned()));
    assert_eq!(only(&parts, "plain").content_type, None);
    assert_eq!(only(&parts, "latin").data, Body::Text("grün".to_owned()));
    assert_eq!(only(&parts, "empty").data, Body::Text(String::new()));
    assert_eq!(
        only(&parts, "blob").data,
        Body::Bytes(Bytes::from_static(b"\0"))
    );
}

// W15.
#[test]
fn parts_of_one_name_stay_in_order() {
    let parts = read(form(&[
        (FIELD, b"1"),
        ("Content-Disposition: form-data; name=\"z\"", b"-"),
        (FIELD, b"2"),
    ]))
    .unwrap();
    let values: Vec<_> = parts["a"].iter().map(|part| part.data.to_json()).collect();
    assert_eq!(values, ["1", "2"]);
}

#[track_caller]
fn check_names(disposition: &str, name: &str, file_name: Option<&str>) {
    let parts = read(form(&[(
        &format!("Content-Disposition: {disposition}"),
        b"x",
    )]))
    .unwrap();
    let part = only(&parts, name);
    assert_eq!(part.file_name.as_deref(), file_name, "{disposition}");
}

// W15, reliability finding 10.
#[test]
fn names_and_file_names_are_data() {
    check_names(
        r#"form-data; name="Do Thing?"; filename="日本.txt""#,
        "Do Thing?",
        Some("日本.txt"),
    );
    check_names(
        r#"form-data; name="../a"; filename="../../etc/passwd""#,
        "../a",
        Some("../../etc/passwd"),
    );
    check_names(
        r#"form-data; name="a"; filename="C:\up\x.csv""#,
        "a",
        Some(r"C:\up\x.csv"),
    );
    check_names(r#"form-data; name="a\"b"; filename="""#, "a\"b", Some(""));
    check_names(
        r#"form-data; filename="x; name=admin"; name="photo""#,
        "photo",
        Some("x; name=admin"),
    );
    check_names(
        r#"form-data; NAME="a"; filename="%2e%2e""#,
        "a",
        Some("%2e%2e"),
    );
    check_names(r#"form-data; name="""#, "", None);
}

#[test]
fn an_extended_file_name_is_read() {
    check_names(
        "form-data; name=a; filename*=UTF-8''%e2%82%ac%20.txt",
        "a",
        Some("€ .txt"),
    );
    check_names(
        "form-data; name=a; filename=\"e.txt\"; filename*=iso-8859-1'de'%fc.txt",
        "a",
        Some("ü.txt"),
    );
    check_names(
        "form-data; name=a; filename=\"e.txt\"; filename*=broken",
        "a",
        Some("e.txt"),
    );
}

// W15: the seed's own example sends the content type without a boundary.
#[test]
fn a_boundary_that_is_missing_has_its_own_sentence() {
    let body = Bytes::from(form(&[(FIELD, b"x")]));
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
    ] {
        let limits = BodyLimits::default();
        let read = super::super::body::read_body(Some(content_type), None, &body, &limits);
        let refusal = read.unwrap_err();
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            refusal.to_string(),
            "Received a multipart payload whose content type has no boundary."
        );
    }
}

#[test]
fn a_boundary_in_quotes_is_read() {
    let body = b"preamble\r\n--a b=c;d \t\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--a b=c;d--\r\nepilogue";
    let content_type = r#"multipart/form-data; charset=utf-8; boundary="a b=c;d""#;
    let read = super::super::body::read_body(
        Some(content_type),
        None,
        &Bytes::from_static(body),
        &BodyLimits::default(),
    );
    assert_eq!(read.unwrap().to_json()["x"]["data"], "1");
}

// W15.
#[test]
fn a_multipart_body_that_is_cut_anywhere_is_refused() {
    let whole = form(&[(FIELD, b"1"), (FIELD, b"2")]);
    let end = whole.len() - "\r\n".len();
    assert!(read(&whole[..end]).is_ok());
    for cut in 0..end {
        let refusal = read(&whole[..cut]).unwrap_err();
        assert_eq!(refusal, BodyFault::MalformedMultipart, "cut at {cut}");
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }
}

// W15.
#[test]
fn what_is_not_multipart_is_refused() {
    let cases = [
        "{}",
        "--c\r\n\r\n--c--",
        "--b\n\nline feeds only\n--b--",
        "--b\r\n\r\nno headers\r\n--b--\r\n",
        "--b\r\nno colon\r\n\r\nx\r\n--b--\r\n",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--bc\r\n",
    ];
    for body in cases {
        assert_eq!(read(body), Err(BodyFault::MalformedMultipart), "{body:?}");
    }
    assert_eq!(read("--b--"), Ok(Parts::new()));
}

#[test]
fn a_part_without_a_name_is_refused() {
    for headers in [
        "Content-Type: text/plain",
        "Content-Disposition: form-data; filename=\"name=a\"",
        "Content-Disposition: form-data",
    ] {
        let refusal = read(form(&[(headers, b"x")])).unwrap_err();
        assert_eq!(refusal, BodyFault::NamelessPart, "{headers}");
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn a_json_part_that_is_not_is_refused_as_a_body_is() {
    let headers = format!("{FIELD}\r\nContent-Type: application/json");
    assert_eq!(
        read(form(&[(&headers, b"{")])),
        Err(BodyFault::MalformedJson)
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        read(form(&[(&headers, deep.as_bytes())])),
        Err(BodyFault::NestedTooDeep { limit: 128 })
    );
}

// W17, reliability C.1.
#[test]
fn there_is_a_most_of_parts() {
    assert_eq!(
        read(form(&vec![(FIELD, &b"x"[..]); 1_000])).unwrap()["a"].len(),
        1_000
    );
    for count in [1_001, 10_000] {
        let refusal = read(form(&vec![(FIELD, &b"x"[..]); count])).unwrap_err();
        assert_eq!(refusal, BodyFault::TooManyParts { limit: 1_000 });
        assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

// W17, reliability C.1.
#[test]
fn the_headers_of_a_part_have_a_limit() {
    let headers = |length| format!("{FIELD}\r\nX-Long: {}", "x".repeat(length));
    assert!(read(form(&[(&headers(8_000), b"x")])).is_ok());
    for length in [8 * 1024, 1024 * 1024] {
        let refusal = read(form(&[(&headers(length), b"x")])).unwrap_err();
        assert_eq!(refusal, BodyFault::PartHeaderTooLarge { limit: 8 * 1024 });
        assert_eq!(refusal.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
