//! A payload that was stored and read again is the payload that came: body, headers, query, to the byte (W13).
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use runner::decode::{BodyLimits, JsonAs, read_body, read_path, read_query};
use runner::envelope::content_encoding;
use runner::record::StoredPayload;
use runner::vault::Vault;
use sdk::Payload;

// Lines: path and query, content type, `name: value` headers; then an empty line and the body.
fuzz_target!(|data: &[u8]| {
    let Some(end) = data.windows(2).position(|pair| pair == b"\n\n") else { return };
    let (head, body) = (&data[..end], Bytes::copy_from_slice(&data[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let content_type = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value)
            && headers.len() < 64
        {
            headers.append(name, value);
        }
    }
    let limits = BodyLimits { size: 65_536, ..BodyLimits::default() };
    let encoding = content_encoding(&headers);
    let Ok(read) = read_body(content_type, encoding.as_deref(), &body, &limits) else { return };
    let payload = Payload {
        method: Method::POST,
        headers,
        path_fragment: read_path(path).map(|path| path.fragment).unwrap_or_default(),
        query_parameters: read_query(Some(query)),
        raw_body: body,
        content_type: content_type.map(str::to_owned),
        body: read,
        tick: None,
        cursor: None,
    };
    let vault = Vault::clear();
    let made = StoredPayload::made(&payload, &limits);
    let handing = made.clone().handing_on(&payload, &limits);
    for stored in [StoredPayload::received(&payload, Some("https://a.example/")), made, handing] {
        // As the store keeps it: the head sealed as JSON, the raw body beside it.
        let sealed = vault.seal(&serde_json::to_vec(&stored).unwrap());
        let mut again: StoredPayload =
            serde_json::from_slice(&vault.unseal(&sealed).unwrap()).unwrap();
        again.raw_body = Bytes::from(vault.unseal(&vault.seal(&stored.raw_body)).unwrap());
        // JSON that is not read until its flow takes it is the same payload.
        let text = again.to_payload(&limits, JsonAs::Text).unwrap();
        assert_eq!(text.body, payload.body);
        let back = again.to_payload(&limits, JsonAs::Value).unwrap();
        assert_eq!(format!("{back:?}"), format!("{payload:?}"));
        assert_eq!((back.body, back.raw_body), (payload.body.clone(), payload.raw_body.clone()));
        assert_eq!((back.headers, back.query_parameters), (payload.headers.clone(), payload.query_parameters.clone()));
    }
});
