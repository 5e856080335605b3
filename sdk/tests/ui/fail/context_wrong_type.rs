use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    page_size: u32,
}

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_config: &Config) -> Result<()> {
        Ok(())
    }
}

fn main() {}
