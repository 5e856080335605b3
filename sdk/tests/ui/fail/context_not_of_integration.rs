use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    page_size: u32,
}

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {
    let _ = Integration::<Config>::new("acme-orders").flow::<ReceiveOrder>();
}
