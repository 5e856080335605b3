use sdk::prelude::*;

struct ReceiveOrder;

#[flow(name = "Receive order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
