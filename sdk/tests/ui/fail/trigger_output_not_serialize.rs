use sdk::prelude::*;

struct Order;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_trigger]
    async fn receive(_context: &Context) -> Result<Order> {
        Ok(Order)
    }
}

fn main() {}
