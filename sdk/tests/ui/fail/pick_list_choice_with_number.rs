use sdk::prelude::*;

#[derive(Clone, Copy, PickList)]
enum Period {
    Daily = 1,
}

fn main() {}
