//! HTTP requests to other systems.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::secret::Secret;

/// A client for HTTP requests to other systems. Requests go through the runner, so that a test sees and scripts them.
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
        let built = Request::builder()
            .method(method)
            .uri(url.as_ref())
            .body(Bytes::new());
        let request =
            built.map_err(|_| Error::new(format!("`{}` is not a URL", url.as_ref())).permanent());
        OutgoingRequest {
            host: self.host,
            request,
        }
    }
}

/// A request that is about to be sent.
#[must_use = "a request is sent by `send`"]
pub struct OutgoingRequest<'a> {
    host: &'a dyn Host,
    request: Result<Request<Bytes>>,
}

impl fmt::Debug for OutgoingRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self
            .request
            .as_ref()
            .map(|request| (request.method(), request.uri().path()));
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
        self.secret_header("authorization", &format!("Bearer {}", token.expose()))
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
        let name = HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        self.change(|request| match (name, value) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                request.headers_mut().insert(name, value);
                Ok(())
            }
            _ => Err(Error::new(
                "a secret header cannot be sent: it holds a line break or a control character",
            )
            .permanent()),
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

    /// Sends the request; any status is an answer.
    ///
    /// # Errors
    ///
    /// The request cannot be made, which is permanent, the other system cannot be reached, or it does not answer in time.
    pub async fn send(self) -> Result<IncomingResponse> {
        let request = self.request?;
        let target = format!(
            "{} {}",
            request.method(),
            request.uri().host().unwrap_or_default()
        );
        let response = self.host.send(request).await?;
        Ok(IncomingResponse { target, response })
    }

    fn change(mut self, change: impl FnOnce(&mut Request<Bytes>) -> Result<()>) -> Self {
        self.request = self
            .request
            .and_then(|mut request| change(&mut request).map(|()| request));
        self
    }
}

/// The answer of another system.
#[derive(Clone, Debug)]
pub struct IncomingResponse {
    target: String,
    response: Response<Bytes>,
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
    /// and `Retry-After` in seconds is honoured (E21).
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
        let wait = self
            .header("retry-after")
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
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
