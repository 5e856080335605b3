//! What the engine says of a scheme is what a slow reader says who shares no code with it; and what is signed is verified.
#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use runner::signature::{SignedRequest, sign, verify};
use sdk::signature::{Encoding, Hash, Part, SignatureScheme, Source, TimeUnit};
use sdk::{Secret, Timestamp};

const NOW: i64 = 1_774_630_200;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What the sender does and sends.
struct Case<'a> {
    hash: Hash,
    base64: bool,
    list: bool,
    /// Whether a timestamp is signed, and whether it stands in the signature's header.
    timed: bool,
    time_in_list: bool,
    /// Whether method, URL and id are signed as well.
    whole: bool,
    get: bool,
    time: String,
    query: &'a str,
    id: &'a [u8],
    body: &'a [u8],
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn write_hex(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().into_bytes()
}

/// Base64 by the book: three bytes are four letters, what is missing is `=`.
fn write_base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for three in bytes.chunks(3) {
        let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..4 {
            out.push(if letter <= three.len() {
                ALPHABET[(bits >> (18 - 6 * letter) & 63) as usize]
            } else {
                b'='
            });
        }
    }
    out
}

impl Case<'_> {
    fn method(&self) -> Method {
        if self.get { Method::GET } else { Method::POST }
    }

    fn url(&self) -> String {
        format!("https://hooks.example/trigger/abc?{}", self.query)
    }

    fn scheme(&self) -> SignatureScheme {
        let mut scheme = SignatureScheme::hmac("x-signature", self.hash).prefix("v1=");
        if self.base64 {
            scheme = scheme.base64();
        }
        if self.list {
            scheme = scheme.list(',');
        }
        let mut parts = Vec::new();
        if self.whole {
            scheme = scheme.id(Source::header("x-id"));
            parts.extend([Part::Method, Part::Url, Part::Id]);
        }
        if self.timed {
            let source = if self.time_in_list {
                Source::field("t=")
            } else {
                Source::header("x-time")
            };
            scheme = scheme.timestamp(source, TimeUnit::Seconds);
            parts.extend([Part::Timestamp, Part::text(".")]);
        }
        scheme.signs(parts.into_iter().chain([Part::Body]))
    }

    /// What is written for a secret when this time was signed.
    fn written(&self, secret: &str, time: &str) -> Vec<u8> {
        let mut text = Vec::new();
        if self.whole {
            text.extend(
                [
                    self.method().as_str().as_bytes(),
                    self.url().as_bytes(),
                    self.id,
                ]
                .concat(),
            );
        }
        if self.timed {
            text.extend([time.as_bytes(), b"."].concat());
        }
        text.extend(self.body);
        let key = secret.as_bytes();
        let bytes = match self.hash {
            Hash::Md5 => mac::<Hmac<md5::Md5>>(key, &text),
            Hash::Sha1 => mac::<Hmac<sha1::Sha1>>(key, &text),
            Hash::Sha256 => mac::<Hmac<sha2::Sha256>>(key, &text),
            Hash::Sha512 => mac::<Hmac<sha2::Sha512>>(key, &text),
        };
        if self.base64 {
            write_base64(&bytes)
        } else {
            write_hex(&bytes)
        }
    }

    /// The header of a template: `$` is the first secret's signature, `!` the second's, `^` the first's in capitals, `~` a stranger's,
    /// `@` the time; all else is itself.
    fn header(&self, template: &[u8], secrets: &[&str; 2]) -> Vec<u8> {
        let pieces = template.iter().map(|byte| match byte {
            b'$' => self.written(secrets[0], &self.time),
            b'!' => self.written(secrets[1], &self.time),
            b'^' => self.written(secrets[0], &self.time).to_ascii_uppercase(),
            b'~' => self.written("a stranger's", &self.time),
            b'@' => self.time.clone().into_bytes(),
            byte => vec![*byte],
        });
        pieces.collect::<Vec<_>>().concat()
    }

    /// Says whether this header proves that its sender knows one of the secrets, by what the documentation of the scheme says.
    fn is_proven(&self, header: &[u8], secrets: &[&str; 2]) -> bool {
        let items: Vec<&[u8]> = if self.list {
            header
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii)
                .collect()
        } else {
            vec![header]
        };
        let time = if !self.timed {
            String::new()
        } else if self.time_in_list {
            let Ok(header) = std::str::from_utf8(header) else {
                return false;
            };
            let mut times = header
                .split(',')
                .map(str::trim)
                .filter_map(|item| item.strip_prefix("t="));
            let Some(first) = times.next() else {
                return false;
            };
            if times.any(|time| time != first) {
                return false;
            }
            first.to_owned()
        } else {
            self.time.clone()
        };
        if self.timed {
            let is_whole = !time.is_empty() && time.bytes().all(|digit| digit.is_ascii_digit());
            let seconds = time.parse::<i128>().ok().filter(|_| is_whole);
            if seconds.is_none_or(|seconds| (seconds - i128::from(NOW)).abs() > 300) {
                return false;
            }
        }
        if self.whole && (self.id.is_empty() || std::str::from_utf8(self.id).is_err()) {
            return false;
        }
        let signatures: Vec<&[u8]> = items
            .into_iter()
            .filter_map(|item| item.strip_prefix(b"v1="))
            .collect();
        // No sender sends more, and nobody is to make us work for nothing.
        if signatures.len() > 32 {
            return false;
        }
        let usable = secrets.iter().filter(|secret| {
            !secret
                .chars()
                .all(|letter| letter.is_whitespace() || letter == '\0')
        });
        usable.into_iter().any(|secret| {
            let right = self.written(secret, &time);
            // Hexadecimal is read in either case; of base64 there is one spelling only.
            signatures.iter().any(|found| {
                if self.base64 {
                    *found == right
                } else {
                    found.eq_ignore_ascii_case(&right)
                }
            })
        })
    }
}

/// Two bytes of knobs and one for the clock; then lines: two secrets, the query, the id, the template of the header. The rest is the body.
fn run(data: &[u8]) -> Option<()> {
    let [knobs, more, offset, rest @ ..] = data else {
        return None;
    };
    let mut lines = rest.splitn(6, |byte| *byte == b'\n');
    let mut line = || lines.next();
    let secrets = [
        std::str::from_utf8(line()?).ok()?,
        std::str::from_utf8(line()?).ok()?,
    ];
    let query = std::str::from_utf8(line()?).ok()?;
    let (id, template, body) = (line()?, line()?, line()?);
    let list = knobs & 8 != 0;
    let case = Case {
        hash: [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha512][usize::from(knobs & 3)],
        base64: knobs & 4 != 0,
        list,
        timed: knobs & 16 != 0,
        time_in_list: list && knobs & 32 != 0,
        whole: knobs & 64 != 0,
        get: knobs & 128 != 0,
        time: match more {
            0 => i64::MAX.to_string(),
            1 => format!("-{NOW}"),
            2 => format!("0{NOW}"),
            _ => (NOW + (i64::from(*offset) - 128) * 3).to_string(),
        },
        query,
        id,
        body,
    };
    let header = case.header(template, &secrets);
    let expected = case.is_proven(&header, &secrets);

    let mut headers = HeaderMap::new();
    headers.insert("x-signature", HeaderValue::from_bytes(&header).ok()?);
    headers.insert("x-time", HeaderValue::try_from(&case.time).ok()?);
    headers.insert("x-id", HeaderValue::from_bytes(id).ok()?);
    let (method, url) = (case.method(), case.url());
    let request = SignedRequest {
        method: &method,
        url: &url,
        headers: &headers,
        body,
    };
    let scheme = case.scheme();
    assert_eq!(scheme.faults(), Vec::<String>::new());
    assert_eq!(scheme.encoding == Encoding::Base64, case.base64);
    let now = Timestamp::from_millis(NOW * 1000 + i64::from(*more) * 3);
    let known = secrets.map(Secret::new);
    let found = verify(&scheme, &known, &request, now);
    assert_eq!(found.is_ok(), expected, "{found:?}");

    // What we sign is what the slow reader takes for proven, and what we verify.
    let bare = SignedRequest {
        headers: &HeaderMap::new(),
        ..request
    };
    match sign(&scheme, &known[0], &bare, now, "1") {
        Ok(signed) => {
            let headers: HeaderMap = signed.headers.into_iter().collect();
            let header = headers["x-signature"].as_bytes();
            let time = NOW.to_string();
            let signed_case = Case {
                id: b"1",
                time,
                ..case
            };
            assert!(signed_case.is_proven(header, &[secrets[0], ""]));
            let request = SignedRequest {
                headers: &headers,
                ..bare
            };
            verify(&scheme, &known[..1], &request, now).unwrap();
        }
        Err(_) => assert!(known[0].is_blank()),
    }
    Some(())
}

fuzz_target!(|data: &[u8]| {
    run(data);
});
