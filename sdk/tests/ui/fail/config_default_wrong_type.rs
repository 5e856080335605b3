use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(default = seconds(5))]
    page_size: u32,
}

fn main() {}
