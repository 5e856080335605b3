use std::rc::Rc;

use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(context: &Context) -> Result<()> {
        let count = Rc::new(5);
        context.sleep(seconds(1)).await;
        drop(count);
        Ok(())
    }
}

fn main() {}
