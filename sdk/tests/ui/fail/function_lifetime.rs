use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file<'a>(_context: &'a Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
