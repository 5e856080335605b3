//! Judges the head of a request before hyper sees it.
//!
//! hyper answers bad heads itself, without a body, and lets some pass: two hosts, a length beside
//! chunks, an address of any length. The parser is hyper's own, so that both read the same.

use httparse::{EMPTY_HEADER, Error, Header, Request, Status};

use super::framing::{Chunk, Framing};
use super::limits::Limits;
use super::refusal::Refusal;

/// What a request line has beside its URL: a method, two spaces, a version.
const REQUEST_LINE_REST: usize = 64;

/// For so many headers there is room without asking for memory; the default limit.
const USUAL_HEADERS: usize = 100;

/// What the bytes received so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// More must come.
    Partial,
    /// A head of `length` bytes, with the body that follows it.
    Whole { length: usize, framing: Framing },
}

/// Judges what has been received of a head.
///
/// # Errors
///
/// The answer to give, if this cannot become a request that the handler should see.
pub(super) fn examine(bytes: &[u8], limits: &Limits) -> Result<Head, Refusal> {
    let mut usual = [EMPTY_HEADER; USUAL_HEADERS];
    let mut more = Vec::new();
    let headers = usual.get_mut(..limits.header_count).unwrap_or_else(|| {
        more.resize(limits.header_count, EMPTY_HEADER);
        &mut more
    });
    let mut request = Request::new(headers);
    let status = request.parse(bytes).map_err(|error| match error {
        Error::TooManyHeaders => Refusal::TooManyHeaders {
            limit: limits.header_count,
        },
        Error::Version => Refusal::UnknownVersion,
        _ => Refusal::Malformed("the request line or a header is malformed; send HTTP/1.1"),
    })?;
    let url_bytes = match request.path {
        Some(path) => path.len(),
        None => bytes.len().saturating_sub(REQUEST_LINE_REST),
    };
    if url_bytes > limits.url_bytes {
        return Err(Refusal::UrlTooLong {
            limit: limits.url_bytes,
        });
    }
    let length = match status {
        Status::Complete(length) => length,
        Status::Partial => bytes.len(),
    };
    if length > limits.header_bytes {
        return Err(Refusal::HeadTooLarge {
            limit: limits.header_bytes,
        });
    }
    if status.is_partial() {
        return Ok(Head::Partial);
    }
    check_request_line(&request)?;
    let is_old = request.version == Some(0);
    check_host(is_old, request.headers)?;
    check_expectation(request.headers)?;
    let framing = framing(is_old, request.headers)?;
    Ok(Head::Whole { length, framing })
}

fn check_request_line(request: &Request<'_, '_>) -> Result<(), Refusal> {
    if request.method == Some("CONNECT") {
        return Err(Refusal::NotImplemented(
            "this server is no proxy; `CONNECT` is not implemented",
        ));
    }
    let url = request.path.unwrap_or_default();
    http::Uri::try_from(url)
        .map(drop)
        .map_err(|_invalid| Refusal::Malformed("the URL is malformed; percent-encode it"))
}

fn check_host(is_old: bool, headers: &[Header<'_>]) -> Result<(), Refusal> {
    match values(headers, "host").count() {
        1 => Ok(()),
        // Health checks of some proxies still speak HTTP/1.0, which has no such header.
        0 if is_old => Ok(()),
        0 => Err(Refusal::Malformed("the `Host` header is missing; send one")),
        _ => Err(Refusal::Malformed(
            "there is more than one `Host` header; send one",
        )),
    }
}

fn check_expectation(headers: &[Header<'_>]) -> Result<(), Refusal> {
    if values(headers, "expect").all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        Ok(())
    } else {
        Err(Refusal::UnknownExpectation)
    }
}

fn framing(is_old: bool, headers: &[Header<'_>]) -> Result<Framing, Refusal> {
    let mut lengths = values(headers, "content-length");
    let mut codings = values(headers, "transfer-encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Framing::Counted(0)),
        (Some(_), Some(_)) => Err(Refusal::Malformed(
            "both `Content-Length` and `Transfer-Encoding` are given; send one of them",
        )),
        (Some(length), None) if lengths.next().is_none() => content_length(length),
        (Some(_), None) => Err(Refusal::Malformed(
            "there is more than one `Content-Length` header; send one",
        )),
        (None, Some(_)) if is_old => Err(Refusal::Malformed(
            "HTTP/1.0 has no `Transfer-Encoding`; use HTTP/1.1",
        )),
        (None, Some(coding))
            if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() =>
        {
            Ok(Framing::Chunked(Chunk::Start))
        }
        (None, Some(_)) => Err(Refusal::NotImplemented(
            "the transfer coding is not implemented; use `chunked` alone",
        )),
    }
}

fn content_length(value: &[u8]) -> Result<Framing, Refusal> {
    std::str::from_utf8(value)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map(Framing::Counted)
        .ok_or(Refusal::Malformed(
            "the `Content-Length` header is not a number of bytes; send one",
        ))
}

fn values<'a>(headers: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim_ascii())
}
