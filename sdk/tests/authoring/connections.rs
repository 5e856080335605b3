//! Connections by OAuth 2.0, checked with the integration as a whole (E55).

use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;

struct Open;

impl OAuthProvider for Open {
    fn grant() -> Grant {
        Grant::authorization_code(
            "http://open.example/authorize",
            "https://open.example/token",
        )
        .scope("read write")
    }
}

struct Bank;

impl OAuthProvider for Bank {
    fn grant() -> Grant {
        Grant::client_credentials("https://bank.example/token")
    }
}

#[derive(ConfigVars)]
struct Config {
    open: Option<Connection<OAuth2<Open>>>,
    banks: Vec<Connection<OAuth2<Bank>>>,
    bank: Connection<OAuth2<Bank>>,
}

struct Reads;

#[flow(key = "reads")]
impl Reads {
    #[on_execution]
    async fn read(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn e55_every_fault_of_a_provider_is_told_with_its_config_variable() {
    let faults = Integration::new("connected").flow::<Reads>().build();
    assert_eq!(
        faults.unwrap_err().0,
        [
            "config variable `open`: its authorize URL must begin with `https://`; `http://` is for this machine only",
            "config variable `open`: `read write` is not one scope; call `scope` once for each",
            "config variable `banks`: a connection by OAuth 2.0 cannot stand in a list; give each a config variable of its own",
        ]
    );
}
