use sdk::prelude::*;

#[flow(key = "receive-order")]
struct ReceiveOrder;

fn main() {}
