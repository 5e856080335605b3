//! Asks a provider for tokens (RFC 6749). `oauth2` writes the requests and reads the answers; they go through the guarded port.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, Scope, TokenResponse as _, TokenUrl,
};
use sdk::Secret;
use sdk::connection::OAuthClient;
use sdk::host::{BoxFuture, RedirectsAreAnswers};
use sdk::time::{minutes, seconds};
use serde_json::{Map, Value, json};

use crate::clock::{Clock, until};
use crate::outbound::{AnswerLimit, Outbound, OutboundError};
use crate::ports::Ports;

/// A provider is waited for no longer than this.
const LONGEST: Duration = seconds(10);

/// A provider that renews a token is waited for no longer than this: what it answers may hold the only refresh token that is still good.
const LONGEST_REFRESH: Duration = seconds(60);

/// Tokens have some thousand bytes at most.
const LARGEST: usize = 64 * 1024;

/// A provider that says when to come again is believed up to this.
pub(super) const LONGEST_WAIT: Duration = minutes(10);

/// What a token is asked for with.
pub(super) enum Asking<'a> {
    ClientCredentials,
    Refresh(&'a str),
    Code {
        code: &'a str,
        verifier: &'a Secret,
        redirect_url: &'a str,
    },
}

impl Asking<'_> {
    /// Returns how long the provider is waited for.
    fn longest(&self) -> Duration {
        match self {
            Self::Refresh(_) => LONGEST_REFRESH,
            Self::ClientCredentials | Self::Code { .. } => LONGEST,
        }
    }
}

/// What a provider gave.
pub(super) struct Given {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) lifetime: Option<Duration>,
}

/// Why a provider gave nothing. It holds nothing of what was sent, and of the answer a code at most.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum NotGiven {
    /// It may answer another time.
    #[error("{reason}")]
    Unreachable {
        reason: String,
        wait: Option<Duration>,
    },
    /// The operator does not let anybody call it.
    #[error(transparent)]
    NotAllowed(OutboundError),
    /// It refuses what was sent.
    #[error("it answered `{0}`")]
    Refused(String),
}

impl NotGiven {
    /// Says whether what was granted before is no longer accepted.
    pub(super) fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "invalid_grant")
    }
}

type Client =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// Asks for tokens.
pub(super) async fn ask(
    ports: &Ports,
    client: &OAuthClient,
    asking: Asking<'_>,
) -> Result<Given, NotGiven> {
    let http = Http {
        clock: Arc::clone(&ports.clock),
        outbound: Arc::clone(&ports.outbound),
        longest: asking.longest(),
    };
    let parameters = client.grant.token_parameters().iter().cloned();
    let scopes = || client.grant.scopes().iter().cloned().map(Scope::new);
    let asked = token_client(client)?;
    // What nobody has granted is asked for again as it was asked for first.
    let is_renewable = !matches!(asking, Asking::ClientCredentials);
    let answer: Result<BasicTokenResponse, _> = match asking {
        Asking::ClientCredentials => {
            let mut request = asked.exchange_client_credentials().add_scopes(scopes());
            for (name, value) in parameters {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&http).await
        }
        Asking::Refresh(token) => {
            let token = RefreshToken::new(token.to_owned());
            let mut request = asked.exchange_refresh_token(&token);
            for (name, value) in parameters {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&http).await
        }
        Asking::Code {
            code,
            verifier,
            redirect_url,
        } => {
            let asked = asked.set_redirect_uri(parsed(RedirectUrl::new(redirect_url.to_owned()))?);
            let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
            let mut request = asked
                .exchange_code(AuthorizationCode::new(code.to_owned()))
                .set_pkce_verifier(verifier);
            for (name, value) in parameters {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&http).await
        }
    };
    match answer {
        Ok(given) => Ok(Given {
            access: given.access_token().secret().clone(),
            refresh: given
                .refresh_token()
                .filter(|_| is_renewable)
                .map(|token| token.secret().clone()),
            lifetime: given.expires_in(),
        }),
        Err(RequestTokenError::Request(fault)) => Err(fault),
        Err(RequestTokenError::ServerResponse(refusal)) => {
            Err(NotGiven::Refused(refusal.error().as_ref().to_owned()))
        }
        // `Http` lets nothing through that cannot be read; the texts of the crate may quote the answer.
        Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => Err(NotGiven::Refused(
            "an answer that cannot be read".to_owned(),
        )),
    }
}

/// Returns the URL at which somebody authorises a connection, with PKCE by S256.
pub(super) fn authorize_url(
    client: &OAuthClient,
    state: &str,
    verifier: &Secret,
    redirect_url: &str,
) -> Result<String, NotGiven> {
    let grant = &client.grant;
    let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
    let asked = BasicClient::new(ClientId::new(client.id.expose().to_owned()))
        .set_auth_uri(parsed(AuthUrl::new(grant.authorize_url().to_owned()))?)
        .set_redirect_uri(parsed(RedirectUrl::new(redirect_url.to_owned()))?);
    let mut request = asked
        .authorize_url(|| CsrfToken::new(state.to_owned()))
        .add_scopes(grant.scopes().iter().cloned().map(Scope::new))
        .set_pkce_challenge(challenge);
    for (name, value) in grant.authorize_parameters() {
        request = request.add_extra_param(name, value);
    }
    Ok(request.url().0.to_string())
}

fn token_client(client: &OAuthClient) -> Result<Client, NotGiven> {
    let how = if client.grant.is_client_in_body() {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    };
    let url = parsed(TokenUrl::new(client.grant.token_url().to_owned()))?;
    let asked = BasicClient::new(ClientId::new(client.id.expose().to_owned()));
    Ok(asked
        .set_client_secret(ClientSecret::new(client.secret.expose().to_owned()))
        .set_auth_type(how)
        .set_token_uri(url))
}

/// The URLs were checked before they came here, by a reader that is stricter in all but rare cases.
fn parsed<T, E>(url: Result<T, E>) -> Result<T, NotGiven> {
    url.map_err(|_| NotGiven::Refused("a URL that cannot be called".to_owned()))
}

/// Sends what `oauth2` wrote: without redirects, which would carry the secret of the client along, and not for ever.
struct Http {
    clock: Arc<dyn Clock>,
    outbound: Arc<dyn Outbound>,
    longest: Duration,
}

impl<'a> AsyncHttpClient<'a> for Http {
    type Error = NotGiven;
    type Future = BoxFuture<'a, Result<oauth2::HttpResponse, NotGiven>>;

    fn call(&'a self, request: oauth2::HttpRequest) -> Self::Future {
        let mut request = request.map(Bytes::from);
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        request.extensions_mut().insert(RedirectsAreAnswers);
        request.extensions_mut().insert(AnswerLimit(LARGEST));
        let host = request.uri().host().unwrap_or_default().to_owned();
        let (clock, exchange) = (Arc::clone(&self.clock), self.outbound.send(request));
        let longest = self.longest;
        Box::pin(async move {
            let deadline = clock.now() + longest;
            let answer = until(&*clock, deadline, exchange).await;
            let answer = answer.map_err(|_| NotGiven::Unreachable {
                reason: format!("no answer from `{host}` within {} s", longest.as_secs()),
                wait: None,
            })?;
            let answer = answer.map_err(|fault| match fault {
                OutboundError::NoAnswer { .. } => NotGiven::Unreachable {
                    reason: fault.to_string(),
                    wait: None,
                },
                OutboundError::Refused { .. } => NotGiven::NotAllowed(fault),
            })?;
            read(&host, &answer)
        })
    }
}

/// Reads what providers answer, and makes of it what the standard says: some send the lifetime as a text, a refusal with status 200, or
/// no type of token. Whatever its type is called, a token is used as a bearer's.
fn read(host: &str, answer: &Response<Bytes>) -> Result<oauth2::HttpResponse, NotGiven> {
    let status = answer.status();
    let again = matches!(status.as_u16(), 408 | 425 | 429);
    if status.is_server_error() || again {
        return Err(NotGiven::Unreachable {
            reason: format!("`{host}` answered {}", status.as_u16()),
            wait: wait(answer.headers()),
        });
    }
    let document: Map<String, Value> = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |name: &str| {
        let found = document.get(name).and_then(Value::as_str);
        found.filter(|text| !text.is_empty())
    };
    let (status, document) = match text("access_token") {
        Some(token) if status.is_success() => {
            let lifetime = document.get("expires_in");
            let seconds = lifetime.and_then(|value| {
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
                Duration::try_from_secs_f64(number).ok()
            });
            // Some say so of a token that is good for ever.
            let seconds = seconds.filter(|seconds| seconds.as_secs() > 0);
            let given = json!({
                "access_token": token,
                "token_type": "bearer",
                "expires_in": seconds.map(|seconds| seconds.as_secs()),
                "refresh_token": text("refresh_token"),
            });
            (StatusCode::OK, given)
        }
        _ => {
            let code = text("error").filter(|code| is_code(code));
            let code = code.map_or_else(|| format!("status {}", status.as_u16()), str::to_owned);
            (StatusCode::BAD_REQUEST, json!({ "error": code }))
        }
    };
    let mut answer = Response::new(document.to_string().into_bytes());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    Ok(answer)
}

/// Says whether a text is the code of an error: a provider might write anything there, also what it was sent.
pub(super) fn is_code(text: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_alphabetic() || letter == b'_';
    text.len() <= 40 && text.bytes().all(is_letter)
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(text.trim().parse().ok()?);
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    /// Never answers.
    struct Silence;

    impl Outbound for Silence {
        fn send(
            &self,
            request: http::Request<Bytes>,
        ) -> BoxFuture<'static, Result<Response<Bytes>, OutboundError>> {
            assert_eq!(request.extensions().get(), Some(&AnswerLimit(LARGEST)));
            assert!(request.extensions().get::<RedirectsAreAnswers>().is_some());
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn e55_a_provider_that_does_not_answer_is_waited_for_so_long_and_no_longer() {
        let verifier = Secret::new("verifier");
        let code = Asking::Code {
            code: "code",
            verifier: &verifier,
            redirect_url: "https://hooks.example/oauth/callback",
        };
        for (asking, longest) in [
            (Asking::ClientCredentials, 10),
            (code, 10),
            (Asking::Refresh("refresh-token"), 60),
        ] {
            let clock = ManualClock::at("2026-03-27T16:50:00Z".parse().unwrap());
            let http = Http {
                clock: Arc::new(clock.clone()),
                outbound: Arc::new(Silence),
                longest: asking.longest(),
            };
            let request = http::Request::post("https://crm.example/token?canary").body(Vec::new());
            let (answer, ()) = tokio::join!(http.call(request.unwrap()), async {
                tokio::task::yield_now().await;
                let deadline = clock.next_deadline().unwrap();
                assert_eq!(deadline, clock.now() + seconds(longest));
                clock.advance_to(deadline);
            });
            let text = answer.unwrap_err().to_string();
            let expected = format!("no answer from `crm.example` within {longest} s");
            assert_eq!(text, expected);
        }
    }

    fn answer(status: u16, body: &str) -> Result<(u16, Value), String> {
        let mut answer = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        let wait = HeaderValue::from_static("7");
        answer.headers_mut().insert(RETRY_AFTER, wait);
        let read = read("crm.example", &answer).map_err(|fault| fault.to_string())?;
        let document = serde_json::from_slice(read.body()).unwrap();
        Ok((read.status().as_u16(), document))
    }

    #[test]
    fn e55_what_providers_answer_beside_the_standard_is_understood() {
        let token = |lifetime: Value| json!({"access_token": "t", "token_type": "bearer", "expires_in": lifetime, "refresh_token": null});
        for (body, lifetime) in [
            (
                r#"{"access_token":"t","token_type":"BEARER","expires_in":3600}"#,
                json!(3600),
            ),
            (
                r#"{"access_token":"t","expires_in":"3600","scope":["a"]}"#,
                json!(3600),
            ),
            (
                r#"{"access_token":"t","token_type":"bot","expires_in":-1}"#,
                json!(null),
            ),
            (r#"{"access_token":"t","expires_in":0}"#, json!(null)),
            (r#"{"access_token":"t","refresh_token":""}"#, json!(null)),
        ] {
            assert_eq!(answer(200, body), Ok((200, token(lifetime))), "{body}");
        }
        for (status, body, code) in [
            (
                200,
                r#"{"error":"bad_verification_code"}"#,
                "bad_verification_code",
            ),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"token canary"}"#,
                "invalid_grant",
            ),
            (401, r#"{"error":"canary: you sent s3cret"}"#, "status 401"),
            (404, "<html>canary</html>", "status 404"),
            (400, r#"{"error":"BAD_REFRESH_TOKEN"}"#, "BAD_REFRESH_TOKEN"),
            (302, "", "status 302"),
            (200, "{}", "status 200"),
        ] {
            let refused = Ok((400, json!({"error": code})));
            assert_eq!(answer(status, body), refused, "{body}");
        }
        assert_eq!(
            answer(503, "canary"),
            Err("`crm.example` answered 503".to_owned())
        );
    }
}
