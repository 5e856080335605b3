//! Results by URL: signed, expiring, readable in ranges (W24).

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, RANGE,
};
use http::{HeaderMap, Method, Response, StatusCode};
use sdk::Timestamp;
use sdk::id::ExecutionId;
use sha2::{Digest as _, Sha256};

use super::answer::{self, Answer};
use crate::decode::read_query;
use crate::ports::Ports;
use crate::record::StoredOutput;

/// The beginning of the path of every result.
pub(super) const PATH: &str = "/results/";

/// Returns the URL of a result: whoever has it can read the result until it expires.
pub(super) fn url(ports: &Ports, id: &ExecutionId) -> String {
    let lifetime = std::time::Duration::from_secs(ports.settings.result_url_seconds);
    let expires = (ports.clock.now() + lifetime).as_seconds();
    let signature = ports.vault.sign(&signed_text(id, expires));
    format!(
        "{}{PATH}{id}?expires={expires}&signature={signature}",
        ports.public_url.trim_end_matches('/')
    )
}

/// Answers a request for a result.
pub(super) async fn serve(ports: &Ports, request: &http::Request<Bytes>) -> Answer {
    if request.method() != Method::GET {
        let text = "A result is read with GET. Follow the redirect with GET, also after a POST.";
        let mut refusal = answer::error(StatusCode::METHOD_NOT_ALLOWED, text);
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    let id = ExecutionId::new(request.uri().path().strip_prefix(PATH).unwrap_or_default());
    let query = read_query(request.uri().query());
    let expires = query
        .get("expires")
        .and_then(|text| text.parse::<i64>().ok());
    let signature = query.get("signature").unwrap_or_default();
    let Some(expires) =
        expires.filter(|expires| ports.vault.verify(&signed_text(&id, *expires), signature))
    else {
        return answer::error(
            StatusCode::FORBIDDEN,
            "The signature of this result URL is not valid.",
        );
    };
    if ports.clock.now() >= Timestamp::from_millis(expires.saturating_mul(1000)) {
        return answer::error(StatusCode::GONE, "This result URL has expired.");
    }
    match ports.store.output(&id).await {
        Ok(Some(output)) => give(&output, request.headers()),
        Ok(None) => answer::error(StatusCode::NOT_FOUND, "The result is no longer kept."),
        Err(_) => answer::unavailable("The result cannot be read now; try again later.", 5),
    }
}

fn signed_text(id: &ExecutionId, expires: i64) -> String {
    format!("result\n{id}\n{expires}")
}

fn give(output: &StoredOutput, headers: &HeaderMap) -> Answer {
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&output.data)));
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut answer = if known
        .split(',')
        .any(|tag| tag.trim() == etag || tag.trim() == "*")
    {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        part(&output.data, headers)
    };
    let always = answer.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        always.insert(ETAG, etag);
    }
    let content_type = HeaderValue::from_str(&output.content_type);
    always.insert(
        CONTENT_TYPE,
        content_type.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")),
    );
    always.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // What a flow gives back must not act as a page of this server.
    always.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    always.insert(
        "content-security-policy",
        HeaderValue::from_static("sandbox"),
    );
    answer
}

/// Answers with the range that was asked for, if one was; several at once are answered with the whole.
fn part(data: &Bytes, headers: &HeaderMap) -> Answer {
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some(Ok(parsed)) = asked.map(http_range_header::parse_range_header) else {
        return Response::new(data.clone());
    };
    let length = data.len() as u64;
    let Ok(ranges) = parsed.validate(length) else {
        let mut refusal = empty(StatusCode::RANGE_NOT_SATISFIABLE);
        set_content_range(&mut refusal, &format!("bytes */{length}"));
        return refusal;
    };
    let [range] = ranges.as_slice() else {
        return Response::new(data.clone());
    };
    let (start, end) = (*range.start(), *range.end());
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some((from, to)) = bounds.filter(|(from, to)| from <= to && *to < data.len()) else {
        return Response::new(data.clone());
    };
    let mut answer = Response::new(data.slice(from..=to));
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    set_content_range(&mut answer, &format!("bytes {start}-{end}/{length}"));
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

fn set_content_range(answer: &mut Answer, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        answer.headers_mut().insert(CONTENT_RANGE, value);
    }
}
