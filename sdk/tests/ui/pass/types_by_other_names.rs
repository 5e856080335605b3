//! A context, a result and a key may go by names of the author's own.

use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config;

type OurContext = Context<Config>;
type Done = Result<()>;

const KEY: &str = "receive-order";

struct ReceiveOrder;

#[flow(key = KEY)]
impl ReceiveOrder {
    #[on_trigger]
    async fn receive(_context: &OurContext) -> Result<&'static str> {
        Ok("order")
    }

    #[on_execution]
    async fn file(_context: &OurContext, _order: String) -> Result<(), std::num::ParseIntError> {
        Ok(())
    }

    #[on_instance_deploy]
    async fn subscribe(_context: &Context<Config>) -> Done {
        Ok(())
    }
}

fn main() {
    assert_eq!(<ReceiveOrder as Flow>::KEY, "receive-order");
}
