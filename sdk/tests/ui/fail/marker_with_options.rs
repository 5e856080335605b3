use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution(retry = Retry::times(5))]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
