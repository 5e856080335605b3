use sdk::prelude::*;

struct ReceiveOrder;

#[flow(key = "receive-order")]
impl ReceiveOrder {
    fn helper() {}
}

fn main() {}
