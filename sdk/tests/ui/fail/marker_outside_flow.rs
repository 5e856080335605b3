use sdk::prelude::*;

struct ReceiveOrder;

impl ReceiveOrder {
    #[on_trigger]
    async fn receive(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
