//! The store that `serve` was told to use, the key of its secrets, and whether this process may write to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::Failure;
use super::settings_file::SettingsFile;
#[cfg(feature = "postgres")]
use crate::store::{PostgresOptions, PostgresStore};
use crate::store::{SqliteStore, Standing, Store};
use crate::vault::Vault;

/// What everything stands on.
pub(super) struct Backing {
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Vault,
    pub(super) claim: Claim,
}

/// Whether this process may write. On a store of its own it always may.
#[derive(Debug)]
pub(super) struct Claim {
    standing: Option<watch::Receiver<Standing>>,
}

impl Backing {
    /// Opens the store of this URL, or the one in the data folder.
    pub(super) fn open(
        url: Option<&str>,
        data: &Path,
        file: &SettingsFile,
    ) -> Result<Self, Failure> {
        let Some(url) = url else {
            return Self::sqlite(&data.join("runner.db"), data, file);
        };
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Self::sqlite(&PathBuf::from(path), data, file),
            _ if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Self::postgres(url, data, file)
            }
            _ => {
                let what = scheme(url).map_or_else(
                    || "what `--store` or `RUNNER_STORE` says".to_owned(),
                    |scheme| format!("`{scheme}`"),
                );
                Err(Failure(format!(
                    "{what} is no store; use `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`"
                )))
            }
        }
    }

    fn sqlite(path: &Path, data: &Path, file: &SettingsFile) -> Result<Self, Failure> {
        let store =
            SqliteStore::open(path, &file.store).map_err(|fault| Failure(fault.to_string()))?;
        let vault = open_vault(data)?;
        Ok(Self {
            store: Arc::new(store.sealing_with(vault.clone())),
            vault,
            claim: Claim { standing: None },
        })
    }

    #[cfg(feature = "postgres")]
    fn postgres(url: &str, data: &Path, file: &SettingsFile) -> Result<Self, Failure> {
        let usual = PostgresOptions::default();
        let options = PostgresOptions {
            lease: file.lease.unwrap_or(usual.lease),
            #[cfg(feature = "crash-points")]
            crash_at: file.store.crash_at,
        };
        let vault = open_vault(data)?;
        let store = PostgresStore::connect(url, &options, vault.clone())
            .map_err(|fault| Failure::of(&fault))?;
        Ok(Self {
            claim: Claim {
                standing: Some(store.standing()),
            },
            store: Arc::new(store),
            vault,
        })
    }

    #[cfg(not(feature = "postgres"))]
    fn postgres(_: &str, _: &Path, _: &SettingsFile) -> Result<Self, Failure> {
        Err(Failure(
            "this binary was built without the feature `postgres` of `runner`; build it with that, or use `--store sqlite:PATH`"
                .to_owned(),
        ))
    }
}

/// Returns the scheme of a URL. Of what is none nothing is shown: there may be a password anywhere in it.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    let is_known = ["sqlite", "postgres", "postgresql"].contains(&scheme);
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let is_scheme = !scheme.is_empty() && scheme.chars().all(is_letter);
    (is_scheme && (is_known || rest.starts_with("//"))).then_some(scheme)
}

fn open_vault(data: &Path) -> Result<Vault, Failure> {
    Vault::open(data).map_err(|fault| Failure(fault.to_string()))
}

impl Claim {
    /// Says whether another process is active.
    pub(super) fn is_waiting(&self) -> bool {
        let standing = self.standing.as_ref();
        standing.is_some_and(|standing| matches!(*standing.borrow(), Standing::Waiting))
    }

    /// Waits until this process may write; an error if it never will.
    pub(super) async fn granted(&mut self) -> Result<(), Failure> {
        let Some(standing) = &mut self.standing else {
            return Ok(());
        };
        let settled = standing.wait_for(|standing| !matches!(standing, Standing::Waiting));
        match settled.await.as_deref() {
            Ok(Standing::Over(fault)) => Err(Failure::of(&**fault)),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure("the store is closed".to_owned())),
        }
    }

    /// Waits until this process may write no longer, and says why.
    pub(super) async fn lost(&mut self) -> Failure {
        if let Some(standing) = &mut self.standing {
            let over = standing.wait_for(|standing| matches!(standing, Standing::Over(_)));
            if let Ok(Standing::Over(fault)) = over.await.as_deref() {
                return Failure::of(&**fault);
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::scheme;

    #[test]
    fn of_a_url_that_is_no_store_a_scheme_is_shown_and_nothing_else() {
        for (url, shown) in [
            ("mysql://user:s3cret@db/orders", Some("mysql")),
            ("git+ssh://s3cret@host", Some("git+ssh")),
            ("sqlite:", Some("sqlite")),
            ("postgres:s3cret@db", Some("postgres")),
            ("host=db password=s3cret", None),
            ("host=db password=s3cret://", None),
            ("s3cret:5432/orders", None),
            ("://s3cret", None),
            ("", None),
        ] {
            assert_eq!(scheme(url), shown, "{url}");
        }
    }
}
