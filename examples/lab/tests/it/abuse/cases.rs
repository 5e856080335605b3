//! What callers do who mean no good, or know no better.

use std::io::Write as _;
use std::time::Duration;

use crate::process::Home;

/// One connection, and how it ends.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What is sent, piece by piece.
    pub(super) pieces: Vec<Vec<u8>>,
    /// How long the caller waits after each piece.
    pub(super) pause: Duration,
    /// Whether the caller then says that nothing more will come.
    pub(super) hangs_up: bool,
    /// The answer; without one the connection ends in silence.
    pub(super) status: Option<u16>,
}

fn case(name: &'static str, status: u16, sent: impl Into<Vec<u8>>) -> Case {
    Case {
        name,
        pieces: vec![sent.into()],
        pause: Duration::ZERO,
        hangs_up: false,
        status: Some(status),
    }
}

impl Case {
    fn hanging_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }

    fn dripping(mut self, piece: &str, count: usize) -> Self {
        let drops = std::iter::repeat_n(piece.as_bytes().to_vec(), count);
        self.pieces.extend(drops);
        self.pause = Duration::from_millis(100);
        self
    }
}

/// A request that is the last on its connection.
fn send(line: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub(super) fn cases(home: &Home) -> Vec<Case> {
    let (echo, signed) = (home.endpoint("echo"), home.endpoint("signed"));
    let mut all = slow(&echo);
    all.extend(sizes(&echo));
    all.extend(lengths(&echo));
    all.extend(heads(&echo));
    all.extend(methods(&echo));
    all.extend(bodies(&echo));
    all.extend(parts(&echo));
    all.extend(strangers(&echo, &signed));
    all
}

fn slow(echo: &str) -> Vec<Case> {
    let line = format!("POST {echo} HTTP/1.1\r\nhost: a\r\n");
    let silent = Case {
        status: None,
        ..case("a connection that says nothing", 0, "")
    };
    vec![
        silent,
        case("half a head", 408, line.clone() + "x-abuse"),
        case("a head drop by drop", 408, line.clone() + "x-abuse: ").dripping("y", 60),
        case(
            "a body that stops",
            408,
            line.clone() + "content-length: 9\r\n\r\nhalf",
        ),
        case(
            "a body drop by drop",
            408,
            line.clone() + "content-length: 999\r\n\r\n",
        )
        .dripping("y", 60),
        case(
            "chunks drop by drop",
            408,
            line.clone() + "transfer-encoding: chunked\r\n\r\n",
        )
        .dripping("1\r\ny\r\n", 60),
        case(
            "a body cut short",
            400,
            line.clone() + "content-length: 9\r\n\r\nhalf",
        )
        .hanging_up(),
        case(
            "chunks cut short",
            400,
            line + "transfer-encoding: chunked\r\n\r\n9\r\nhalf",
        )
        .hanging_up(),
    ]
}

fn sizes(echo: &str) -> Vec<Case> {
    let line = format!("POST {echo} HTTP/1.1\r\nhost: a\r\n");
    let chunk = format!("8000\r\n{}\r\n", "c".repeat(0x8000));
    let many = "x: y\r\n".repeat(101);
    let (url, header) = ("u".repeat(20 * 1024), "y".repeat(100 * 1024));
    vec![
        case(
            "a body of a terabyte",
            413,
            line.clone() + "content-length: 1099511627776\r\n\r\n",
        ),
        case(
            "a large body that asks first",
            413,
            line.clone() + "expect: 100-continue\r\ncontent-length: 65537\r\n\r\n",
        ),
        case(
            "a body over the limit",
            413,
            send(&format!("POST {echo}"), "", "b".repeat(65537)),
        ),
        case(
            "chunks over the limit",
            413,
            line.clone() + "transfer-encoding: chunked\r\n\r\n" + &chunk.repeat(4),
        ),
        case(
            "headers of 100 KiB",
            431,
            format!("{line}x: {header}\r\n\r\n"),
        ),
        case("a hundred and one headers", 431, line + &many + "\r\n"),
        case(
            "a URL of 20 KiB",
            414,
            send(&format!("POST {echo}/{url}"), "", ""),
        ),
        case(
            "a query of 20 KiB",
            414,
            send(&format!("POST {echo}?{url}"), "", ""),
        ),
    ]
}

fn lengths(echo: &str) -> Vec<Case> {
    let case = |name, status, headers: &str, body: &str| {
        let head = format!("POST {echo} HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}");
        case(name, status, head)
    };
    let (long, chunked) = ("content-length: 5\r\n", "transfer-encoding: chunked\r\n");
    vec![
        case(
            "a length and chunks",
            400,
            &(long.to_owned() + chunked),
            "0\r\n\r\n",
        ),
        case(
            "chunks and a length",
            400,
            &(chunked.to_owned() + long),
            "0\r\n\r\n",
        ),
        case(
            "two lengths",
            400,
            &(long.to_owned() + "content-length: 6\r\n"),
            "abuse",
        ),
        case(
            "a length with a sign",
            400,
            "content-length: +5\r\n",
            "abuse",
        ),
        case(
            "a length below zero",
            400,
            "content-length: -5\r\n",
            "abuse",
        ),
        case(
            "a length beyond numbers",
            400,
            "content-length: 99999999999999999999\r\n",
            "abuse",
        ),
        case(
            "chunks in disguise",
            501,
            "transfer-encoding: xchunked\r\n",
            "0\r\n\r\n",
        ),
        case(
            "chunks twice",
            501,
            "transfer-encoding: chunked, chunked\r\n",
            "0\r\n\r\n",
        ),
        case("a chunk of no size", 400, chunked, "abuse\r\n"),
        case(
            "a chunk beyond numbers",
            400,
            chunked,
            "fffffffffffffffff\r\n",
        ),
        case("a chunk below zero", 400, chunked, "-1\r\n"),
        case(
            "a request behind doubtful chunks",
            400,
            chunked,
            "0\n\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
    ]
}

fn heads(echo: &str) -> Vec<Case> {
    let case = |name, status, head: &str| case(name, status, head.replace("ECHO", echo));
    vec![
        case(
            "no host",
            400,
            "POST ECHO HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        ),
        case(
            "two hosts",
            400,
            "POST ECHO HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        ),
        case(
            "a NUL in a header",
            400,
            "POST ECHO HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
        ),
        case(
            "a bare line end in a header",
            400,
            "POST ECHO HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n",
        ),
        case(
            "a folded header",
            400,
            "POST ECHO HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
        ),
        case(
            "a space before the colon",
            400,
            "POST ECHO HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
        ),
        case(
            "a header without a name",
            400,
            "POST ECHO HTTP/1.1\r\nhost: a\r\n: y\r\n\r\n",
        ),
        case("no version", 400, "POST ECHO\r\n\r\n"),
        case("a version to come", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        case(
            "an unknown expectation",
            417,
            "POST ECHO HTTP/1.1\r\nhost: a\r\nexpect: abuse\r\n\r\n",
        ),
        case("TLS", 400, "\x16\x03\x01\x02\0\x01\0"),
        case("nonsense", 400, "\u{1}\u{2}abuse\r\n\r\n"),
    ]
}

fn methods(echo: &str) -> Vec<Case> {
    let call = |method: &str| send(&format!("{method} {echo}"), "", "");
    vec![
        case("TRACE", 405, call("TRACE")),
        case("OPTIONS", 405, call("OPTIONS")),
        case("HEAD", 405, call("HEAD")),
        case("an unknown method", 405, call("ABUSE")),
        case(
            "CONNECT",
            501,
            "CONNECT abuse:443 HTTP/1.1\r\nhost: abuse\r\n\r\n",
        ),
        case(
            "GET with a body",
            400,
            send(&format!("GET {echo}"), "", "abuse"),
        ),
    ]
}

fn bodies(echo: &str) -> Vec<Case> {
    let line = format!("POST {echo}");
    let json = "content-type: application/json\r\n";
    let mut bomb = Vec::new();
    let mut packer = flate2::write::GzEncoder::new(&mut bomb, flate2::Compression::best());
    packer.write_all(&vec![b' '; 8 << 20]).unwrap();
    packer.finish().unwrap();
    let fields: String = (0..10_001).map(|_| "a=&").collect();
    vec![
        case("JSON that is none", 400, send(&line, json, "{\"abuse\":")),
        case(
            "JSON in another encoding",
            400,
            send(&line, json, b"\xff\xfea\0"),
        ),
        case(
            "JSON nested without end",
            400,
            send(&line, json, "[".repeat(60_000)),
        ),
        case("a form of ten thousand fields", 413, {
            send(
                &line,
                "content-type: application/x-www-form-urlencoded\r\n",
                fields,
            )
        }),
        case("a bomb", 413, {
            send(&line, &format!("{json}content-encoding: gzip\r\n"), bomb)
        }),
        case("gzip that is none", 400, {
            send(&line, &format!("{json}content-encoding: gzip\r\n"), "abuse")
        }),
        case("another compression", 415, {
            send(&line, &format!("{json}content-encoding: br\r\n"), "abuse")
        }),
        case("compression upon compression", 415, {
            send(
                &line,
                &format!("{json}content-encoding: gzip, gzip, gzip\r\n"),
                "abuse",
            )
        }),
    ]
}

fn parts(echo: &str) -> Vec<Case> {
    let line = format!("POST {echo}");
    let form = "content-type: multipart/form-data; boundary=b\r\n";
    let part = |headers: &str| {
        format!("--b\r\ncontent-disposition: form-data; name=\"a\"\r\n{headers}\r\nabuse\r\n")
    };
    let end = "--b--\r\n";
    let padding = format!("x: {}\r\n", "y".repeat(9 * 1024));
    vec![
        case("a form without a boundary", 400, {
            send(
                &line,
                "content-type: multipart/form-data\r\n",
                part("") + end,
            )
        }),
        case("a form without an end", 400, send(&line, form, part(""))),
        case("a part without a name", 400, {
            send(
                &line,
                form,
                format!("--b\r\ncontent-disposition: form-data\r\n\r\nabuse\r\n{end}"),
            )
        }),
        case(
            "too many parts",
            413,
            send(&line, form, part("").repeat(101) + end),
        ),
        case(
            "a part with a large head",
            413,
            send(&line, form, part(&padding) + end),
        ),
        case("a part of JSON that is none", 400, {
            send(
                &line,
                form,
                part("content-type: application/json\r\n") + end,
            )
        }),
    ]
}

fn strangers(echo: &str, signed: &str) -> Vec<Case> {
    let sign = |headers: &str| send(&format!("POST {signed}"), headers, "abuse");
    let hex = "0".repeat(64);
    let longer = format!("{echo}x");
    let shorter = &echo[..echo.len() - 1];
    vec![
        case("no signature", 401, sign("")),
        case("an empty signature", 401, sign("x-hmac-sha256: \r\n")),
        case(
            "a wrong signature",
            401,
            sign(&format!("x-hmac-sha256: {hex}\r\n")),
        ),
        case(
            "half a signature",
            401,
            sign(&format!("x-hmac-sha256: {}\r\n", &hex[..32])),
        ),
        case("two signatures", 401, {
            sign(&format!(
                "x-hmac-sha256: {hex}\r\nx-hmac-sha256: 1{}\r\n",
                &hex[1..]
            ))
        }),
        case(
            "an unknown endpoint",
            404,
            send("POST /trigger/abuse", "", "abuse"),
        ),
        case(
            "a longer endpoint",
            404,
            send(&format!("POST {longer}"), "", "abuse"),
        ),
        case(
            "half an endpoint",
            404,
            send(&format!("POST {shorter}"), "", "abuse"),
        ),
        case(
            "a way out of the endpoints",
            404,
            send("POST /trigger/..%2f..%2fapi/instances", "", ""),
        ),
        case(
            "the management API at the wrong door",
            404,
            send("GET /api/instances", "", ""),
        ),
        case(
            "the metrics at the wrong door",
            404,
            send("GET /metrics", "", ""),
        ),
        case(
            "a result that nobody gave",
            403,
            send("GET /results/abuse?expires=9&signature=abuse", "", ""),
        ),
    ]
}
