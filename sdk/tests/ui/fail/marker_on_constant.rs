use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }

    #[on_trigger]
    const LIMIT: u32 = 5;
}

fn main() {}
