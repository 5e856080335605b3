use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(default = "0 7 * * *", time_zone = "Europe/Atlantis")]
    report_at: Schedule,
}

fn main() {}
