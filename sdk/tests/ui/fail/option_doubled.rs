use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order", retry = Retry::times(1), retry = Retry::times(2))]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
