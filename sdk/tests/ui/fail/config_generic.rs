use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config<T> {
    page_size: T,
}

fn main() {}
