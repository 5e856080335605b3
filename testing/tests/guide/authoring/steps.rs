use sdk::connection::ApiKey;
use sdk::prelude::*;
use serde_json::{Value, json};
use testing::{Reply, Simulation, Upstream};

#[derive(ConfigVars)]
struct Config {
    /// Where the bank is.
    bank: Url,
    /// The key of the customer's account.
    account: Connection<ApiKey>,
}

struct PayOut;

#[flow(key = "pay-out", retry = Retry::times(5).every(minutes(4)).with_backoff())]
impl PayOut {
    #[on_execution]
    async fn pay(context: &Context<Config>, order: Value) -> Result<Value> {
        let reserve = || post(context, "reservations", &order);
        let reservation: Value = context.step("reserve", reserve).await?;

        let transfer = || post(context, "transfers", &reservation);
        context.step("transfer", transfer).retry(Retry::times(2).every(seconds(5))).await
    }
}

async fn post(context: &Context<Config>, path: &str, body: &Value) -> Result<Value> {
    let config = context.config();
    let request = context.http().post(config.bank.join(path)).bearer(&config.account.key);
    request.json(body).send().await?.ok()?.json()
}

#[tokio::test]
async fn a_retry_does_not_reserve_twice() -> testing::Result {
    let bank = Upstream::start().await;
    bank.on("POST", "/reservations", [Reply::json(201, json!({"reservation": 1}))]).await;
    let down = [Reply::status(503), Reply::status(503), Reply::status(503)];
    let transfers = down.into_iter().chain([Reply::json(201, json!({"transfer": 2}))]);
    bank.on("POST", "/transfers", transfers).await;
    let lab = Simulation::of(Integration::new("bank").flow::<PayOut>());
    let account = Connection::new(ApiKey { key: "k-1".into() });
    let instance = lab.deploy(Config { bank: bank.url(), account }).await?;

    instance.webhook::<PayOut>().json(json!({"cents": 100})).send().await.assert_status(200);
    lab.advance(minutes(5)).await?;

    assert_eq!(instance.last::<PayOut>().await.assert_completed().output, json!({"transfer": 2}));
    Ok(())
}
