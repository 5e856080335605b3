use sdk::prelude::*;

struct Receipt;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<Receipt> {
        Ok(Receipt)
    }
}

fn main() {}
