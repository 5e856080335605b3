use sdk::prelude::*;

struct ReceiveOrder;

fn main() {
    let _ = Integration::<()>::new("acme-orders").flow::<ReceiveOrder>();
}
