use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(default = 5, default = 6)]
    page_size: u32,
}

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

fn main() {}
