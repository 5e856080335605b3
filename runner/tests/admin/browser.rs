//! A browser: it keeps its cookie, submits forms, and goes where it is sent.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};

use crate::caller::{Answer, Server, TOKEN, bare, request};

/// A browser that has entered.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) cookie: String,
}

impl<'a> Browser<'a> {
    pub(crate) async fn enter(server: &'a Server) -> Self {
        let entered = submit(server, "/console/enter", &[("token", TOKEN)], None).await;
        assert_eq!(goes_to(&entered), "/console");
        let cookie = entered.headers["set-cookie"].to_str().unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/console"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { server, cookie }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let mut asked = bare(Method::GET, path);
        let cookie = HeaderValue::try_from(&self.cookie).unwrap();
        asked.headers_mut().insert("cookie", cookie);
        self.server.send(asked).await
    }

    /// Returns a page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        submit(self.server, path, fields, Some(&self.cookie)).await
    }
}

pub(crate) async fn submit(
    server: &Server,
    path: &str,
    fields: &[(&str, &str)],
    cookie: Option<&str>,
) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let mut request = request(Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", "http://localhost:3001");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    server
        .send(request.body(Bytes::from(form.finish())).unwrap())
        .await
}

#[track_caller]
pub(crate) fn goes_to(answer: &Answer) -> &str {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.headers["location"].to_str().unwrap()
}
