use sdk::prelude::*;

struct ReceiveOrder<T>(T);

#[flow(key = "receive-order")]
impl<T> ReceiveOrder<T> {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
