use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config(u32, String);

fn main() {}
