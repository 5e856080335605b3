use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(defualt = 5)]
    page_size: u32,
}

fn main() {}
