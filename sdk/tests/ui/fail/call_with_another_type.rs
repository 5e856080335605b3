use sdk::prelude::*;

struct Double;

#[flow(key = "double")]
impl Double {
    #[on_execution]
    async fn double(_context: &Context, number: i64) -> Result<i64> {
        Ok(number * 2)
    }
}

async fn calls(context: &Context) -> Result<i64> {
    context.handle::<Double>().call(&"four").await
}

fn main() {}
