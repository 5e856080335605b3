use sdk::prelude::*;

#[derive(Clone, Copy, PickList)]
enum Period {
    Daily,
    Every(u32),
}

fn main() {}
