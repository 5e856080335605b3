//! An integration that lets every secret slip wherever it can.

use sdk::connection::{ApiKey, Basic, Connection, Grant, OAuth2, OAuthProvider};
use sdk::host::LogLevel;
use sdk::prelude::*;
use sdk::signature::Hash;
use serde_json::{Value, json};

pub(crate) struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
    }
}

pub(crate) struct Bank;

impl OAuthProvider for Bank {
    fn grant() -> Grant {
        Grant::client_credentials("https://bank.example/token").client_in_body()
    }
}

#[derive(ConfigVars)]
pub(crate) struct Config {
    /// What webhooks are signed with.
    signing: Secret,
    /// The key of another system.
    key: Connection<ApiKey>,
    /// The account of another system.
    account: Connection<Basic>,
    /// A provider that gives tokens.
    crm: Connection<OAuth2<Crm>>,
    /// A provider that gives none.
    bank: Connection<OAuth2<Bank>>,
    /// Whether the deploy fails.
    #[config(default = false)]
    breaks: bool,
}

pub(crate) fn integration() -> Integration<Config> {
    Integration::new("canary")
        .flow::<Signed>()
        .flow::<Keyed>()
        .flow::<Refuses>()
        .flow::<Deploys>()
}

/// Returns every secret that a flow can reach, in several spellings.
fn secrets(context: &Context<Config>, payload: Option<&Payload>) -> String {
    let config = context.config();
    let mut all = vec![
        config.signing.expose().to_owned(),
        config.key.key.expose().to_owned(),
        config.account.username.expose().to_owned(),
        config.account.password.expose().to_owned(),
        config.crm.client_secret.expose().to_owned(),
        config.bank.client_secret.expose().to_owned(),
    ];
    let keys = context.webhook_api_keys();
    all.extend(keys.values().flatten().map(|key| key.expose().to_owned()));
    if let Some(payload) = payload {
        for (_, value) in &payload.headers {
            all.push(String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
        let query = payload.query_parameters.iter();
        all.extend(query.map(|(_, value)| value.to_owned()));
    }
    all.join(" ")
}

/// Does with the secrets what the path says.
async fn leak(context: &Context<Config>, payload: &Payload) -> Result<Value> {
    let mut all = secrets(context, Some(payload));
    let config = context.config();
    let token = context.access_token(&config.crm).await?;
    all = format!("{all} {}", token.expose());
    let fields = json!({ &all: [all] });
    context.log().line(LogLevel::Warn, all.clone(), fields);
    match payload.path_fragment.as_str() {
        "error" => Err(Error::new(all.clone()).context(all)),
        "panic" => panic!("{all}"),
        "step" => {
            let failing = || async { Err::<(), _>(Error::new(all.clone())) };
            context.step("fails", failing).await?;
            Ok(Value::Null)
        }
        "call" => {
            let secret = context.config().key.key.expose();
            let url = format!("http://127.0.0.1:1/{secret}?token={secret}");
            context
                .http()
                .get(url)
                .bearer(&context.config().key.key)
                .send()
                .await?;
            Ok(Value::Null)
        }
        "token" => {
            context.access_token(&config.bank).await?;
            Ok(Value::Null)
        }
        "url" => {
            let secret = context.config().account.password.expose();
            context
                .http()
                .get(format!("https://{secret}@host/ {secret}"))
                .send()
                .await?;
            Ok(Value::Null)
        }
        _ => Ok(json!({"fine": true})),
    }
}

struct Signed;

#[flow(
    key = "signed",
    trigger = Webhook::signed_by(
        SignatureScheme::hmac("x-hmac-sha256", Hash::Sha256),
        |config: &Config| &config.signing,
    ),
)]
impl Signed {
    #[on_execution]
    async fn run(context: &Context<Config>, payload: Payload) -> Result<Value> {
        leak(context, &payload).await
    }
}

struct Keyed;

#[flow(key = "keyed", trigger = Webhook::unsigned(), security = Security::CustomerRequired)]
impl Keyed {
    #[on_execution]
    async fn run(context: &Context<Config>, payload: Payload) -> Result<Value> {
        leak(context, &payload).await
    }
}

struct Refuses;

#[flow(key = "refuses", trigger = Webhook::unsigned())]
impl Refuses {
    #[on_trigger]
    async fn check(context: &Context<Config>, payload: Payload) -> Result<Payload> {
        leak(context, &payload).await?;
        Ok(payload)
    }
}

struct Deploys;

#[flow(key = "deploys", trigger = Webhook::unsigned())]
impl Deploys {
    #[on_instance_deploy]
    async fn deploy(context: &Context<Config>) -> Result<()> {
        let all = secrets(context, None);
        context.log().info(all.clone());
        if context.config().breaks {
            return Err(Error::new(all));
        }
        Ok(())
    }
}
