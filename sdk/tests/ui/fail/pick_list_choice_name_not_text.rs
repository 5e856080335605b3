use sdk::prelude::*;

#[derive(Clone, Copy, PickList)]
enum Period {
    #[choice(daily)]
    Daily,
}

fn main() {}
