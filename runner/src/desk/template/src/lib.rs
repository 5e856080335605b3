//! Greets whoever calls its webhook.

use sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What is filled in when this integration is deployed for a customer.
#[derive(ConfigVars, Debug)]
pub struct Config {
    /// The words before the name.
    #[config(default = "Hello")]
    pub greeting: String,
}

/// What the caller sends.
#[derive(Debug, Deserialize)]
pub struct Visitor {
    /// Who is greeted.
    pub name: String,
}

/// What the caller gets.
#[derive(Debug, Serialize)]
pub struct Greeting {
    /// The greeting as a sentence.
    pub text: String,
}

/// Answers a webhook with a greeting.
#[derive(Debug)]
pub struct Greet;

/// Answers a webhook with a greeting.
#[flow(
    key = "greet",
    trigger = Webhook::unsigned(),
    respond = Respond::Directly,
)]
impl Greet {
    #[on_execution]
    async fn greet(context: &Context<Config>, visitor: Visitor) -> Result<Greeting> {
        context.log().info("somebody called");
        Ok(Greeting {
            text: format!("{}, {}!", context.config().greeting, visitor.name),
        })
    }
}

/// The integration, with an instance for trying it out.
pub fn integration() -> Integration<Config> {
    Integration::new("new-integration")
        .version(env!("CARGO_PKG_VERSION"))
        .description("Greets whoever calls its webhook")
        .flow::<Greet>()
        .local_instance(local)
}

/// The config of the instance that is deployed for trying it out.
pub fn local() -> Config {
    Config {
        greeting: "Hello".to_owned(),
    }
}
