use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order", retry)]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
