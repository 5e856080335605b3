//! `connections`.

use clap::Args;
use serde_json::{Value, json};

use super::client::Refusal;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{Column, Table, clean, text};

/// The options of `connections`.
#[derive(Debug, Args)]
pub(super) struct ConnectionsOptions {
    /// The instance, by id or name; the only one if there is just one.
    instance: Option<String>,
    /// Print the URL at which somebody authorises the connection that is this config variable. It can be used once, within ten minutes.
    #[arg(long, value_name = "VARIABLE")]
    authorize: Option<String>,
    /// Forget what was granted to the connection that is this config variable. The provider is not told.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "authorize")]
    forget: Option<String>,
}

const COLUMNS: [Column; 6] = [
    ("VARIABLE", "/variable"),
    ("GRANT", "/grant"),
    ("STATUS", "/status"),
    ("AUTHORIZED AT", "/authorized_at"),
    ("EXPIRES AT", "/expires_at"),
    ("ERROR", "/error"),
];

impl Errand for ConnectionsOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let id = session.instance(self.instance.as_deref()).await?.id;
        if let Some(variable) = &self.authorize {
            let authorize = ["instances", &id, "connections", variable, "authorize"];
            let authorize = Resource::new(authorize);
            let sent = session.client.post(&authorize);
            let sent = session.wait("waiting for the server", sent).await?;
            if session.console.json {
                session.console.print_json(&sent);
                return Ok(());
            }
            let url = clean(&text(sent.get("url")), false);
            session.console.print(&format!("{url}\n"));
            session.console.note(&format!(
                "whoever opens this URL before {} authorises connection `{variable}` for their account; give it to nobody else",
                text(sent.get("expires_at"))
            ));
        } else if let Some(variable) = &self.forget {
            let granted = ["instances", &id, "connections", variable, "authorization"];
            let granted = Resource::new(granted);
            let forgotten = session.client.delete(&granted);
            session.wait("waiting for the server", forgotten).await?;
            session.console.note(&format!(
                "what was granted to connection `{variable}` is forgotten; take it back at the provider too"
            ));
        } else {
            let one = Resource::new(["instances", &id]);
            let detail = session.wait("reading the connections", session.client.get(&one));
            let detail = detail.await?;
            let list = json!({"items": all(&detail), "next_cursor": null});
            session.console.answer(&list, |_| connections_of(&detail));
        }
        Ok(())
    }
}

/// Returns the connections of an instance by OAuth 2.0.
pub(super) fn connections_of(detail: &Value) -> Table {
    Table::of(all(detail), &COLUMNS)
}

fn all(detail: &Value) -> &[Value] {
    let connections = detail.get("connections").and_then(Value::as_array);
    connections.map(Vec::as_slice).unwrap_or_default()
}
