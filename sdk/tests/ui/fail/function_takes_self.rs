use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(&self, _context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
