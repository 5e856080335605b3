use sdk::prelude::*;

#[derive(Clone, Copy, PickList)]
enum Period {
    Daily,
    #[choice("daily")]
    Weekly,
}

fn main() {}
