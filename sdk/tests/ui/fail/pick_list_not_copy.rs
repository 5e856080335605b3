use sdk::prelude::*;

#[derive(PickList)]
enum Period {
    Daily,
}

fn main() {}
