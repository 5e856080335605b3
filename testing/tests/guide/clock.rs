use sdk::prelude::*;
use testing::Simulation;

struct Remind;

#[flow(
    key = "remind",
    trigger = Schedule::cron("0 9 * * MON-FRI").in_zone("Europe/Paris"),
    retry = Retry::times(3).every(minutes(4)).with_backoff(),
)]
impl Remind {
    #[on_execution]
    async fn remind(context: &Context) -> Result<u32> {
        match context.attempt() {
            3 => Ok(3),
            _ => Err(Error::new("nobody is there yet")),
        }
    }
}

#[tokio::test]
async fn a_reminder_comes_on_weekdays_until_somebody_is_there() -> testing::Result {
    // A Friday evening; the clocks change on Sunday.
    let lab = Simulation::of(Integration::<()>::new("reminders").flow::<Remind>()).at("2026-03-27T18:00:00Z");
    let instance = lab.deploy(()).await?;
    let monday = instance.next_fire::<Remind>().unwrap();
    assert_eq!(monday.to_string(), "2026-03-30T07:00:00Z");

    lab.advance_to("2026-03-30T09:00:00+02:00").await?;
    let attempts = instance.executions::<Remind>().await;
    attempts[0].assert_failed("nobody is there yet");
    assert_eq!(attempts[1].run_at, Some(monday + minutes(4)));

    lab.run_until_idle().await?;
    instance.last::<Remind>().await.assert_completed();
    assert_eq!(lab.now(), monday + minutes(4) + minutes(8));
    Ok(())
}
