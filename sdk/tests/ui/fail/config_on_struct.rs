use sdk::prelude::*;

#[derive(ConfigVars)]
#[config(default = 5)]
struct Config {
    page_size: u32,
}

fn main() {}
