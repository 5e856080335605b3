//! Why a connection gives no access token.

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
        /// When it may be asked again, if it said so itself.
        again_at: Option<Timestamp>,
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
    /// Makes one of a fault that is remembered until then.
    pub(super) fn of(variable: &str, kind: GrantKind, fault: NotGiven, until: Timestamp) -> Self {
        let variable = variable.to_owned();
        match fault {
            NotGiven::Unreachable { reason, wait } => Self::Unreachable {
                variable,
                reason,
                again_at: wait.map(|_| until),
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

    /// Returns the error for author code: permanent if somebody must do something first. Only a wait that the provider itself asks for
    /// takes the place of the author's delays. Its caller does not read where the provider is.
    pub fn into_error(self, now: Timestamp) -> sdk::Error {
        let is_passing = matches!(
            self,
            Self::Unreachable { .. } | Self::Changed(_) | Self::NotStored(_) | Self::Stopping
        );
        let wait = match &self {
            Self::Unreachable { again_at, .. } => again_at.map(|at| at.since(now)),
            _ => None,
        };
        let for_caller = match &self {
            Self::Unreachable { variable, .. } | Self::NotAllowed { variable, .. } => Some(
                format!("the provider of connection `{variable}` gives no token"),
            ),
            _ => None,
        };
        let mut error = sdk::Error::from(self);
        if !is_passing {
            error = error.permanent();
        }
        if let Some(wait) = wait {
            error = error.retry_after(wait);
        }
        match for_caller {
            Some(text) => error.for_caller(text),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sdk::time::minutes;

    use super::*;

    #[test]
    fn e55_only_a_wait_that_the_provider_asks_for_takes_the_place_of_the_delays_of_the_author() {
        let now = Timestamp::from_millis(0);
        let down = |wait: Option<Duration>| {
            let reason = "`crm.example` answered 503".to_owned();
            let fault = NotGiven::Unreachable { reason, wait };
            let kind = GrantKind::ClientCredentials;
            Trouble::of("crm", kind, fault, now + minutes(1)).into_error(now)
        };
        let passing = [
            down(None),
            Trouble::Changed("crm".to_owned()).into_error(now),
            Trouble::NotStored("crm".to_owned()).into_error(now),
            Trouble::Stopping.into_error(now),
        ];
        for error in passing {
            assert_eq!((error.wait(), error.is_permanent()), (None, false));
        }
        let said = down(Some(minutes(1)));
        assert_eq!(
            (said.wait(), said.is_permanent()),
            (Some(minutes(1)), false)
        );
        let ended = Trouble::Ended("crm".to_owned()).into_error(now);
        assert_eq!((ended.wait(), ended.is_permanent()), (None, true));
    }
}
