use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    page_size: u32,
}

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    #[on_execution]
    async fn file(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }

    #[on_instance_deploy]
    async fn subscribe(_context: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {}
