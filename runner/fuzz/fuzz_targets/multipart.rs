//! A multipart body is read or refused within its limits; what is written by the rules is read as it was written; and a body that comes
//! compressed is the same body.
#![no_main]

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use runner::decode::{BodyLimits, read_body};
use sdk::Body;

const BOUNDARY: &str = "multipart/form-data; boundary=XX";

/// Parts as a browser writes them, each a file of a field of its own or of one that others share.
fn written(files: &[&[u8]]) -> Vec<u8> {
    let mut whole = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let head = format!(
            "--XX\r\ncontent-disposition: form-data; name=\"f{}\"; filename=\"../{number}\"\r\ncontent-type: application/octet-stream\r\n\r\n",
            number % 3
        );
        whole.extend([head.as_bytes(), file, b"\r\n"].concat());
    }
    whole.extend(b"--XX--\r\n");
    whole
}

fuzz_target!(|data: &[u8]| {
    let limits = BodyLimits {
        size: 65_536,
        parts: 16,
        part_header: 512,
        ..BodyLimits::default()
    };
    let raw = Bytes::copy_from_slice(data);
    if let Ok(Body::Multipart(parts)) = read_body(Some(BOUNDARY), None, &raw, &limits) {
        assert!(parts.values().map(Vec::len).sum::<usize>() <= limits.parts);
        for part in parts.values().flatten() {
            if let Body::Bytes(bytes) = &part.data {
                assert!(data.len() >= bytes.len());
            }
        }
    }
    // The first line may choose another content type, a boundary among it.
    if let Some(end) = data.iter().position(|byte| *byte == b'\n')
        && let Ok(kind) = std::str::from_utf8(&data[..end])
    {
        let content = raw.slice(end + 1..);
        let plain = read_body(Some(kind), None, &content, &limits);
        drop(read_body(Some(kind), Some("gzip"), &content, &limits));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&content).unwrap();
        let compressed = Bytes::from(encoder.finish().unwrap());
        if compressed.len() <= limits.size {
            assert_eq!(
                read_body(Some(kind), Some("gzip"), &compressed, &limits),
                plain
            );
        }
    }
    // Files of any bytes that do not hold the boundary come back as they were, in their order.
    let files: Vec<&[u8]> = data.split(|byte| *byte == 0xfe).collect();
    if data.len() < 4096
        && files.len() <= limits.parts
        && !data.windows(4).any(|window| window == b"--XX")
    {
        let read = read_body(Some(BOUNDARY), None, &written(&files).into(), &limits).unwrap();
        let Body::Multipart(parts) = read else {
            panic!("{read:?}")
        };
        assert_eq!(parts.values().map(Vec::len).sum::<usize>(), files.len());
        for (number, file) in files.iter().enumerate() {
            let part = &parts[&format!("f{}", number % 3)][number / 3];
            assert_eq!(part.file_name, Some(format!("../{number}")));
            assert_eq!(part.data, Body::Bytes(Bytes::copy_from_slice(file)));
        }
    }
});
