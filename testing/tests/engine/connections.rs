//! Connections by OAuth 2.0 (E55): when a token is asked for, and when not any more.

mod kept;
mod taken_back;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use runner::instance::Standing;
use runner::record::ResultType;
use sdk::connection::{Grant, OAuth2, OAuthProvider};
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{OAuthServer, Reply, Result, SimulatedInstance, Simulation};

use crate::bench::{refusal, settings};

/// Somebody has to say yes.
struct Crm;

impl OAuthProvider for Crm {
    fn grant() -> Grant {
        Grant::authorization_code("https://crm.example/authorize", "https://crm.example/token")
            .scope("contacts.read")
            .authorize_parameter("access_type", "offline")
    }
}

/// The client's secret is enough.
struct Bank;

impl OAuthProvider for Bank {
    fn grant() -> Grant {
        Grant::client_credentials("https://bank.example/token")
            .scope("accounts")
            .scope("balances")
    }
}

#[derive(ConfigVars)]
struct Config {
    crm: Connection<OAuth2<Crm>>,
    bank: Connection<OAuth2<Bank>>,
    url: Url,
}

/// Fetches what the provider guards: `crm` or `bank`.
struct Fetches;

#[flow(key = "fetches", retry = Retry::times(2).every(minutes(1)))]
impl Fetches {
    #[on_execution]
    async fn fetch(context: &Context<Config>, which: String) -> sdk::Result<Value> {
        let config = context.config();
        let request = context.http().get(config.url.join("names"));
        let request = match which.as_str() {
            "crm" => request.authorized_by(&config.crm),
            _ => request.authorized_by(&config.bank),
        };
        request.send().await?.ok()?.json()
    }
}

/// Tells the access token to everybody.
struct Tells;

#[flow(key = "tells", respond = Respond::Directly)]
impl Tells {
    #[on_trigger]
    async fn tell(context: &Context<Config>, payload: Payload) -> sdk::Result<Payload> {
        let token = context.access_token(&context.config().crm).await?;
        context
            .log()
            .info(format!("the token is {}", token.expose()));
        if payload.path_fragment == "refuse" {
            return Err(Error::new(format!("no good: {}", token.expose())));
        }
        Ok(payload)
    }

    #[on_execution]
    async fn fail(context: &Context<Config>) -> sdk::Result<()> {
        let token = context.access_token(&context.config().crm).await?;
        context.log().info(BASE64_STANDARD.encode(token.expose()));
        Err(Error::new(format!("no good: {}", token.expose())))
    }
}

async fn bench() -> Result<(Simulation<Config>, OAuthServer, SimulatedInstance<Config>)> {
    let integration = Integration::new("crm").flow::<Fetches>().flow::<Tells>();
    let lab = Simulation::of(integration).with_settings(settings());
    let server = OAuthServer::start().await;
    server.guard("/names", Reply::json(200, ["Ada"])).await;
    let instance = lab.deploy(config(&server)).await?;
    Ok((lab, server, instance))
}

fn config(server: &OAuthServer) -> Config {
    Config {
        crm: server.connection(),
        bank: server.connection(),
        url: Url::parse(&server.url("")).unwrap(),
    }
}

/// Looks at the provider when it is deployed.
struct Subscribes;

#[flow(key = "subscribes")]
impl Subscribes {
    #[on_instance_deploy]
    async fn subscribe(context: &Context<Config>) -> sdk::Result<()> {
        let config = context.config();
        let request = context.http().get(config.url.join("names"));
        request.authorized_by(&config.crm).send().await?.ok()?;
        Ok(())
    }
}

/// Starts the flow so many times at once.
async fn fetch(
    lab: &Simulation<Config>,
    of: &SimulatedInstance<Config>,
    which: &str,
    times: usize,
) -> Result {
    let all = (0..times).map(|_| of.webhook::<Fetches>().json(which).send());
    futures_util::future::join_all(all).await;
    lab.run_until_idle().await?;
    Ok(())
}

/// How the last executions of the flow have ended, each kind once: `COMPLETED`, or the error.
async fn ends(of: &SimulatedInstance<Config>, last: usize) -> BTreeSet<String> {
    let all = of.executions::<Fetches>().await;
    let last = all.into_iter().rev().take(last);
    last.map(|one| match one.result {
        Some(ResultType::Completed) => "COMPLETED".to_owned(),
        _ => one.error.unwrap_or_default(),
    })
    .collect()
}

fn completed() -> BTreeSet<String> {
    BTreeSet::from(["COMPLETED".to_owned()])
}

fn failed(text: &str) -> BTreeSet<String> {
    BTreeSet::from([text.to_owned()])
}

/// With what and how successfully tokens were asked for.
fn asked(server: &OAuthServer) -> Vec<String> {
    let all = server.token_requests().into_iter();
    all.map(|asked| format!("{} {}", asked.grant_type, asked.status))
        .collect()
}

const NOT_AUTHORIZED: &str = "connection `crm` is not authorised; somebody must do it at the URL that `connections --authorize crm` shows";
const ENDED: &str = "connection `crm` must be authorised again: its provider no longer accepts what it granted; somebody must do it at the URL that `connections --authorize crm` shows";

#[tokio::test]
async fn e55_many_runs_that_need_a_token_at_once_have_it_fetched_once() -> Result {
    let (lab, server, instance) = bench().await?;
    assert_eq!(instance.standing("bank"), Some(Standing::NotUsed));
    fetch(&lab, &instance, "bank", 20).await?;
    assert_eq!(ends(&instance, 20).await, completed());
    assert_eq!(asked(&server), ["client_credentials 200"]);
    assert_eq!(server.token_requests()[0].scope, "accounts balances");
    fetch(&lab, &instance, "bank", 3).await?;
    assert_eq!(asked(&server).len(), 1);
    Ok(())
}

#[tokio::test]
async fn e55_a_token_is_renewed_when_its_time_is_almost_over() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    for which in ["crm", "bank"] {
        fetch(&lab, &instance, which, 1).await?;
    }
    let first = ["authorization_code 200", "client_credentials 200"];
    assert_eq!(asked(&server), first);
    lab.advance(minutes(58)).await?;
    for which in ["crm", "bank"] {
        fetch(&lab, &instance, which, 1).await?;
    }
    assert_eq!(asked(&server), first);
    lab.advance(minutes(1)).await?;
    for which in ["crm", "bank"] {
        fetch(&lab, &instance, which, 7).await?;
    }
    assert_eq!(
        asked(&server)[2..],
        ["refresh_token 200", "client_credentials 200"]
    );
    // The next one is asked for with what came with the last one.
    lab.advance(hours(1)).await?;
    fetch(&lab, &instance, "crm", 7).await?;
    assert_eq!(asked(&server)[4..], ["refresh_token 200"]);
    assert_eq!(ends(&instance, 100).await, completed());
    Ok(())
}

#[tokio::test]
async fn e55_a_connection_that_nobody_has_authorised_fails_with_the_way_to_do_it() -> Result {
    let (lab, server, instance) = bench().await?;
    assert_eq!(instance.standing("crm"), Some(Standing::NotAuthorized));
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 9).await, failed(NOT_AUTHORIZED));
    // Trying again would be of no use.
    assert_eq!(instance.executions::<Fetches>().await.len(), 1);
    assert_eq!(asked(&server), [""; 0]);
    instance.authorize("crm", &server).await?;
    let Some(Standing::Authorized { since, expires_at }) = instance.standing("crm") else {
        panic!("{:?}", instance.standing("crm"));
    };
    assert_eq!((since, expires_at), (lab.now(), Some(lab.now() + hours(1))));
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    Ok(())
}

#[tokio::test]
async fn e55_what_was_revoked_is_one_clear_error_and_no_storm() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    server.revoke();
    lab.advance(hours(1)).await?;
    fetch(&lab, &instance, "crm", 10).await?;
    fetch(&lab, &instance, "crm", 10).await?;
    assert_eq!(ends(&instance, 20).await, failed(ENDED));
    assert_eq!(instance.executions::<Fetches>().await.len(), 20);
    assert_eq!(asked(&server)[1..], ["refresh_token 400"]);
    assert_eq!(instance.standing("crm"), Some(Standing::NeedsAuthorization));
    instance.authorize("crm", &server).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    Ok(())
}

#[tokio::test]
async fn e55_a_token_that_is_refused_before_its_time_is_renewed_once_for_all() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    fetch(&lab, &instance, "bank", 1).await?;
    for which in ["crm", "bank"] {
        lab.advance(seconds(31)).await?;
        server.revoke_access_tokens();
        fetch(&lab, &instance, which, 10).await?;
        assert_eq!(ends(&instance, 10).await, completed());
    }
    assert_eq!(
        asked(&server)[2..],
        ["refresh_token 200", "client_credentials 200"]
    );
    // One that has just come is not renewed again: whoever refuses it refuses the next one as well.
    server.revoke_access_tokens();
    fetch(&lab, &instance, "bank", 10).await?;
    assert_eq!(
        ends(&instance, 10).await,
        failed("GET 127.0.0.1 answered 401 Unauthorized")
    );
    assert_eq!(asked(&server).len(), 4);
    Ok(())
}

#[tokio::test]
async fn e55_without_a_refresh_token_the_time_is_used_up_and_no_longer() -> Result {
    let (lab, server, instance) = bench().await?;
    server.give_no_refresh_tokens();
    instance.authorize("crm", &server).await?;
    lab.advance(minutes(59) + seconds(59)).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    lab.advance(seconds(1)).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    let text = ends(&instance, 1).await.pop_first().unwrap();
    assert!(
        text.contains("its provider gave none to renew it with"),
        "{text}"
    );
    assert_eq!(instance.standing("crm"), Some(Standing::NeedsAuthorization));
    assert_eq!(asked(&server).len(), 1);
    Ok(())
}

#[tokio::test]
async fn e55_a_provider_that_is_down_is_tried_again_with_the_run() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    lab.advance(minutes(59) + seconds(30)).await?;
    server.fail(503, json!("sorry"));
    // The token that is there is good for half a minute.
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    assert_eq!(asked(&server)[1..], ["refresh_token 503"]);
    lab.advance(seconds(30)).await?;
    let webhooks = (0..10).map(|_| instance.webhook::<Fetches>().json("crm").send());
    futures_util::future::join_all(webhooks).await;
    // All of them fail by one request.
    assert_eq!(asked(&server)[2..], ["refresh_token 503"]);
    let down = "the provider of connection `crm` gives no token: `127.0.0.1` answered 503";
    let mut failed_first = instance.executions::<Fetches>().await;
    failed_first.retain(|one| one.attempt == 1 && one.error.as_deref() == Some(down));
    assert_eq!(failed_first.len(), 10);
    server.recover();
    lab.run_until_idle().await?;
    assert_eq!(ends(&instance, 10).await, completed());
    assert_eq!(asked(&server)[3..], ["refresh_token 200"]);
    Ok(())
}

#[tokio::test]
async fn e55_a_client_that_is_refused_is_not_tried_again_until_it_has_changed() -> Result {
    let (lab, server, instance) = bench().await?;
    let mut wrong = config(&server);
    let bank = server.connection::<Bank>();
    let other = OAuth2::new(bank.client_id.clone(), "wrong-secret").token_url(server.url("/token"));
    wrong.bank = Connection::new(other);
    instance.redeploy(wrong).await?;
    fetch(&lab, &instance, "bank", 5).await?;
    fetch(&lab, &instance, "bank", 5).await?;
    let text = "the provider of connection `bank` gives no token: it answered `invalid_client`; look at client id and client secret and deploy the instance again";
    assert_eq!(ends(&instance, 10).await, failed(text));
    assert_eq!(asked(&server), ["client_credentials 401"]);
    lab.advance(minutes(1)).await?;
    fetch(&lab, &instance, "bank", 1).await?;
    assert_eq!(asked(&server).len(), 2);
    instance.redeploy(config(&server)).await?;
    fetch(&lab, &instance, "bank", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    Ok(())
}

#[tokio::test]
async fn e55_a_provider_is_called_only_where_a_flow_may_call() -> Result {
    let (lab, server, instance) = bench().await?;
    let mut inside = config(&server);
    let other = OAuth2::new("c", "s").token_url("https://10.0.0.1/token");
    inside.bank = Connection::new(other);
    instance.redeploy(inside).await?;
    fetch(&lab, &instance, "bank", 1).await?;
    let text = ends(&instance, 9).await.pop_first().unwrap();
    assert!(text.contains("10.0.0.1 is a private address"), "{text}");
    assert_eq!(instance.executions::<Fetches>().await.len(), 1);
    Ok(())
}

#[tokio::test]
async fn e55_what_was_granted_is_kept_for_the_same_client_and_no_other() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    let mut same = config(&server);
    let client = OAuth2::new(same.crm.client_id.clone(), "another-secret");
    let client = client.authorize_url(server.url("/authorize"));
    same.crm = Connection::new(client.token_url(server.url("/token")));
    instance.redeploy(same).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    instance.remove_keeping(hours(1)).await?;
    instance.redeploy(config(&server)).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());

    let mut other = config(&server);
    let client = OAuth2::new("another-client", "another-secret");
    other.crm = Connection::new(client.token_url(server.url("/token")));
    instance.redeploy(other).await?;
    instance.redeploy(config(&server)).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, failed(NOT_AUTHORIZED));
    assert_eq!(asked(&server).len(), 1);
    Ok(())
}

#[tokio::test]
async fn e55_what_was_granted_can_be_forgotten_by_hand() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    let connections = &lab.runner().await?.engine.connections;
    assert!(connections.forget(instance.id(), "crm").await?);
    assert!(!connections.forget(instance.id(), "crm").await?);
    assert!(connections.forget(instance.id(), "url").await.is_err());
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, failed(NOT_AUTHORIZED));
    Ok(())
}

#[tokio::test]
async fn e55_a_deploy_function_that_needs_a_connection_fails_until_it_is_authorised() -> Result {
    let lab = Simulation::of(Integration::new("crm").flow::<Subscribes>());
    let server = OAuthServer::start().await;
    server.guard("/names", Reply::json(200, ["Ada"])).await;
    let text = refusal(lab.deploy(config(&server)).await);
    assert!(text.ends_with(NOT_AUTHORIZED), "{text}");
    let instance = lab.instances().await?.remove(0);
    instance.authorize("crm", &server).await?;
    instance.redeploy_as_is().await?;
    Ok(())
}

#[tokio::test]
async fn e55_a_refusal_that_may_be_mended_at_the_provider_leaves_what_was_granted() -> Result {
    let (lab, server, instance) = bench().await?;
    instance.authorize("crm", &server).await?;
    lab.advance(hours(1)).await?;
    server.fail(400, json!({"error": "unauthorized_client"}));
    fetch(&lab, &instance, "crm", 5).await?;
    let text = "the provider of connection `crm` gives no token: it answered `unauthorized_client`; look at client id and client secret and deploy the instance again, or have the connection authorised again";
    assert_eq!(ends(&instance, 5).await, failed(text));
    assert_eq!(asked(&server)[1..], ["refresh_token 400"]);
    server.recover();
    lab.advance(minutes(1)).await?;
    fetch(&lab, &instance, "crm", 1).await?;
    assert_eq!(ends(&instance, 1).await, completed());
    Ok(())
}
