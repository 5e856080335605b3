//! `deploy`.

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::client::Refusal;
use super::instances::{functions_of, show};
use super::resource::Resource;
use super::session::{Errand, Session};
use super::source::Source;

/// The options of `deploy`.
#[derive(Debug, Args)]
pub(super) struct DeployOptions {
    /// Deploy this instance again, by id or name: with other values, or a new version. What is not given stays.
    #[arg(long, value_name = "INSTANCE")]
    instance: Option<String>,
    /// The values of the config variables: a file, `-` for standard input, or a JSON object.
    #[arg(long, value_name = "FILE|-|JSON")]
    config: Option<String>,
    /// The name that people read.
    #[arg(long)]
    name: Option<String>,
    /// The customer for whom the instance is set up.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// The customer's name; the id if it is not given.
    #[arg(long, value_name = "NAME", requires = "customer")]
    customer_name: Option<String>,
    /// How many requests the customer takes within one second; 0 sets no limit.
    #[arg(long, value_name = "NUMBER")]
    rate_per_second: Option<u32>,
    /// How many executions of the instance run at once, the rest waits; 0 sets no limit.
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<u32>,
    /// An API key for a flow that needs one before it can be deployed; may be given several times. `@FILE` keeps it out of the list of processes.
    #[arg(long, value_name = "FLOW=KEY|@FILE", value_parser = flow_and_key)]
    api_key: Vec<(String, Source)>,
}

impl Errand for DeployOptions {
    async fn run(self, session: &mut Session<'_>) -> Result<(), Refusal> {
        let body = self.body(session)?;
        let (method, resource) = match &self.instance {
            Some(named) => {
                let id = session.instance(Some(named)).await?.id;
                (Method::PUT, Resource::new(["instances", &id]))
            }
            None => (Method::POST, Resource::new(["instances"])),
        };
        let deployed = session.client.send(method, &resource, Some(&body));
        let deployed = session.wait("running the deploy functions", deployed);
        let deployed = deployed.await?;
        let console = &mut session.console;
        if console.json {
            console.print_json(&deployed);
        } else {
            show(console, &deployed);
            console.section("Functions", &functions_of(&deployed));
        }
        Ok(())
    }
}

impl DeployOptions {
    fn body(&self, session: &mut Session<'_>) -> Result<Value, Refusal> {
        let mut body = Map::new();
        if let Some(name) = &self.name {
            body.insert("name".to_owned(), json!(name));
        }
        if let Some(id) = &self.customer {
            let customer = json!({"id": id, "name": self.customer_name});
            body.insert("customer".to_owned(), customer);
        }
        if let Some(most) = self.rate_per_second {
            body.insert("rate_per_second".to_owned(), json!(most));
        }
        if let Some(most) = self.concurrency {
            body.insert("concurrency".to_owned(), json!(most));
        }
        let input = &mut *session.console.input;
        if let Some(config) = &self.config {
            let source = Source::of_config(config);
            let values = source.read_json(input).map_err(Refusal::new)?;
            if !values.is_object() {
                let text = format!("{} is no JSON object of config values", source.name());
                return Err(Refusal::new(text));
            }
            body.insert("config".to_owned(), values);
        }
        let mut keys: Map<String, Value> = Map::new();
        for (flow, source) in &self.api_key {
            let key = source.read(input).map_err(Refusal::new)?;
            let of_flow = keys.entry(flow).or_insert_with(|| json!([]));
            if let Some(of_flow) = of_flow.as_array_mut() {
                of_flow.push(json!(key.trim()));
            }
        }
        body.insert("api_keys".to_owned(), Value::Object(keys));
        Ok(Value::Object(body))
    }
}

fn flow_and_key(text: &str) -> Result<(String, Source), String> {
    match text.split_once('=') {
        Some((flow, key)) if !flow.is_empty() && !key.is_empty() => {
            Ok((flow.to_owned(), Source::of_data(key)))
        }
        _ => Err("write the key of the flow, `=` and the API key".to_owned()),
    }
}
