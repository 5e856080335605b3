//! What the engine says of a simple scheme is what a slow reader says who shares no code with it; and what is signed is verified.
#![no_main]

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use runner::signature::{SignedRequest, sign, verify};
use sdk::signature::{Hash, Part, SignatureScheme, Source, TimeUnit};
use sdk::{Secret, Timestamp};

const NOW: i64 = 1_774_630_200;

fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn computed(hash: Hash, key: &[u8], text: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Md5 => mac::<Hmac<md5::Md5>>(key, text),
        Hash::Sha1 => mac::<Hmac<sha1::Sha1>>(key, text),
        Hash::Sha256 => mac::<Hmac<sha2::Sha256>>(key, text),
        Hash::Sha512 => mac::<Hmac<sha2::Sha512>>(key, text),
    }
}

/// The first byte chooses the scheme, the second how the signature is damaged, the third where; then the offset of the clock, the secret
/// up to a line break, and the body.
fn run(data: &[u8]) -> Option<()> {
    let [knobs, damage, place, offset, rest @ ..] = data else { return None };
    let split = rest.iter().position(|byte| *byte == b'\n')?;
    let secret = std::str::from_utf8(&rest[..split]).ok()?;
    let body = &rest[split + 1..];
    let hash = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha512][usize::from(knobs & 3)];
    let (base64, list, timed) = (knobs & 4 != 0, knobs & 8 != 0, knobs & 16 != 0);
    let mut scheme = SignatureScheme::hmac("x-signature", hash).prefix("v1=");
    if base64 {
        scheme = scheme.base64();
    }
    if list {
        scheme = scheme.list(',');
    }
    if timed {
        scheme = scheme
            .timestamp(Source::header("x-time"), TimeUnit::Seconds)
            .signs([Part::Timestamp, Part::text("."), Part::Body]);
    }
    let time = NOW + (i64::from(*offset) - 128) * 3;
    let text = if timed {
        [format!("{time}.").as_bytes(), body].concat()
    } else {
        body.to_vec()
    };
    let right = computed(hash, secret.as_bytes(), &text);
    let write = |bytes: &[u8]| {
        if base64 {
            base64::engine::general_purpose::STANDARD.encode(bytes)
        } else {
            hex::encode(bytes)
        }
    };
    let at = usize::from(*place) % right.len();
    let mut bytes = right.clone();
    match damage % 6 {
        1 => bytes.truncate(at),
        2 => bytes.push(*place),
        3 => bytes[at] ^= damage | 1,
        4 => bytes = right.repeat(2),
        _ => {}
    }
    let mut header = format!("v1={}", write(&bytes));
    if damage % 6 == 5 {
        // A stranger beside it in a list; elsewhere the header is malformed.
        header = format!("v0=zz, v1={}, {header}", write(&right[..at]));
    }
    let is_whole = bytes == right && (damage % 6 != 5 || list);
    let is_blank = secret.chars().all(|letter| letter.is_whitespace() || letter == '\0');
    let is_timely = !timed || (time - NOW).abs() <= 300;
    let expected = is_whole && !is_blank && is_timely;

    let mut headers = HeaderMap::new();
    headers.insert("x-signature", HeaderValue::try_from(header).unwrap());
    headers.insert("x-time", HeaderValue::from(time));
    let request = SignedRequest {
        method: &Method::POST,
        url: "https://hooks.example/trigger/abc",
        headers: &headers,
        body,
    };
    let now = Timestamp::from_millis(NOW * 1000);
    let secrets = [Secret::new(secret)];
    let found = verify(&scheme, &secrets, &request, now);
    assert_eq!(found.is_ok(), expected, "{found:?}");

    let bare = SignedRequest { headers: &HeaderMap::new(), ..request };
    match sign(&scheme, &secrets[0], &bare, now, "1") {
        Ok(signed) => {
            let headers: HeaderMap = signed.headers.into_iter().collect();
            let request = SignedRequest { headers: &headers, ..bare };
            verify(&scheme, &secrets, &request, now).unwrap();
        }
        Err(_) => assert!(is_blank),
    }
    Some(())
}

fuzz_target!(|data: &[u8]| {
    run(data);
});
