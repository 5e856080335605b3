use sdk::prelude::*;

#[derive(Clone, Copy, PickList)]
struct Period {
    daily: bool,
}

fn main() {}
