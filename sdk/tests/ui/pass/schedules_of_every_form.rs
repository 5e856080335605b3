//! A literal that is a schedule passes, in every form in which a config variable is written.

use sdk::prelude::*;

#[derive(ConfigVars)]
struct Config {
    #[config(default = "0 7 * * MON-FRI", time_zone = "Europe/Paris")]
    report_at: Schedule,
    #[config(default = "every 15 minutes")]
    look_at: Schedule,
    #[config(default = "once")]
    import_at: Schedule,
    #[config(default = "@daily")]
    clean_at: Option<Schedule>,
    #[config(default = "not a schedule")]
    note: String,
}

struct Report;

#[flow(key = "report", trigger = Trigger::scheduled_by(|config: &Config| &config.report_at))]
impl Report {
    #[on_execution]
    async fn send(_context: &Context<Config>) -> Result<()> {
        Ok(())
    }
}

struct Nightly;

#[flow(key = "nightly", trigger = Trigger::poll(Schedule::cron("0 2 * * *").in_zone("Europe/Paris")))]
impl Nightly {
    #[on_trigger]
    async fn look(_context: &Context<Config>) -> Result<TriggerOutput> {
        Ok(TriggerOutput::nothing_new())
    }
}

fn main() {
    Config::decode(&Default::default()).unwrap();
    Integration::<Config>::new("reports").flow::<Report>().flow::<Nightly>().build().unwrap();
}
