//! A target is read as a slow reader reads it: through the URI of the request, as the front door does, into endpoint, fragment and query.
#![no_main]

use http::Uri;
use libfuzzer_sys::fuzz_target;
use runner::decode::{read_path, read_query};

/// Decodes `%xx`, byte by byte.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap());
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// What stands before the first of these bytes, and what behind it.
fn cut(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(place) => (&bytes[..place], Some(&bytes[place + 1..])),
        None => (bytes, None),
    }
}

/// The endpoint and the fragment of a path; `None` if it is not that of an endpoint, or no text.
fn slowly(path: &[u8]) -> Option<(String, String)> {
    let rest = path.strip_prefix(b"/trigger/")?;
    let (endpoint, fragment) = cut(rest, b'/');
    if endpoint.is_empty() {
        return None;
    }
    let text = |side: &[u8]| String::from_utf8(decoded(side)).ok();
    Some((text(endpoint)?, text(fragment.unwrap_or_default())?))
}

fn check(path: &str, expected: Option<(String, String)>) {
    let found = read_path(path)
        .ok()
        .map(|read| (read.endpoint, read.fragment));
    assert_eq!(found, expected, "{path}");
}

/// Names and values in order of their names; those of one name in the order in which they came.
fn check_query(query: Option<&str>) {
    let mut expected: Vec<(String, String)> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
    let read = read_query(query);
    let mut found: Vec<(String, String)> = read
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, _) in &expected {
        let own = expected
            .iter()
            .filter(|pair| pair.0 == *name)
            .map(|pair| pair.1.as_str());
        assert!(read.get_all(name).eq(own), "{name}");
        assert_eq!(read.get(name), read.get_all(name).next());
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, expected);
}

fuzz_target!(|data: &[u8]| {
    // Any text at all.
    if let Ok(text) = std::str::from_utf8(data) {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        check(path, slowly(path.as_bytes()));
        check_query(Some(query));
    }
    // A request target: what the listener lets through, read as the front door reads it.
    let target = data.strip_prefix(b"http://hooks.example").unwrap_or(data);
    let Ok(uri) = Uri::try_from(data) else { return };
    if !target.starts_with(b"/") {
        // `*`, a host alone, another host: none of them is an endpoint unless its path is.
        check(uri.path(), slowly(uri.path().as_bytes()));
        return;
    }
    let (target, _never_sent) = cut(target, b'#');
    let (path, query) = cut(target, b'?');
    check(uri.path(), slowly(path));
    assert_eq!(uri.query().map(str::as_bytes), query);
    check_query(uri.query());
});
