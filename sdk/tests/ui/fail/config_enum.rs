use sdk::prelude::*;

#[derive(ConfigVars)]
enum Config {
    Small,
}

fn main() {}
