//! A multipart body is read or refused within its limits; what is written by the rules is read as it was written.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use runner::decode::{BodyLimits, read_body};
use sdk::Body;

const BOUNDARY: &str = "multipart/form-data; boundary=XX";

fuzz_target!(|data: &[u8]| {
    let limits = BodyLimits { size: 65_536, parts: 16, part_header: 512, ..BodyLimits::default() };
    let raw = Bytes::copy_from_slice(data);
    if let Ok(Body::Multipart(parts)) = read_body(Some(BOUNDARY), None, &raw, &limits) {
        assert!(parts.values().map(Vec::len).sum::<usize>() <= limits.parts);
    }
    // The first line may choose another content type, a boundary among it.
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(kind) = std::str::from_utf8(&data[..end])
    {
        drop(read_body(Some(kind), None, &raw.slice(end + 1..), &limits));
        drop(read_body(Some(kind), Some("gzip"), &raw.slice(end + 1..), &limits));
    }
    // A file of any bytes that do not hold the boundary comes back as it was.
    if data.len() < 4096 && !data.windows(4).any(|window| window == b"--XX") {
        let head = b"--XX\r\ncontent-disposition: form-data; name=\"a\"; filename=\"../b\"\r\ncontent-type: application/octet-stream\r\n\r\n";
        let whole = [&head[..], data, b"\r\n--XX--\r\n"].concat();
        let read = read_body(Some(BOUNDARY), None, &whole.into(), &limits).unwrap();
        let Body::Multipart(parts) = read else { panic!("{read:?}") };
        let part = &parts["a"][0];
        assert_eq!(part.file_name.as_deref(), Some("../b"));
        assert_eq!(part.data, Body::Bytes(Bytes::copy_from_slice(data)));
    }
});
