//! A canary secret, searched for in everything that a test sees (G10, E56).

use sdk::connection::{ApiKey, Basic, Connection};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Result, Simulation, Upstream};

const CANARIES: [&str; 5] = [
    "canary-signing-secret",
    "canary-api-key-of-the-shop",
    "canary-user",
    "canary-password",
    "canary-endpoint-key",
];

#[derive(Debug, ConfigVars)]
struct Config {
    /// Where the shop is.
    shop: Url,
    /// The key there.
    key: Connection<ApiKey>,
    /// The account there.
    account: Connection<Basic>,
    /// What webhooks are signed with.
    signing_secret: Secret,
}

/// Puts every secret wherever it can.
#[derive(Debug)]
struct Leaks;

#[flow(key = "leaks", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Leaks {
    #[on_execution]
    async fn leak(context: &Context<Config>, fails: bool) -> sdk::Result<HttpResponse> {
        let Config {
            shop,
            key,
            account,
            signing_secret,
        } = context.config();
        let own = context
            .webhook_api_keys()
            .values()
            .flatten()
            .map(Secret::expose);
        let mut all = vec![
            key.key.expose(),
            account.username.expose(),
            account.password.expose(),
            signing_secret.expose(),
        ];
        all.extend(own);
        let text = all.join(" ");
        context.log().line(
            sdk::host::LogLevel::Info,
            text.clone(),
            json!({ &text: text }),
        );
        context.instance_state().set(&text, &text).await?;
        context.step("leak", || async { Ok(text.clone()) }).await?;
        let path = all.join("-");
        let request = context
            .http()
            .post(format!("{}?text={path}", shop.join(&path).as_str()));
        let request = request
            .bearer(&key.key)
            .header("x-account", &text)
            .json(&json!({ &text: [text] }));
        request.send().await?;
        context
            .http()
            .get(shop.join("basic"))
            .basic(&account.username, &account.password)
            .send()
            .await?;
        if fails {
            return Err(Error::new(text));
        }
        Ok(HttpResponse::ok()
            .json(&json!({ "text": text }))
            .header("x-account", &text))
    }
}

#[tokio::test]
async fn no_secret_is_in_anything_that_a_test_sees() -> Result {
    let shop = Upstream::start().await;
    let anything = wiremock::Mock::given(wiremock::matchers::any());
    let answer = wiremock::ResponseTemplate::new(200);
    anything.respond_with(answer).mount(shop.server()).await;
    let lab = Simulation::of(Integration::new("leaks").flow::<Leaks>()).at("2026-03-27T16:50:00Z");
    let [signing_secret, key, username, password, endpoint_key] = CANARIES;
    let deployment = lab.customer("acme").api_key::<Leaks>(endpoint_key);
    let instance = deployment
        .deploy(Config {
            shop: shop.url(),
            key: Connection::new(ApiKey { key: key.into() }),
            account: Connection::new(Basic {
                username: username.into(),
                password: password.into(),
            }),
            signing_secret: signing_secret.into(),
        })
        .await?;
    let webhook = || instance.webhook::<Leaks>().api_key(endpoint_key);
    let report = webhook().json(false).send().await;
    let failed = webhook().json(true).send().await;
    let again = instance.redeploy_as_is().await?;
    let timeline = instance.timeline().await;
    let removed = instance.remove().await?;

    let shown = [
        format!("{report} {report:?}"),
        format!("{failed} {failed:?}"),
        format!("{timeline} {timeline:?}"),
        format!("{again:?} {removed:?} {instance:?} {lab:?}"),
        format!("{:?} {:?}", instance.requests(), shop.received()),
        serde_json::to_string(&instance.timeline().await)?,
    ];
    for canary in CANARIES {
        for text in &shown {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    let names = "[key.key] [account.username] [account.password] [signing_secret] [api_key]";
    let body: Value = report.response.body;
    assert!(
        body["text"]
            .as_str()
            .is_some_and(|text| text.starts_with(names)),
        "{body}"
    );
    let headers = report
        .requests
        .iter()
        .map(|request| request.headers["authorization"].as_str());
    assert_eq!(
        headers.collect::<Vec<_>>(),
        ["Bearer [key.key]", "[secret]"]
    );
    Ok(())
}

/// A secret that was changed by a redeploy was one all the same.
#[tokio::test]
async fn a_secret_that_is_no_longer_used_stays_hidden() -> Result {
    let shop = Upstream::start().await;
    shop.allow("POST", "/", [Reply::status(200)]).await;
    let lab = Simulation::of(Integration::new("leaks").flow::<Leaks>());
    let config = |key: &str| Config {
        shop: shop.url(),
        key: Connection::new(ApiKey { key: key.into() }),
        account: Connection::new(Basic {
            username: "canary-user".into(),
            password: "canary-password".into(),
        }),
        signing_secret: "canary-signing-secret".into(),
    };
    let anything = wiremock::Mock::given(wiremock::matchers::any());
    anything
        .respond_with(wiremock::ResponseTemplate::new(200))
        .mount(shop.server())
        .await;
    let instance = lab.deploy(config("canary-old-key")).await?;
    instance.webhook::<Leaks>().json(false).send().await;
    instance.redeploy(config("canary-new-key")).await?;
    instance.webhook::<Leaks>().json(false).send().await;
    let timeline = instance.timeline().await.to_string();
    assert!(!timeline.contains("canary"), "{timeline}");
    Ok(())
}
