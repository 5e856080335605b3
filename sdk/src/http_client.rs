//! HTTP requests to other systems.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Timestamp;
use crate::connection::{Connection, OAuth2};
use crate::error::{Error, Result};
use crate::host::{Host, RedirectsAreAnswers};
use crate::secret::Secret;

/// A client for HTTP requests to other systems. Requests go through the runner, so that a test sees and scripts them.
///
/// The runner calls public addresses, and of others only those that its operator allows (setting `outbound_allow`): a URL that somebody
/// else chose must not lead into the operator's own network. It follows up to ten redirects under the same rule; secret headers do not go
/// along to another origin. Each request carries the trace (`traceparent`) that came in with the webhook.
#[derive(Clone, Copy)]
pub struct HttpClient<'a> {
    host: &'a dyn Host,
}

impl fmt::Debug for HttpClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl<'a> HttpClient<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        Self { host }
    }

    /// Begins a GET request.
    pub fn get(&self, url: impl AsRef<str>) -> OutgoingRequest<'a> {
        self.request(Method::GET, url)
    }

    /// Begins a POST request.
    pub fn post(&self, url: impl AsRef<str>) -> OutgoingRequest<'a> {
        self.request(Method::POST, url)
    }

    /// Begins a PUT request.
    pub fn put(&self, url: impl AsRef<str>) -> OutgoingRequest<'a> {
        self.request(Method::PUT, url)
    }

    /// Begins a DELETE request.
    pub fn delete(&self, url: impl AsRef<str>) -> OutgoingRequest<'a> {
        self.request(Method::DELETE, url)
    }

    /// Begins a request with any method.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> OutgoingRequest<'a> {
        OutgoingRequest {
            host: self.host,
            request: begin(method, url.as_ref()).map_err(Error::permanent),
            connection: None,
        }
    }
}

/// What stands in a URL may be secret, so no error repeats it.
fn begin(method: Method, url: &str) -> Result<Request<Bytes>> {
    let uri: Uri = url
        .parse()
        .map_err(|fault| Error::new(format!("the URL of a request is not one: {fault}")))?;
    let whole = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if !whole {
        let text = "the URL of a request must begin with `https://` or `http://` and name a host";
        return Err(Error::new(text));
    }
    let named = uri.authority().map(http::uri::Authority::as_str);
    if named.is_some_and(|authority| authority.contains('@')) {
        let text = "the URL of a request holds a user name or a password; give them with `basic`";
        return Err(Error::new(text));
    }
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Ok(request)
}

/// A request that is about to be sent.
#[must_use = "a request is sent by `send`"]
pub struct OutgoingRequest<'a> {
    host: &'a dyn Host,
    request: Result<Request<Bytes>>,
    /// The config variable whose access token it is sent with.
    connection: Option<String>,
}

/// Shows no path, no query and no header: they may hold secrets.
impl fmt::Debug for OutgoingRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self
            .request
            .as_ref()
            .map(|request| (request.method(), request.uri().host()));
        f.debug_tuple("OutgoingRequest").field(&target).finish()
    }
}

impl OutgoingRequest<'_> {
    /// Sets a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.change(|request| {
            let name = HeaderName::try_from(name)
                .map_err(|_| Error::new(format!("`{name}` is not a header name")).permanent())?;
            let value = HeaderValue::try_from(value).map_err(|_| {
                Error::new(format!("the value of header `{name}` cannot be sent")).permanent()
            })?;
            request.headers_mut().insert(name, value);
            Ok(())
        })
    }

    /// Sets `Authorization: Bearer …`; the token is shown nowhere.
    pub fn bearer(self, token: &Secret) -> Self {
        let token = bearer(token);
        self.change(|request| {
            request.headers_mut().insert(AUTHORIZATION, token?);
            Ok(())
        })
    }

    /// Sends the request with an access token of a connection by OAuth 2.0, which is shown nowhere (E55). If the answer is 401, the token
    /// is renewed and the request sent once more; the second answer is the answer.
    pub fn authorized_by<P>(mut self, connection: &Connection<OAuth2<P>>) -> Self {
        self.connection = Some(connection.variable().to_owned());
        self
    }

    /// Sets `Authorization: Basic …`; user name and password are shown nowhere.
    pub fn basic(self, username: &Secret, password: &Secret) -> Self {
        use base64::Engine as _;
        let pair = format!("{}:{}", username.expose(), password.expose());
        let encoded = base64::prelude::BASE64_STANDARD.encode(pair);
        self.secret_header("authorization", &format!("Basic {encoded}"))
    }

    /// Sets a header whose value is shown nowhere.
    pub fn secret_header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).map_err(|_| unsendable());
        let value = secret_value(value);
        self.change(|request| {
            request.headers_mut().insert(name?, value?);
            Ok(())
        })
    }

    /// Sets the body to a JSON value.
    pub fn json(self, value: &impl Serialize) -> Self {
        let document = serde_json::to_vec(value);
        self.change(|request| {
            *request.body_mut() =
                Bytes::from(document.map_err(|fault| Error::from(fault).permanent())?);
            request
                .headers_mut()
                .insert("content-type", HeaderValue::from_static("application/json"));
            Ok(())
        })
    }

    /// Sets the body and its content type.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.change(|request| {
            *request.body_mut() = body;
            Ok(())
        })
        .header("content-type", content_type)
    }

    /// Takes a redirect for an answer like any other, instead of following it.
    pub fn redirects_are_answers(self) -> Self {
        self.change(|request| {
            request.extensions_mut().insert(RedirectsAreAnswers);
            Ok(())
        })
    }

    /// Sends the request; any status is an answer, but for redirects: up to ten are followed, 303 (and 301 and 302 after a POST) with GET.
    /// What is secret, by [`secret_header`](Self::secret_header) or by its name, does not go along to another origin.
    ///
    /// # Errors
    ///
    /// The request cannot be made, or leads to an address that the operator does not allow, which is permanent; the other system cannot be
    /// reached, or it does not answer in time. With [`authorized_by`](Self::authorized_by) also what
    /// [`Context::access_token`](crate::Context::access_token) fails with.
    pub async fn send(self) -> Result<IncomingResponse> {
        let request = self.request?;
        let target = format!(
            "{} {}",
            request.method(),
            request.uri().host().unwrap_or_default()
        );
        let response = match &self.connection {
            Some(variable) => send_authorized(self.host, request, variable).await?,
            None => self.host.send(request).await?,
        };
        Ok(IncomingResponse {
            target,
            response,
            at: self.host.now(),
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Request<Bytes>) -> Result<()>) -> Self {
        self.request = self
            .request
            .and_then(|mut request| change(&mut request).map(|()| request));
        self
    }
}

/// Sends a request with an access token; if that is refused, once more with another one, if there is another.
async fn send_authorized(
    host: &dyn Host,
    mut request: Request<Bytes>,
    variable: &str,
) -> Result<Response<Bytes>> {
    let token = host.access_token(variable, None).await?;
    request.headers_mut().insert(AUTHORIZATION, bearer(&token)?);
    let answer = host.send(request.clone()).await?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    let renewed = host.access_token(variable, Some(&token)).await?;
    if renewed == token {
        return Ok(answer);
    }
    request
        .headers_mut()
        .insert(AUTHORIZATION, bearer(&renewed)?);
    host.send(request).await
}

fn bearer(token: &Secret) -> Result<HeaderValue> {
    secret_value(&format!("Bearer {}", token.expose()))
}

fn secret_value(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(text).map_err(|_| unsendable())?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsendable() -> Error {
    let text = "a secret header cannot be sent: it holds a line break or a control character";
    Error::new(text).permanent()
}

/// The answer of another system.
#[derive(Clone)]
pub struct IncomingResponse {
    target: String,
    response: Response<Bytes>,
    at: Timestamp,
}

/// Shows no header and no body: cookies and tokens stand in them.
impl fmt::Debug for IncomingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingResponse")
            .field("target", &self.target)
            .field("status", &self.response.status())
            .field("bytes", &self.response.body().len())
            .finish_non_exhaustive()
    }
}

impl IncomingResponse {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the first value of a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// Returns the body.
    pub fn bytes(&self) -> &Bytes {
        self.response.body()
    }

    /// Refuses an answer whose status is not 200 to 299. What is worth another attempt (408, 429, 500 and above) is not permanent,
    /// and says when to try again if the other system said so in `Retry-After`, in seconds or as a date (E21).
    ///
    /// # Errors
    ///
    /// The status is not 200 to 299.
    pub fn ok(self) -> Result<Self> {
        let status = self.status();
        if status.is_success() {
            return Ok(self);
        }
        let error = Error::new(format!("{} answered {status}", self.target));
        let wait = self.header("retry-after").and_then(|text| {
            let seconds = text.trim().parse().map(Duration::from_secs);
            seconds.ok().or_else(|| Some(date(text)?.since(self.at)))
        });
        let again = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        Err(match wait {
            Some(wait) if again => error.retry_after(wait),
            _ if again => error,
            _ => error.permanent(),
        })
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// The body is not JSON of the shape of `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.bytes()).map_err(|fault| {
            Error::new(format!(
                "{} answered what does not fit: {fault}",
                self.target
            ))
        })
    }
}

/// Reads a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<Timestamp> {
    let instant = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, wait: &str) -> IncomingResponse {
        let response = Response::builder().status(status);
        IncomingResponse {
            target: "GET shop.example".to_owned(),
            response: response
                .header("retry-after", wait)
                .header("set-cookie", "canary")
                .body(Bytes::from_static(b"canary"))
                .unwrap(),
            at: "2026-03-27T16:50:00Z".parse().unwrap(),
        }
    }

    fn wait(status: u16, wait: &str) -> Option<Duration> {
        answer(status, wait).ok().unwrap_err().wait()
    }

    /// E21.
    #[test]
    fn the_other_system_names_when_to_try_again_in_seconds_or_by_date() {
        assert_eq!(wait(429, "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait(503, " 120 "), Some(Duration::from_mins(2)));
        let date = "Fri, 27 Mar 2026 16:51:30 GMT";
        assert_eq!(wait(503, date), Some(Duration::from_secs(90)));
        let past = "Fri, 27 Mar 2026 16:00:00 GMT";
        assert_eq!(wait(503, past), Some(Duration::ZERO));
        assert_eq!(wait(503, "soon"), None);
        let refused = answer(404, "7").ok().unwrap_err();
        assert!(refused.is_permanent() && refused.wait().is_none());
    }

    #[test]
    fn an_answer_shows_neither_headers_nor_body() {
        let shown = format!("{:?}", answer(200, "7"));
        assert!(
            shown.contains("GET shop.example") && !shown.contains("canary"),
            "{shown}"
        );
    }

    #[test]
    fn no_error_repeats_what_stands_in_a_url() {
        for url in [
            "https://user:canary@shop.example/",
            "https://canary@shop.example/",
            "https://shop.example/a canary",
            "shop.example/canary",
            "/canary",
            "ftp://shop.example/canary",
        ] {
            let refusal = begin(Method::GET, url).unwrap_err().to_string();
            assert!(!refusal.contains("canary"), "{refusal}");
        }
        assert!(begin(Method::GET, "https://shop.example/a?b=c@d").is_ok());
    }
}
