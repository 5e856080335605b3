use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    started: std::time::Instant,
}

fn main() {}
