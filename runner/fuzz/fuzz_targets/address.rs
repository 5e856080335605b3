//! Paths and queries are read as a slow reader reads them, and never leave the endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner::decode::{read_path, read_query};

/// Decodes `%xx`, byte by byte.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
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

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));

    let expected = path.strip_prefix("/trigger/").and_then(|rest| {
        let mut sides = rest.splitn(2, '/');
        let endpoint = sides.next().filter(|endpoint| !endpoint.is_empty())?;
        let endpoint = String::from_utf8(decoded(endpoint)).ok()?;
        let fragment = String::from_utf8(decoded(sides.next().unwrap_or(""))).ok()?;
        Some((endpoint, fragment))
    });
    let found = read_path(path).ok().map(|read| (read.endpoint, read.fragment));
    assert_eq!(found, expected);

    let expected: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut expected = expected;
    let read = read_query(Some(query));
    let mut found: Vec<(String, String)> = read
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Repeated names keep their order; names may come in another.
    found.sort_by(|one, other| one.0.cmp(&other.0));
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, expected);
});
