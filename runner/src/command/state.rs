//! `state`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::client::{PAGE, Refusal};
use super::instances::items;
use super::resource::Resource;
use super::session::{Errand, Session};
use super::table::{Column, Table};

/// The options of `state`.
#[derive(Debug, Args)]
pub(super) struct StateOptions {
    /// The instance, by id or name; the only one if there is just one.
    #[arg(required_if_eq("clear", "true"))]
    instance: Option<String>,
    /// Erase the state of the instance; the instance must be named.
    #[arg(long)]
    clear: bool,
    /// Erase only the state of this scope.
    #[arg(long, value_parser = PossibleValuesParser::new(SCOPES), requires = "clear", requires = "owner")]
    scope: Option<String>,
    /// Erase only the state of this owner: a flow key, an execution id, or an empty text for the whole instance.
    #[arg(long, requires = "scope")]
    owner: Option<String>,
}

const SCOPES: [&str; 4] = ["execution", "instance", "cross_flow", "integration"];

const COLUMNS: [Column; 5] = [
    ("KEY", "/key"),
    ("SCOPE", "/scope"),
    ("OWNER", "/owner"),
    ("VERSION", "/version"),
    ("VALUE", "/value"),
];

impl Errand for StateOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let instance = session.instance(self.instance.as_deref()).await?;
        let state = Resource::new(["instances", &instance.id, "state"]);
        if self.clear {
            let state = state
                .with_some("scope", self.scope.as_deref())
                .with_some("owner", self.owner.as_deref());
            let cleared = session.client.delete(&state);
            session.wait("erasing", cleared).await?;
            let name = &instance.name;
            session
                .console
                .note(&format!("the state of instance `{name}` is erased"));
            return Ok(());
        }
        let list = session.client.list(&state, None, PAGE, None);
        let list = session.wait("reading the state", list).await?;
        session
            .console
            .answer(&list, |list| Table::of(items(list), &COLUMNS));
        Ok(())
    }
}
