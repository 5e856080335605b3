use sdk::prelude::*;
use testing::{Cassette, Simulation};

struct Convert;

#[flow(key = "convert", trigger = Webhook::unsigned(), respond = Respond::Directly)]
impl Convert {
    #[on_execution]
    async fn convert(context: &Context, euros: f64) -> Result<String> {
        let rates: Rates = context.http().get("http://rates.example/EUR").send().await?.ok()?.json()?;
        Ok(format!("{:.2} USD", euros * rates.usd))
    }
}

#[derive(serde::Deserialize)]
struct Rates {
    #[serde(rename = "USD")]
    usd: f64,
}

#[tokio::test]
async fn euros_are_converted_at_the_rate_of_the_day() -> testing::Result {
    let cassette = Cassette::at("tests/cassettes/the_rate_of_the_day.json");
    let lab = Simulation::of(Integration::<()>::new("convert").flow::<Convert>()).with_cassette(cassette);
    let instance = lab.deploy(()).await?;

    let report = instance.webhook::<Convert>().json(100).send().await;

    assert_eq!(report.body::<String>(), "108.00 USD");
    Ok(())
}
