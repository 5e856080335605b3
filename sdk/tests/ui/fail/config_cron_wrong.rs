use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(default = "61 7 * * *", time_zone = "Europe/Paris")]
    report_at: Schedule,
}

fn main() {}
