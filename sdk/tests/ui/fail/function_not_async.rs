use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
