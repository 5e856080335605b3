use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(context: &Context) -> Result<&str> {
        Ok(context.invoke_url())
    }
}

fn main() {}
