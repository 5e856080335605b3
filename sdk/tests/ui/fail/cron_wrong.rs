use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order", trigger = Schedule::cron("61 * * * *"))]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
