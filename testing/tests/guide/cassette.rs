use sdk::prelude::*;
use serde_json::Value;
use testing::{Cassette, Simulation};

struct Convert;

#[flow(key = "convert", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Convert {
    #[on_execution]
    async fn convert(context: &Context, euros: f64) -> Result<f64> {
        let rates: Value = context.http().get("http://rates.example/EUR").send().await?.ok()?.json()?;
        Ok(euros * rates["USD"].as_f64().unwrap_or_default())
    }
}

#[tokio::test]
async fn euros_are_converted_at_the_rate_of_the_day() -> testing::Result {
    let cassette = Cassette::at("tests/cassettes/the_rate_of_the_day.json");
    let lab = Simulation::of(Integration::<()>::new("convert").flow::<Convert>()).with_cassette(cassette);
    let instance = lab.deploy(()).await?;

    let report = instance.webhook::<Convert>().json(100.0).send().await;

    assert_eq!(report.body::<f64>(), 108.0);
    Ok(())
}
