use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[cfg(test)]
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
