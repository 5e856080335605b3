use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl Default for ReceiveOrder {
    fn default() -> Self {
        Self
    }
}

fn main() {}
