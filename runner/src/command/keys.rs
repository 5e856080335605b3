//! `keys`.

use clap::Args;
use serde_json::{Value, json};

use super::client::{PAGE, Refusal};
use super::instances::{items, object};
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{Column, Table, text};

/// The options of `keys`.
#[derive(Debug, Args)]
pub(super) struct KeysOptions {
    /// The key of the flow; all flows of the instance if it is not given.
    flow: Option<String>,
    /// The instance, by id or name; the only one if there is just one.
    #[arg(long, value_name = "INSTANCE")]
    instance: Option<String>,
    /// Make a key; it is shown this once.
    #[arg(long, requires = "flow")]
    make: bool,
    /// Revoke the key with this id.
    // An id may begin with a hyphen: it is random.
    #[arg(
        long,
        value_name = "KEY-ID",
        requires = "flow",
        conflicts_with = "make",
        allow_hyphen_values = true
    )]
    revoke: Option<String>,
    /// Forget the signing secret that the sender of the flow brought, so that its next handshake may bring another. Until then every
    /// delivery is refused, so subscribe again at once.
    #[arg(long, requires = "flow", conflicts_with_all = ["make", "revoke"])]
    forget_secret: bool,
}

const COLUMNS: [Column; 4] = [
    ("ID", "/id"),
    ("FLOW", "/flow"),
    ("KEY", "/key"),
    ("MADE AT", "/made_at"),
];

impl Errand for KeysOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let id = session.instance(self.instance.as_deref()).await?.id;
        let Some(flow) = &self.flow else {
            return list_all(session, &id).await;
        };
        let keys = Resource::new(["instances", &id, "flows", flow, "keys"]);
        if self.forget_secret {
            let secret = Resource::new(["instances", &id, "flows", flow, "secret"]);
            let forgotten = session.client.delete(&secret);
            session.wait("forgetting the secret", forgotten).await?;
            session.console.note(&format!(
                "the signing secret of flow `{flow}` is forgotten; subscribe to the sender again"
            ));
        } else if self.make {
            let made = session.client.post(&keys);
            let made = session.wait("making a key", made).await?;
            let of_flow = with_flow(&made, flow);
            session
                .console
                .answer(&made, |_| Table::of([&of_flow], &COLUMNS));
            session.console.note("this key is not shown again");
        } else if let Some(key) = self.revoke {
            let keys = keys.with("id", &key);
            session
                .wait("revoking a key", session.client.delete(&keys))
                .await?;
            session.console.note(&format!("key `{key}` is revoked"));
        } else {
            let list = session.client.list(&keys, None, PAGE, None);
            let list = session.wait("reading the keys", list).await?;
            session.console.answer(&list, |list| {
                let keys: Vec<Value> = items(list).map(|key| with_flow(key, flow)).collect();
                Table::of(&keys, &COLUMNS)
            });
        }
        Ok(())
    }
}

async fn list_all(session: &mut Session<'_>, id: &str) -> Result<(), Refusal> {
    let one = Resource::new(["instances", id]);
    let detail = session.wait("reading the keys", session.client.get(&one));
    let detail = detail.await?;
    let list = json!({"items": all(&detail), "next_cursor": null});
    session.console.answer(&list, |_| keys_of(&detail));
    Ok(())
}

/// Returns the keys of an instance, masked.
pub(super) fn keys_of(detail: &Value) -> Table {
    Table::of(&all(detail), &COLUMNS)
}

fn all(detail: &Value) -> Vec<Value> {
    object(detail.get("keys"))
        .flat_map(|(flow, keys)| {
            let keys = keys.as_array().into_iter().flatten();
            keys.map(|key| with_flow(key, flow))
        })
        .collect()
}

fn with_flow(key: &Value, flow: &str) -> Value {
    json!({
        "flow": flow,
        "id": text(key.get("id")),
        "key": text(key.get("key")),
        "made_at": text(key.get("made_at")),
    })
}
