use sdk::prelude::*;

struct Order {
    _item: String,
}

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context, _order: Order) -> Result<()> {
        Ok(())
    }
}

fn main() {}
