//! Senders that ask whether an endpoint is real are answered through the front door, without an execution (W41, W43).

mod asana;

use std::collections::BTreeSet;

use http::Method;
use runner::signature::public_secret;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Result, SimulatedInstance, Simulation};

#[derive(Debug, ConfigVars)]
struct Config {
    /// What deliveries are signed with.
    secret: Secret,
    /// What Meta shows when it asks.
    token: Secret,
    /// The public key of the Discord application.
    public_key: Secret,
    /// What deliveries were signed with before, and are now.
    secrets: Vec<Secret>,
}

/// Makes a flow for a sender.
macro_rules! asked {
    ($flow:ident, $key:literal, $trigger:expr) => {
        #[derive(Debug)]
        struct $flow;

        #[flow(key = $key, trigger = $trigger)]
        impl $flow {
            #[on_execution]
            async fn take(_context: &Context<Config>, payload: Payload) -> sdk::Result<Value> {
                Ok(payload.data())
            }
        }
    };
    ($flow:ident, $key:literal by $provider:expr) => {
        asked!(
            $flow,
            $key,
            Webhook::signed_by($provider, |config: &Config| &config.secret)
        );
    };
}

asked!(Dropbox, "dropbox" by providers::dropbox());
asked!(Graph, "microsoft-graph" by providers::microsoft_graph());
asked!(Intercom, "intercom" by providers::intercom());
asked!(Okta, "okta" by providers::okta());
asked!(Slack, "slack" by providers::slack());
asked!(Trello, "trello" by providers::trello());
asked!(WooCommerce, "woocommerce" by providers::woocommerce());
asked!(Xero, "xero" by providers::xero());
asked!(Zoom, "zoom" by providers::zoom());
asked!(
    Discord,
    "discord",
    Webhook::signed_by(providers::discord(), |config: &Config| &config.public_key)
);
asked!(
    Meta,
    "meta",
    Webhook::signed_and_verified_by(
        providers::meta(),
        |config: &Config| &config.secret,
        |config: &Config| &config.token
    )
);
asked!(
    Rotating,
    "rotating",
    Webhook::signed_by_any_and_verified_by(
        providers::meta(),
        |config: &Config| &config.secrets,
        |config: &Config| &config.token
    )
);
asked!(MetaWithoutToken, "meta-without-token" by providers::meta());

const PRIVATE_KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

async fn deploy() -> Result<(Simulation<Config>, SimulatedInstance<Config>)> {
    let integration = Integration::new("askers")
        .flow::<Dropbox>()
        .flow::<Graph>()
        .flow::<Intercom>()
        .flow::<Okta>()
        .flow::<Slack>()
        .flow::<Trello>()
        .flow::<WooCommerce>()
        .flow::<Xero>()
        .flow::<Zoom>()
        .flow::<Discord>()
        .flow::<Meta>()
        .flow::<Rotating>()
        .flow::<MetaWithoutToken>();
    let lab = Simulation::of(integration).at("2026-03-27T16:50:00Z");
    let public_key = public_secret(&providers::discord().scheme, &PRIVATE_KEY.into())?;
    let config = Config {
        secret: "a secret".into(),
        token: "a token".into(),
        public_key,
        secrets: vec!["an older secret".into(), "a secret".into()],
    };
    let instance = lab.deploy(config).await?;
    Ok((lab, instance))
}

/// One question of a sender.
struct Question {
    method: Method,
    query: &'static [(&'static str, &'static str)],
    header: Option<(&'static str, &'static str)>,
    body: &'static str,
    signed_with: Option<&'static str>,
}

const GET: Question = Question {
    method: Method::GET,
    query: &[],
    header: None,
    body: "",
    signed_with: None,
};

const HEAD: Question = Question {
    method: Method::HEAD,
    ..GET
};

const POST: Question = Question {
    method: Method::POST,
    ..GET
};

fn get(query: &'static [(&'static str, &'static str)]) -> Question {
    Question { query, ..GET }
}

fn signed(body: &'static str) -> Question {
    Question {
        body,
        signed_with: Some("a secret"),
        ..POST
    }
}

/// Sends a question; the status and the body of the answer, for which no execution was started.
async fn ask<F: Flow<Config = Config>>(
    instance: &SimulatedInstance<Config>,
    question: &Question,
) -> (u16, Value) {
    let kind = if question.body.starts_with("webhook_id") {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    let mut webhook = instance.webhook::<F>().method(question.method.clone());
    for (name, value) in question.query {
        webhook = webhook.query(name, value);
    }
    if let Some((name, value)) = question.header {
        webhook = webhook.header(name, value);
    }
    if !question.body.is_empty() {
        webhook = webhook.body(kind, question.body);
    }
    if let Some(secret) = question.signed_with {
        webhook = webhook.signed_with(secret);
    }
    let report = webhook.send().await;
    assert!(
        report.execution.is_none() && report.further.is_empty(),
        "{report}"
    );
    (report.response.status, report.response.body)
}

/// Whether the endpoint of a flow counts as verified by this sender.
async fn verified_by(
    lab: &Simulation<Config>,
    instance: &SimulatedInstance<Config>,
    flow: &str,
) -> Option<String> {
    let runner = lab.runner().await.expect("the runner of the simulation");
    let instance = runner.engine.instances.get(instance.id());
    let facts = &instance.expect("the instance").facts;
    facts
        .verified
        .get(flow)
        .map(|verification| verification.by.clone())
}

/// Asks a question well and badly: the good one is answered, the bad ones are refused, and both leave no execution.
macro_rules! asks {
    ($lab:ident, $instance:ident, $flow:ident, $name:literal: $good:expr => $answer:expr; $(bad $bad:expr => $status:expr),* $(,)?) => {{
        $(
            let (status, _) = ask::<$flow>(&$instance, &$bad).await;
            assert_eq!(status, $status, "{}: a bad question", $name);
        )*
        assert_eq!(verified_by(&$lab, &$instance, $flow::KEY).await, None, "{}", $name);
        let (status, body) = ask::<$flow>(&$instance, &$good).await;
        assert_eq!((status, body), (200, $answer), "{}", $name);
        assert_eq!(verified_by(&$lab, &$instance, $flow::KEY).await.as_deref(), Some($name));
        $name
    }};
}

/// Every preset with a handshake is asked here; the last lines see to it.
#[tokio::test]
async fn w41_every_sender_that_asks_is_answered_and_starts_nothing() -> Result {
    let (lab, instance) = deploy().await?;
    let slack = r#"{"type":"url_verification","challenge":"3eZb"}"#;
    let zoom = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZ"}}"#;
    let meta = &[
        ("hub.mode", "subscribe"),
        ("hub.challenge", "1158201444"),
        ("hub.verify_token", "a token"),
    ];
    let meta_secret = &[
        ("hub.mode", "subscribe"),
        ("hub.challenge", "1158201444"),
        ("hub.verify_token", "a secret"),
    ];
    let wrong = |body| Question {
        signed_with: Some("a guess"),
        ..signed(body)
    };
    let unsigned = |body| Question { body, ..POST };
    let okta = |value| Question {
        header: Some(("x-okta-verification-challenge", value)),
        ..GET
    };
    let asked = [
        asks!(lab, instance, Dropbox, "Dropbox": get(&[("challenge", "a+b")]) => json!("a+b");
            bad get(&[("challenge", "")]) => 401, bad GET => 401),
        asks!(lab, instance, Graph, "Microsoft Graph":
            Question { query: &[("validationToken", "Validation: <b>")], ..POST } => json!("Validation: <b>");
            bad Question { query: &[("validationToken", "")], ..POST } => 401),
        asks!(lab, instance, Intercom, "Intercom": HEAD => Value::Null; bad GET => 401),
        asks!(lab, instance, Trello, "Trello": HEAD => Value::Null; bad GET => 401),
        asks!(lab, instance, Okta, "Okta": okta("q\"r") => json!({"verification": "q\"r"}); bad okta("") => 401),
        asks!(lab, instance, WooCommerce, "WooCommerce": unsigned("webhook_id=42") => Value::Null;
            bad unsigned("webhook_id=42x") => 401, bad unsigned("webhook_id=42&order=1") => 401),
        asks!(lab, instance, Slack, "Slack": signed(slack) => json!({"challenge": "3eZb"});
            bad unsigned(slack) => 401, bad wrong(slack) => 401),
        asks!(lab, instance, Zoom, "Zoom": signed(zoom) => json!({
                "encryptedToken": ZOOM_ANSWER, "plainToken": "qgg8vlvZ"
            }); bad unsigned(zoom) => 401, bad wrong(zoom) => 401),
        asks!(lab, instance, Xero, "Xero": signed(r#"{"events":[]}"#) => Value::Null;
            bad unsigned(r#"{"events":[]}"#) => 401, bad wrong(r#"{"events":[]}"#) => 401),
        asks!(lab, instance, Discord, "Discord":
            Question { signed_with: Some(PRIVATE_KEY), ..signed(r#"{"type":1}"#) } => json!({"type": 1});
            bad unsigned(r#"{"type":1}"#) => 401),
        asks!(lab, instance, Meta, "Meta": get(meta) => json!("1158201444");
            bad get(&[("hub.mode", "subscribe"), ("hub.challenge", "1")]) => 403, bad get(meta_secret) => 403),
    ];
    let known: BTreeSet<String> = providers::all()
        .into_iter()
        .filter(|provider| !provider.handshakes.is_empty())
        .map(|provider| provider.name)
        .filter(|name| name != "Asana" && name != "AWS SNS") // they have tests of their own
        .collect();
    let asked: BTreeSet<String> = asked.into_iter().map(str::to_owned).collect();
    assert_eq!(
        asked, known,
        "a preset with a handshake needs a question here"
    );
    Ok(())
}

/// HMAC-SHA256 of `qgg8vlvZ` under `a secret`, computed by another program.
const ZOOM_ANSWER: &str = "47a9fc215bfade02c7a450bd9e2e1bd57fdf6c6b88d6ee77c6e616010703d5c3";

/// W43: without a config variable for the token nobody is let through, whatever is asked.
#[tokio::test]
async fn w43_without_a_verify_token_meta_is_refused() -> Result {
    let (lab, instance) = deploy().await?;
    for token in ["", "a token", "a secret"] {
        let report = instance
            .webhook::<MetaWithoutToken>()
            .method(Method::GET)
            .query("hub.mode", "subscribe")
            .query("hub.challenge", "1")
            .query("hub.verify_token", token)
            .send()
            .await;
        report.assert_refused(403);
    }
    assert_eq!(
        verified_by(&lab, &instance, "meta-without-token").await,
        None
    );
    Ok(())
}

/// While a secret is changed both are accepted, and neither is a verify token.
#[tokio::test]
async fn w41_a_verify_token_goes_with_several_secrets() -> Result {
    let (lab, instance) = deploy().await?;
    let ask = async |token: &str| {
        let webhook = instance.webhook::<Rotating>().method(Method::GET);
        let webhook = webhook
            .query("hub.mode", "subscribe")
            .query("hub.challenge", 7);
        let report = webhook.query("hub.verify_token", token).send().await;
        (report.response.status, report.response.body)
    };
    for secret in ["a secret", "an older secret", ""] {
        assert_eq!(ask(secret).await.0, 403, "{secret}");
    }
    assert_eq!(ask("a token").await, (200, json!("7")));
    let by = verified_by(&lab, &instance, Rotating::KEY).await;
    assert_eq!(by.as_deref(), Some("Meta"));
    for secret in ["a secret", "an older secret"] {
        let webhook = instance.webhook::<Rotating>().json(json!({"entry": []}));
        webhook.signed_with(secret).send().await.assert_status(200);
    }
    let webhook = instance.webhook::<Rotating>().json(json!({"entry": []}));
    webhook
        .signed_with("a token")
        .send()
        .await
        .assert_refused(401);
    Ok(())
}

/// A sender that asks all the time has the instance stored once a day.
#[tokio::test]
async fn w41_what_a_stranger_asks_again_is_stored_once_a_day() -> Result {
    let (lab, instance) = deploy().await?;
    let question = get(&[("challenge", "a")]);
    let noted = async || {
        let runner = lab.runner().await.expect("the runner of the simulation");
        let instance = runner
            .engine
            .instances
            .get(instance.id())
            .expect("the instance");
        instance.facts.verified[Dropbox::KEY].at
    };
    ask::<Dropbox>(&instance, &question).await;
    let first = noted().await;
    lab.advance(hours(23)).await?;
    ask::<Dropbox>(&instance, &question).await;
    assert_eq!(noted().await, first);
    lab.advance(hours(1)).await?;
    ask::<Dropbox>(&instance, &question).await;
    assert_eq!(noted().await, first + hours(24));
    Ok(())
}
