use sdk::prelude::*;

struct Config;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

fn main() {}
