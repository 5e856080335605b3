//! OAuth 2.0, as an author declares it (E55).

use std::net::IpAddr;

use http::Uri;

/// A system that grants access by OAuth 2.0. An author implements it for a unit struct, which then stands in the type of a config
/// variable: `Connection<OAuth2<Crm>>`. See [`OAuth2`](crate::connection::OAuth2).
pub trait OAuthProvider: Send + Sync + 'static {
    /// Says how access is granted. `Integration::build` refuses what cannot work, every fault with its config variable.
    fn grant() -> Grant;
}

/// How access to another system is granted: by somebody who is asked, or to whoever knows the client's secret.
///
/// ```
/// use sdk::oauth::Grant;
///
/// let grant = Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
///     .scope("contacts.read")
///     .authorize_parameter("access_type", "offline");
/// assert!(grant.faults().is_empty());
///
/// let wrong = Grant::client_credentials("http://crm.example/token");
/// assert_eq!(wrong.faults(), ["its token URL must begin with `https://`; `http://` is for this machine only"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    kind: GrantKind,
    authorize_url: String,
    token_url: String,
    scopes: Vec<String>,
    authorize_parameters: Vec<(String, String)>,
    token_parameters: Vec<(String, String)>,
    is_client_in_body: bool,
    is_in_list: bool,
}

/// Who grants access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// Somebody who has an account there, once, in a browser; with PKCE by S256.
    AuthorizationCode,
    /// Nobody: the client's id and secret are enough.
    ClientCredentials,
}

/// What the runner sets itself in the URL that somebody is sent to.
const SET_IN_AUTHORIZE: [&str; 7] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

/// What the runner sets itself when it asks for a token.
const SET_IN_TOKEN: [&str; 8] = [
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "scope",
];

impl Grant {
    /// Somebody authorises the connection once in a browser, at the first URL; tokens come from the second one (RFC 6749, 4.1). Always
    /// with PKCE by S256. The redirect URL to register with the provider is `{public_url}/oauth/callback`.
    pub fn authorization_code(
        authorize_url: impl Into<String>,
        token_url: impl Into<String>,
    ) -> Self {
        let authorize_url = authorize_url.into();
        Self {
            authorize_url,
            ..Self::new(GrantKind::AuthorizationCode, token_url.into())
        }
    }

    /// Tokens come from this URL to whoever knows the client's id and secret (RFC 6749, 4.4).
    pub fn client_credentials(token_url: impl Into<String>) -> Self {
        Self::new(GrantKind::ClientCredentials, token_url.into())
    }

    fn new(kind: GrantKind, token_url: String) -> Self {
        Self {
            kind,
            authorize_url: String::new(),
            token_url,
            scopes: Vec::new(),
            authorize_parameters: Vec::new(),
            token_parameters: Vec::new(),
            is_client_in_body: false,
            is_in_list: false,
        }
    }

    /// Asks for one more scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds a parameter to the URL that somebody is sent to: Google gives a refresh token only for `access_type=offline`.
    #[must_use]
    pub fn authorize_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.authorize_parameters.push((name.into(), value.into()));
        self
    }

    /// Adds a parameter to each request for a token: Auth0 asks for an `audience`.
    #[must_use]
    pub fn token_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.token_parameters.push((name.into(), value.into()));
        self
    }

    /// Sends the client's id and secret in the body of a request for a token, for providers that do not read them from the header.
    #[must_use]
    pub fn client_in_body(mut self) -> Self {
        self.is_client_in_body = true;
        self
    }

    /// Notes that the config variable is a list of such connections, which no flow could name.
    pub(crate) fn in_list(mut self) -> Self {
        self.is_in_list = true;
        self
    }

    /// Takes the URLs of a customer in the place of the author's.
    pub(crate) fn at(mut self, authorize_url: Option<&str>, token_url: Option<&str>) -> Self {
        if let Some(url) = authorize_url {
            url.clone_into(&mut self.authorize_url);
        }
        if let Some(url) = token_url {
            url.clone_into(&mut self.token_url);
        }
        self
    }

    /// Returns who grants access.
    pub fn kind(&self) -> GrantKind {
        self.kind
    }

    /// Returns the URL that somebody is sent to; empty for client credentials.
    pub fn authorize_url(&self) -> &str {
        &self.authorize_url
    }

    /// Returns the URL that tokens come from.
    pub fn token_url(&self) -> &str {
        &self.token_url
    }

    /// Returns the scopes.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns what is added to the URL that somebody is sent to.
    pub fn authorize_parameters(&self) -> &[(String, String)] {
        &self.authorize_parameters
    }

    /// Returns what is added to each request for a token.
    pub fn token_parameters(&self) -> &[(String, String)] {
        &self.token_parameters
    }

    /// Says whether the client's id and secret are sent in the body.
    pub fn is_client_in_body(&self) -> bool {
        self.is_client_in_body
    }

    /// Returns everything that is wrong with it, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.is_in_list {
            faults.push(
                "a connection by OAuth 2.0 cannot stand in a list; give each a config variable of its own"
                    .to_owned(),
            );
        }
        let asks = self.kind == GrantKind::AuthorizationCode;
        let authorize_url = Some(&self.authorize_url).filter(|_| asks);
        let urls = [
            ("authorize", authorize_url),
            ("token", Some(&self.token_url)),
        ];
        for (name, url) in urls {
            let fault = url.and_then(|url| url_fault(url));
            faults.extend(fault.map(|fault| format!("its {name} URL {fault}")));
        }
        for scope in &self.scopes {
            let is_one = |letter: u8| letter.is_ascii_graphic() && !matches!(letter, b'"' | b'\\');
            if scope.is_empty() || !scope.bytes().all(is_one) {
                faults.push(format!(
                    "`{scope}` is not one scope; call `scope` once for each"
                ));
            }
        }
        if !asks && !self.authorize_parameters.is_empty() {
            faults.push(
                "nobody is sent anywhere for client credentials; remove `authorize_parameter`"
                    .to_owned(),
            );
        }
        let own = [
            (&self.authorize_parameters, &SET_IN_AUTHORIZE[..]),
            (&self.token_parameters, &SET_IN_TOKEN[..]),
        ];
        for (parameters, own) in own {
            let taken = parameters
                .iter()
                .filter(|(name, _)| own.contains(&name.as_str()));
            faults.extend(taken.map(|(name, _)| {
                format!("the parameter `{name}` is set by the runner; remove it")
            }));
        }
        faults
    }
}

/// Returns what is wrong with a URL to which a secret goes, to be read after its name.
pub(crate) fn url_fault(url: &str) -> Option<&'static str> {
    let uri: Option<Uri> = url.parse().ok();
    let whole = uri.filter(|uri| uri.scheme().is_some());
    let Some((uri, authority)) =
        whole.and_then(|uri| Some((uri.clone(), uri.authority()?.clone())))
    else {
        return Some("must be an address such as `https://crm.example/token`");
    };
    if authority.as_str().contains('@') {
        return Some("must not hold a user name or a password");
    }
    if url.contains('#') {
        return Some("must not hold a `#`");
    }
    match uri.scheme_str() {
        Some("https") if !authority.host().is_empty() => None,
        Some("http") if is_this_machine(authority.host()) => None,
        _ => Some("must begin with `https://`; `http://` is for this machine only"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = bare.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_by_https_or_stays_on_this_machine() {
        for url in [
            "https://crm.example/token",
            "https://crm.example/token?tenant=7",
            "http://127.0.0.1:8080/token",
            "http://localhost/token",
            "http://[::1]:9/token",
        ] {
            assert_eq!(url_fault(url), None, "{url}");
        }
        for url in [
            "",
            "crm.example/token",
            "/token",
            "http://crm.example/token",
            "http://localhost.crm.example/token",
            "ftp://crm.example/token",
            "https://ada:secret@crm.example/token",
            "https://crm.example/token#part",
        ] {
            assert!(url_fault(url).is_some(), "{url}");
        }
    }

    #[test]
    fn every_fault_of_a_grant_is_told_at_once() {
        let grant = Grant::authorization_code("http://crm.example/", "crm")
            .scope("read write")
            .authorize_parameter("state", "mine")
            .token_parameter("client_secret", "s");
        assert_eq!(
            grant.faults(),
            [
                "its authorize URL must begin with `https://`; `http://` is for this machine only",
                "its token URL must be an address such as `https://crm.example/token`",
                "`read write` is not one scope; call `scope` once for each",
                "the parameter `state` is set by the runner; remove it",
                "the parameter `client_secret` is set by the runner; remove it",
            ]
        );
        let grant = Grant::client_credentials("https://crm.example/token")
            .authorize_parameter("prompt", "consent")
            .in_list();
        assert_eq!(grant.faults().len(), 2, "{:?}", grant.faults());
    }
}
