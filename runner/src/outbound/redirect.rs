//! What is asked next when another system answers "elsewhere".

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, HOST,
    LOCATION, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use url::Url;

use crate::redaction::names_a_secret;

/// So many redirects are followed for one request.
pub(super) const MOST: usize = 10;

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Hop {
    pub(super) fn of(request: Request<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        Self {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body,
        }
    }

    pub(super) fn to_request(&self) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Turns the request into what the answer asks for; says whether there is anything to ask.
    ///
    /// # Errors
    ///
    /// It leads to where no request goes.
    pub(super) fn follow<B>(&mut self, answer: &Response<B>) -> Result<bool, &'static str> {
        let Some(target) = target(&self.uri, answer)? else {
            return Ok(false);
        };
        let from = Url::parse(&self.uri.to_string()).map_err(|_| "its URL is none")?;
        if from.scheme() == "https" && target.scheme() == "http" {
            return Err("it redirects from https to http, which is not followed");
        }
        if from.origin() != target.origin() {
            self.drop_credentials();
        }
        self.change_method(answer.status());
        self.headers.remove(HOST);
        self.uri = target
            .as_str()
            .parse()
            .map_err(|_| "it redirects to what is no URL")?;
        Ok(true)
    }

    /// Another origin gets no credentials: neither those that everybody knows, nor what the author said to be secret.
    fn drop_credentials(&mut self) {
        let secret: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, value)| value.is_sensitive() || names_a_secret(name.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in secret {
            self.headers.remove(name);
        }
    }

    /// As browsers do, and the Fetch standard writes: 303, and 301 or 302 after a POST, are asked for with GET.
    fn change_method(&mut self, status: StatusCode) {
        let reads = match status {
            StatusCode::SEE_OTHER => !matches!(self.method, Method::GET | Method::HEAD),
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if !reads {
            return;
        }
        self.method = Method::GET;
        self.body = Bytes::new();
        for name in [
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            CONTENT_LENGTH,
            CONTENT_LOCATION,
            CONTENT_TYPE,
            TRANSFER_ENCODING,
        ] {
            self.headers.remove(name);
        }
    }
}

/// Returns where an answer leads, if it leads elsewhere.
fn target<B>(from: &Uri, answer: &Response<B>) -> Result<Option<Url>, &'static str> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(LOCATION) else {
        return Ok(None);
    };
    let location = location
        .to_str()
        .map_err(|_| "it redirects to what is no URL")?;
    let base = Url::parse(&from.to_string()).map_err(|_| "its URL is none")?;
    let mut target = base
        .join(location)
        .map_err(|_| "it redirects to what is no URL")?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err("it redirects to what is neither http nor https");
    }
    if !target.username().is_empty() || target.password().is_some() {
        return Err("it redirects to a URL with a user name or a password, which is not followed");
    }
    target.set_fragment(None);
    Ok(Some(target))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hop(method: Method, url: &str) -> Hop {
        let mut key = HeaderValue::from_static("canary");
        key.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", "Bearer canary")
            .header("cookie", "canary=1")
            .header("x-api-key", "canary")
            .header("x-house", key)
            .header("content-type", "text/plain")
            .header("accept", "text/plain")
            .body(Bytes::from_static(b"body"));
        Hop::of(request.unwrap())
    }

    fn answer(status: u16, location: &str) -> Response<()> {
        let answer = Response::builder().status(status);
        answer.header(LOCATION, location).body(()).unwrap()
    }

    #[track_caller]
    fn goes(from: &str, location: &str, to: &str) {
        let mut hop = hop(Method::GET, from);
        assert_eq!(hop.follow(&answer(302, location)), Ok(true), "{location}");
        assert_eq!(hop.uri.to_string(), to);
    }

    #[test]
    fn a_location_is_read_from_where_it_was_said() {
        let from = "https://a.example/x/y?q=1";
        goes(from, "https://b.example/z", "https://b.example/z");
        goes(from, "//b.example/z", "https://b.example/z");
        goes(from, "/z#part", "https://a.example/z");
        goes(from, "z", "https://a.example/x/z");
        goes(from, "../z", "https://a.example/z");
        goes(from, "?q=2", "https://a.example/x/y?q=2");
    }

    #[test]
    fn another_origin_gets_no_credentials_and_the_same_one_keeps_them() {
        for (location, kept) in [
            ("/z", true),
            ("https://a.example:443/z", true),
            ("https://b.example/z", false),
            ("https://a.example:444/z", false),
            ("https://www.a.example/z", false),
        ] {
            let mut hop = hop(Method::GET, "https://a.example/x");
            assert_eq!(hop.follow(&answer(307, location)), Ok(true));
            for name in ["authorization", "cookie", "x-api-key", "x-house"] {
                assert_eq!(hop.headers.contains_key(name), kept, "{name} to {location}");
            }
            assert!(hop.headers.contains_key("accept"));
        }
    }

    #[test]
    fn the_method_and_the_body_go_on_as_the_status_says() {
        for (status, before, after, body) in [
            (301, Method::POST, Method::GET, ""),
            (302, Method::POST, Method::GET, ""),
            (302, Method::PUT, Method::PUT, "body"),
            (303, Method::PUT, Method::GET, ""),
            (303, Method::HEAD, Method::HEAD, "body"),
            (307, Method::POST, Method::POST, "body"),
            (308, Method::DELETE, Method::DELETE, "body"),
        ] {
            let mut hop = hop(before, "https://a.example/x");
            assert_eq!(hop.follow(&answer(status, "/z")), Ok(true));
            assert_eq!((&hop.method, &hop.body[..]), (&after, body.as_bytes()));
            let typed = hop.headers.contains_key("content-type");
            assert_eq!(typed, !body.is_empty(), "{status}");
        }
    }

    #[test]
    fn what_leads_nowhere_good_is_not_followed() {
        for location in [
            "http://a.example/z",
            "ftp://a.example/z",
            "file:///etc/passwd",
            "https://user:word@a.example/z",
            "https://",
        ] {
            let mut hop = hop(Method::GET, "https://a.example/x");
            assert!(hop.follow(&answer(302, location)).is_err(), "{location}");
        }
        let mut plain = hop(Method::GET, "https://a.example/x");
        assert_eq!(plain.follow(&answer(200, "/z")), Ok(false));
        assert_eq!(plain.follow(&answer(304, "/z")), Ok(false));
        assert_eq!(plain.follow(&Response::new(())), Ok(false));
    }
}
