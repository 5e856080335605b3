use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(default = 5, default = 6)]
    page_size: u32,
}

fn main() {}
