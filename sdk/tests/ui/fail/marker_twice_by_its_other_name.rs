use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_instance_remove]
    async fn unsubscribe(_context: &Context) -> Result<()> {
        Ok(())
    }

    #[on_instance_delete]
    async fn clean(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
