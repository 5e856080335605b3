use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "Receive Order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
