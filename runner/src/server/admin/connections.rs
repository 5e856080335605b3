//! Connections by OAuth 2.0 (E55): how they stand, and where somebody authorises one. No token is ever shown.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use sdk::Timestamp;
use sdk::connection::GrantKind;
use sdk::id::InstanceId;
use serde::Serialize;

use super::Admin;
use super::failure::Failure;
use super::input::PathOf;
use super::instances::find;
use super::words;
use crate::Runner;
use crate::connection::AuthorizeError;
use crate::instance::{Instance, Standing};

/// A connection by OAuth 2.0.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
pub(super) struct ConnectionView {
    /// The config variable.
    variable: String,
    /// Who grants access.
    grant: GrantView,
    /// How it stands.
    status: StandingView,
    /// Since when it is authorised; null if it is not.
    #[schemars(schema_with = "words::moment_or_null")]
    authorized_at: Option<Timestamp>,
    /// When the time of its access token is over; it is renewed before. Null if there is none, or its provider did not say.
    #[schemars(schema_with = "words::moment_or_null")]
    expires_at: Option<Timestamp>,
    /// Why its provider gave no token when it was asked last, since the process began; null if it did.
    error: Option<String>,
}

/// Who grants access.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "Grant")]
enum GrantView {
    /// Somebody, once, in a browser.
    AuthorizationCode,
    /// Nobody: client id and client secret are enough.
    ClientCredentials,
}

/// How a connection stands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "ConnectionStatus")]
enum StandingView {
    /// Nobody has authorised it yet.
    NotAuthorized,
    /// Nobody needs to authorise it, and no flow has asked for its token yet.
    NotUsed,
    /// It can be used.
    Authorized,
    /// Its provider no longer accepts what it granted: somebody must authorise it again.
    NeedsAuthorization,
}

/// Where somebody authorises a connection.
#[derive(Serialize, JsonSchema)]
pub(super) struct Authorizing {
    /// The URL of the provider. Give it to whoever has the account there, and to nobody else.
    url: String,
    /// Until when it can be used, once.
    #[schemars(schema_with = "words::moment")]
    expires_at: Timestamp,
}

/// Returns the connections of an instance that have a value, in the order of the config variables.
pub(super) fn of(instance: &Instance, runner: &Runner) -> Vec<ConnectionView> {
    let ports = &runner.engine.ports;
    let now = ports.clock.now();
    let variables = ports.integration.variables.iter();
    let view = |variable: &str| {
        let client = instance.client(&ports.integration, variable)?;
        let standing = instance.standing(&client, variable, now);
        let (authorized_at, expires_at) = match standing {
            Standing::Authorized { since, expires_at } => (Some(since), expires_at),
            _ => (None, None),
        };
        let trouble = runner.engine.connections.trouble(&instance.id, variable);
        Some(ConnectionView {
            variable: variable.to_owned(),
            grant: match client.grant.kind() {
                GrantKind::AuthorizationCode => GrantView::AuthorizationCode,
                GrantKind::ClientCredentials => GrantView::ClientCredentials,
            },
            status: match standing {
                Standing::NotAuthorized => StandingView::NotAuthorized,
                Standing::NotUsed => StandingView::NotUsed,
                Standing::Authorized { .. } => StandingView::Authorized,
                Standing::NeedsAuthorization => StandingView::NeedsAuthorization,
            },
            authorized_at,
            expires_at,
            error: trouble.map(|trouble| trouble.to_string()),
        })
    };
    variables
        .filter_map(|variable| view(variable.name()))
        .collect()
}

/// Returns what should be done about connections that cannot be used, one sentence each.
pub(super) fn warnings(connections: &[ConnectionView]) -> impl Iterator<Item = String> {
    connections.iter().filter_map(|connection| {
        let variable = &connection.variable;
        match connection.status {
            StandingView::NotAuthorized => Some(format!(
                "connection `{variable}` is not authorised, so flows that need it fail; authorise it"
            )),
            StandingView::NeedsAuthorization => Some(format!(
                "connection `{variable}` must be authorised again, and flows that need it fail until then: its provider no longer accepts what it granted"
            )),
            StandingView::NotUsed | StandingView::Authorized => None,
        }
    })
}

/// Returns the URL at which somebody authorises a connection.
pub(super) async fn authorize(
    State(admin): State<Arc<Admin>>,
    PathOf((id, variable)): PathOf<(String, String)>,
) -> Result<Json<Authorizing>, Failure> {
    let instance = there(&admin, id)?;
    let connections = &admin.runner.engine.connections;
    let sent = connections.authorize(&instance.id, &variable)?;
    Ok(Json(Authorizing {
        url: sent.url,
        expires_at: sent.expires_at,
    }))
}

/// Forgets what was granted to a connection.
pub(super) async fn forget(
    State(admin): State<Arc<Admin>>,
    PathOf((id, variable)): PathOf<(String, String)>,
) -> Result<StatusCode, Failure> {
    let instance = there(&admin, id)?;
    let connections = &admin.runner.engine.connections;
    if connections.forget(&instance.id, &variable).await? {
        tracing::info!(instance = %instance.id, connection = variable, "what was granted to a connection was forgotten");
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::not_found(format!(
            "nothing is granted to connection `{variable}`"
        )))
    }
}

fn there(admin: &Admin, id: String) -> Result<Arc<Instance>, Failure> {
    let instance = find(admin, &InstanceId::new(id))?;
    if instance.is_removed() {
        let id = &instance.id;
        return Err(Failure::conflict(format!(
            "instance `{id}` is removed; deploy it again to bring it back"
        )));
    }
    Ok(instance)
}

/// Who reads the URL can use it.
impl fmt::Debug for Authorizing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizing")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl From<AuthorizeError> for Failure {
    fn from(refusal: AuthorizeError) -> Self {
        match refusal {
            AuthorizeError::Unknown(_) => Self::not_found(refusal.to_string()),
            AuthorizeError::NobodyAuthorizes(_) | AuthorizeError::Url(_) => {
                Self::conflict(refusal.to_string())
            }
            AuthorizeError::Store(fault) => fault.into(),
        }
    }
}
