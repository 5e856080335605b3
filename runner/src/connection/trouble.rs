//! Why a connection gives no access token.

use std::time::Duration;

use sdk::Timestamp;
use sdk::connection::GrantKind;

use super::exchange::NotGiven;
use crate::outbound::OutboundError;

/// Why a connection gives no access token. No text holds anything secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// There is no such connection.
    #[error("the instance has no connection by OAuth 2.0 `{0}`")]
    Unknown(String),
    /// Nobody has authorised it.
    #[error(
        "connection `{0}` is not authorised; somebody must do it at the URL that `connections --authorize {0}` shows"
    )]
    NotAuthorized(String),
    /// What was granted is no longer accepted.
    #[error(
        "connection `{0}` must be authorised again: its provider no longer accepts what it granted; somebody must do it at the URL that `connections --authorize {0}` shows"
    )]
    Ended(String),
    /// The token cannot be renewed, because the provider gave nothing to do it with.
    #[error(
        "connection `{0}` must be authorised again: its access token is no longer good, and its provider gave none to renew it with; somebody must do it at the URL that `connections --authorize {0}` shows"
    )]
    NotRenewable(String),
    /// The provider refuses the client.
    #[error(
        "the provider of connection `{variable}` gives no token: it answered `{code}`; {advice}"
    )]
    Refused {
        /// The config variable.
        variable: String,
        /// What the provider calls it.
        code: String,
        /// What to do.
        advice: &'static str,
    },
    /// The operator does not let anybody call the provider.
    #[error("the provider of connection `{variable}` gives no token: {fault}")]
    NotAllowed {
        /// The config variable.
        variable: String,
        /// Why not.
        fault: OutboundError,
    },
    /// The provider gives no answer that could be used, now.
    #[error("the provider of connection `{variable}` gives no token: {reason}")]
    Unreachable {
        /// The config variable.
        variable: String,
        /// What happened.
        reason: String,
        /// When it may be asked again.
        again_at: Timestamp,
    },
    /// The instance was deployed with other values while the provider was asked.
    #[error("connection `{0}` was changed while its token was fetched; try again")]
    Changed(String),
    /// The tokens cannot be kept.
    #[error("the tokens of connection `{0}` cannot be stored now; try again later")]
    NotStored(String),
    /// The process is on its way out.
    #[error("the runner is stopping; try again")]
    Stopping,
}

impl Trouble {
    pub(super) fn of(
        variable: &str,
        kind: GrantKind,
        fault: NotGiven,
        again_at: Timestamp,
    ) -> Self {
        let variable = variable.to_owned();
        match fault {
            NotGiven::Unreachable { reason, .. } => Self::Unreachable {
                variable,
                reason,
                again_at,
            },
            NotGiven::NotAllowed(fault) => Self::NotAllowed { variable, fault },
            NotGiven::Refused(code) => Self::Refused {
                variable,
                code,
                advice: match kind {
                    // Not every provider calls it so when it no longer accepts what it granted.
                    GrantKind::AuthorizationCode => {
                        "look at client id and client secret and deploy the instance again, or have the connection authorised again"
                    }
                    GrantKind::ClientCredentials => {
                        "look at client id and client secret and deploy the instance again"
                    }
                },
            },
        }
    }

    /// Returns the error for author code: permanent if somebody must do something first. Its caller does not read where the provider is.
    pub fn into_error(self, now: Timestamp) -> sdk::Error {
        let wait = match &self {
            Self::Unreachable { again_at, .. } => Some(again_at.since(now)),
            Self::Changed(_) | Self::NotStored(_) | Self::Stopping => Some(Duration::ZERO),
            _ => None,
        };
        let for_caller = match &self {
            Self::Unreachable { variable, .. } | Self::NotAllowed { variable, .. } => Some(
                format!("the provider of connection `{variable}` gives no token"),
            ),
            _ => None,
        };
        let error = sdk::Error::from(self);
        let error = match wait {
            Some(wait) => error.retry_after(wait),
            None => error.permanent(),
        };
        match for_caller {
            Some(text) => error.for_caller(text),
            None => error,
        }
    }
}
