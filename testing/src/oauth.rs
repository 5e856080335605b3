//! A provider of OAuth 2.0 for tests (E55): a real HTTP server on this machine that gives out tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use sdk::connection::{Connection, OAuth2};
use sdk::time::hours;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::upstream::Reply;

/// A provider of OAuth 2.0: a real HTTP server on this machine. It checks what it is asked as a strict provider does (client, redirect URL,
/// PKCE, codes that are used once), gives each access token the same lifetime, and takes each refresh token once: with the next access token
/// comes the next refresh token.
///
/// Point a connection at it by [`connection`](Self::connection); have it authorised by
/// [`SimulatedInstance::authorize`](crate::SimulatedInstance::authorize). Clones are the same server.
#[derive(Clone)]
pub struct OAuthServer {
    server: Arc<MockServer>,
    book: Arc<Mutex<Book>>,
}

/// A request for a token that an [`OAuthServer`] answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// What it was asked with: `client_credentials`, `authorization_code`, `refresh_token`.
    pub grant_type: String,
    /// The scopes that were asked for, as they came.
    pub scope: String,
    /// The status that it was answered with.
    pub status: u16,
}

#[derive(Default)]
struct Book {
    lifetime: Option<Duration>,
    /// How many tokens, refresh tokens and codes there are.
    count: u64,
    /// The codes that can be used, each with the challenge and the redirect URL that belong to it.
    codes: BTreeMap<String, (String, String)>,
    /// The refresh tokens that can be used, each with the one in whose place it came.
    refresh: BTreeMap<String, Option<String>>,
    /// The access tokens that can be used.
    access: BTreeSet<String>,
    given: Vec<String>,
    gives_no_refresh_token: bool,
    forgives: bool,
    /// What it answers instead of a token, and how often.
    trouble: Option<(u16, Value)>,
    requests: Vec<TokenRequest>,
}

/// The client that the server knows.
const CLIENT_ID: &str = "client-of-the-test";
const CLIENT_SECRET: &str = "secret-of-the-client-of-the-test";

impl OAuthServer {
    /// Starts a provider whose access tokens live for an hour.
    pub async fn start() -> Self {
        let server = Self {
            server: Arc::new(MockServer::start().await),
            book: Arc::default(),
        };
        let tokens = Mock::given(method("POST")).and(path("/token"));
        let tokens = tokens.respond_with(Tokens(Arc::clone(&server.book)));
        tokens.mount(&server.server).await;
        server
    }

    /// Returns a connection with its client, at its URLs.
    pub fn connection<P>(&self) -> Connection<OAuth2<P>> {
        let uri = self.server.uri();
        let client = OAuth2::new(CLIENT_ID, CLIENT_SECRET);
        let client = client.authorize_url(format!("{uri}/authorize"));
        Connection::new(client.token_url(format!("{uri}/token")))
    }

    /// Returns a URL of a resource that it guards.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.uri())
    }

    /// Answers GET requests for a resource so if they carry an access token that can be used, and with 401 if not.
    pub async fn guard(&self, at: &str, answer: Reply) {
        let guarded = Guarded {
            book: Arc::clone(&self.book),
            answer,
        };
        let guarded = Mock::given(method("GET"))
            .and(path(at))
            .respond_with(guarded);
        guarded.mount(&self.server).await;
    }

    /// Gives access tokens that live for this long from now on. The server has no clock: it tells the runner so, and takes a token until
    /// it is renewed or revoked.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.book().lifetime = Some(lifetime);
    }

    /// Gives no refresh tokens from now on, as some providers do whose access tokens live long.
    pub fn give_no_refresh_tokens(&self) {
        self.book().gives_no_refresh_token = true;
    }

    /// Takes a refresh token once more as long as the one that came in its place was not used, as providers do that know that an answer can
    /// get lost. Without this, whoever uses one twice loses all that was granted.
    pub fn forgive_lost_answers(&self) {
        self.book().forgives = true;
    }

    /// Takes none of the access tokens that were given so far; they can be renewed.
    pub fn revoke_access_tokens(&self) {
        self.book().access.clear();
    }

    /// Takes nothing of what was granted so far.
    pub fn revoke(&self) {
        let mut book = self.book();
        book.access.clear();
        book.refresh.clear();
        book.codes.clear();
    }

    /// Answers every request for a token with this status and JSON, until [`recover`](Self::recover).
    pub fn fail(&self, status: u16, body: Value) {
        self.book().trouble = Some((status, body));
    }

    /// Gives tokens again.
    pub fn recover(&self) {
        self.book().trouble = None;
    }

    /// Returns every request for a token so far.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.book().requests.clone()
    }

    /// Returns every secret that it gave or knows: tokens, codes, the secret of the client.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.book().given.clone();
        secrets.push(CLIENT_SECRET.to_owned());
        secrets
    }

    /// Stands for somebody who comes to the provider at this URL and says yes; returns the URL to which their browser is sent back.
    ///
    /// # Errors
    ///
    /// What a provider would refuse in the URL.
    pub fn consent(&self, url: &str) -> Result<String, String> {
        let (base, query) = url.split_once('?').ok_or("the URL has no query")?;
        if base != format!("{}/authorize", self.server.uri()) {
            return Err(format!("`{base}` is no URL of this provider"));
        }
        let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let get = |name: &str| asked.get(name).map_or("", String::as_str);
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("code_challenge_method", "S256"),
        ] {
            if get(name) != value {
                return Err(format!("`{name}` is `{}` instead of `{value}`", get(name)));
            }
        }
        let (state, redirect_url) = (get("state"), get("redirect_uri"));
        if state.len() < 22 || redirect_url.is_empty() || get("code_challenge").len() != 43 {
            return Err("state, redirect URL or challenge is missing or too short".to_owned());
        }
        let code = self.book().make("code");
        let redeemed_with = (get("code_challenge").to_owned(), redirect_url.to_owned());
        self.book().codes.insert(code.clone(), redeemed_with);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", state);
        Ok(format!("{redirect_url}?{}", query.finish()))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Book {
    fn make(&mut self, kind: &str) -> String {
        self.count += 1;
        let made = format!("{kind}-{:04}-of-the-provider-of-the-test", self.count);
        self.given.push(made.clone());
        made
    }

    /// Answers a request for a token.
    fn answer(&mut self, request: &Request, asked: &BTreeMap<String, String>) -> (u16, Value) {
        let refusal = |code: &str| (400, json!({"error": code, "error_description": asked}));
        if let Some(trouble) = &self.trouble {
            return trouble.clone();
        }
        if !is_client(request) {
            return (401, json!({"error": "invalid_client"}));
        }
        let get = |name: &str| asked.get(name).map_or("", String::as_str);
        let replaced = match get("grant_type") {
            "client_credentials" => return (200, self.give(None, false)),
            "authorization_code" => {
                let verifier = Sha256::digest(get("code_verifier"));
                let challenge = BASE64_URL_SAFE_NO_PAD.encode(verifier);
                let given = (challenge, get("redirect_uri").to_owned());
                if self.codes.remove(get("code")) != Some(given) {
                    return refusal("invalid_grant");
                }
                None
            }
            "refresh_token" => {
                let used = get("refresh_token");
                let before = self.refresh.iter();
                let lost = before
                    .clone()
                    .find(|(_, before)| before.as_deref() == Some(used));
                let lost = lost
                    .map(|(token, _)| token.clone())
                    .filter(|_| self.forgives);
                if self.refresh.remove(used).is_none() {
                    let Some(lost) = lost else {
                        // Used twice: one of the two is a thief.
                        self.refresh.clear();
                        self.access.clear();
                        return refusal("invalid_grant");
                    };
                    self.refresh.remove(&lost);
                }
                Some(used.to_owned())
            }
            _ => return refusal("unsupported_grant_type"),
        };
        (200, self.give(replaced, !self.gives_no_refresh_token))
    }

    fn give(&mut self, replaced: Option<String>, renewable: bool) -> Value {
        let access = self.make("access-token");
        self.access.insert(access.clone());
        let lifetime = self.lifetime.unwrap_or(hours(1)).as_secs();
        let mut given = json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": lifetime,
        });
        if renewable {
            let refresh = self.make("refresh-token");
            self.refresh.insert(refresh.clone(), replaced);
            if let Some(given) = given.as_object_mut() {
                given.insert("refresh_token".to_owned(), Value::from(refresh));
            }
        }
        given
    }
}

fn is_client(request: &Request) -> bool {
    let header = request.headers.get("authorization");
    let header = header.and_then(|value| value.to_str().ok());
    let basic = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    header == Some(&format!("Basic {basic}"))
}

/// Answers requests for tokens.
struct Tokens(Arc<Mutex<Book>>);

impl Respond for Tokens {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked: BTreeMap<String, String> =
            form_urlencoded::parse(&request.body).into_owned().collect();
        let mut book = lock(&self.0);
        let (status, body) = book.answer(request, &asked);
        let get = |name: &str| asked.get(name).cloned().unwrap_or_default();
        book.requests.push(TokenRequest {
            grant_type: get("grant_type"),
            scope: get("scope"),
            status,
        });
        ResponseTemplate::new(status).set_body_json(body)
    }
}

/// Answers requests for a resource.
struct Guarded {
    book: Arc<Mutex<Book>>,
    answer: Reply,
}

impl Respond for Guarded {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = request.headers.get("authorization");
        let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if token.is_some_and(|token| lock(&self.book).access.contains(token)) {
            self.answer.template()
        } else {
            ResponseTemplate::new(401)
        }
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for OAuthServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OAuthServer({})", self.server.uri())
    }
}
