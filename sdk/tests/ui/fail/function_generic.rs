use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file<T>(_context: &Context, _order: T) -> Result<()> {
        Ok(())
    }
}

fn main() {}
