use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context, _order: &str) -> Result<()> {
        Ok(())
    }
}

fn main() {}
