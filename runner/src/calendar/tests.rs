use sdk::schedule::Fold;
use sdk::time::{days, hours, minutes};

use super::*;

#[track_caller]
pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[track_caller]
pub(super) fn calendar(schedule: &Schedule) -> Calendar {
    Calendar::new(schedule, at("2026-01-01T00:00:00Z"), "instance-1").unwrap()
}

/// Checks the next times after `after`, and that the way back is the same.
#[track_caller]
pub(super) fn check(schedule: &Schedule, after: &str, expected: &[&str]) {
    let calendar = calendar(schedule);
    let ticks = calendar.upcoming(at(after), expected.len());
    let times: Vec<_> = ticks.iter().map(|tick| tick.nominal).collect();
    let expected: Vec<_> = expected.iter().map(|text| at(text)).collect();
    assert_eq!(
        times.iter().map(ToString::to_string).collect::<Vec<_>>(),
        expected.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    for pair in times.windows(2) {
        let previous = calendar.previous_before(pair[1]).unwrap();
        assert_eq!(previous.nominal, pair[0], "before {}", pair[1]);
    }
}

#[test]
fn working_hours_are_monday_to_friday_e10() {
    let schedule = Schedule::cron("*/5 8-16 * * 1-5");
    check(
        &schedule,
        "2026-01-31T00:00:00Z",
        &["2026-02-02T08:00:00Z", "2026-02-02T08:05:00Z"],
    );
    check(
        &schedule,
        "2026-02-06T16:50:00Z",
        &["2026-02-06T16:55:00Z", "2026-02-09T08:00:00Z"],
    );
}

#[test]
fn the_next_tick_is_strictly_later() {
    let schedule = Schedule::cron("* * * * *");
    check(&schedule, "2026-01-31T00:00:00Z", &["2026-01-31T00:01:00Z"]);
    check(
        &schedule,
        "2026-01-31T00:00:00.500Z",
        &["2026-01-31T00:01:00Z"],
    );
    check(
        &schedule,
        "2026-01-30T23:59:59.999Z",
        &["2026-01-31T00:00:00Z"],
    );
    let previous = |before| {
        calendar(&schedule)
            .previous_before(at(before))
            .unwrap()
            .nominal
    };
    assert_eq!(previous("2026-01-31T00:01:00Z"), at("2026-01-31T00:00:00Z"));
    assert_eq!(
        previous("2026-01-31T00:01:00.001Z"),
        at("2026-01-31T00:01:00Z")
    );
}

#[test]
fn two_day_fields_are_joined_by_or_unless_one_begins_with_a_star_e10() {
    check(
        &Schedule::cron("0 0 13 * 5"),
        "2026-02-07T00:00:00Z",
        &[
            "2026-02-13T00:00:00Z",
            "2026-02-20T00:00:00Z",
            "2026-02-27T00:00:00Z",
            "2026-03-06T00:00:00Z",
            "2026-03-13T00:00:00Z",
        ],
    );
    check(
        &Schedule::cron("0 0 1-7 * */7"),
        "2026-01-31T00:00:00Z",
        &[
            "2026-02-01T00:00:00Z",
            "2026-03-01T00:00:00Z",
            "2026-04-05T00:00:00Z",
        ],
    );
    check(
        &Schedule::cron("0 0 */2 * 1"),
        "2026-02-01T00:00:00Z",
        &[
            "2026-02-09T00:00:00Z",
            "2026-02-23T00:00:00Z",
            "2026-03-09T00:00:00Z",
        ],
    );
}

#[test]
fn a_rare_date_is_found_e10() {
    check(
        &Schedule::cron("0 0 29 2 *").in_zone("Europe/Berlin"),
        "2026-01-01T00:00:00Z",
        &["2028-02-28T23:00:00Z", "2032-02-28T23:00:00Z"],
    );
    check(
        &Schedule::cron("0 0 29 2 */7").in_zone("Europe/Berlin"),
        "2026-01-01T00:00:00Z",
        &[
            "2032-02-28T23:00:00Z",
            "2060-02-28T23:00:00Z",
            "2088-02-28T23:00:00Z",
        ],
    );
    let last = calendar(&Schedule::cron("0 0 29 2 */7")).next_after(at("2089-01-01T00:00:00Z"));
    assert_eq!(last, None);
}

#[test]
fn an_interval_counts_from_the_anchor_e10() {
    let schedule = Schedule::every(minutes(15));
    let anchor = at("2026-01-01T00:07:30.250Z");
    let calendar = Calendar::new(&schedule, anchor, "").unwrap();
    let next = |after| calendar.next_after(at(after)).unwrap().nominal;
    assert_eq!(next("2025-01-01T00:00:00Z"), anchor + minutes(15));
    assert_eq!(next("2026-01-01T00:07:30.250Z"), anchor + minutes(15));
    assert_eq!(next("2026-01-01T00:22:30.249Z"), anchor + minutes(15));
    assert_eq!(next("2026-01-01T00:22:30.250Z"), anchor + minutes(30));
    assert_eq!(calendar.previous_before(anchor + minutes(15)), None);
    let previous = calendar.previous_before(anchor + minutes(30)).unwrap();
    assert_eq!(previous.nominal, anchor + minutes(15));
    let far = calendar
        .next_after(anchor + minutes(15) * 1_000_000)
        .unwrap();
    assert_eq!(far.nominal, anchor + minutes(15) * 1_000_001);
}

#[test]
fn an_interval_of_days_keeps_the_time_of_the_day_e10_e13() {
    let daily = Schedule::every(days(1)).in_zone("America/New_York");
    let weekly = Schedule::every(days(7)).in_zone("America/New_York");
    let hourly = Schedule::every(hours(25)).in_zone("America/New_York");
    let times = |schedule: &Schedule, anchor, count| {
        let calendar = Calendar::new(schedule, at(anchor), "").unwrap();
        let ticks = calendar.upcoming(at(anchor), count);
        ticks.iter().map(|tick| tick.nominal).collect::<Vec<_>>()
    };
    assert_eq!(
        times(&daily, "2026-03-06T02:30:00-05:00", 4),
        [
            "2026-03-07T02:30:00-05:00",
            "2026-03-08T03:00:00-04:00",
            "2026-03-09T02:30:00-04:00",
            "2026-03-10T02:30:00-04:00"
        ]
        .map(at)
    );
    assert_eq!(
        times(&daily.on_fold(Fold::Last), "2026-10-30T01:30:00-04:00", 3),
        [
            "2026-10-31T01:30:00-04:00",
            "2026-11-01T01:30:00-05:00",
            "2026-11-02T01:30:00-05:00"
        ]
        .map(at)
    );
    assert_eq!(
        times(&weekly, "2026-03-01T12:00:00-05:00", 2),
        ["2026-03-08T12:00:00-04:00", "2026-03-15T12:00:00-04:00"].map(at)
    );
    assert_eq!(
        times(&hourly, "2026-03-07T12:00:00-05:00", 1),
        ["2026-03-08T14:00:00-04:00"].map(at)
    );
}

#[test]
fn once_is_one_tick_at_the_anchor_e10() {
    let anchor = at("2026-01-01T00:00:00Z");
    let calendar = calendar(&Schedule::once());
    let tick = Tick {
        nominal: anchor,
        due: anchor,
    };
    assert_eq!(calendar.upcoming(anchor - minutes(1), 5), [tick]);
    assert_eq!(calendar.next_after(anchor), None);
    assert_eq!(calendar.previous_before(anchor), None);
    assert_eq!(calendar.latest_due(anchor), Some(tick));
}

#[test]
fn an_instance_keeps_its_place_in_the_spread_e16() {
    let schedule = Schedule::cron("0 7 * * *").spread(minutes(10));
    let tick_of = |key: &str| {
        let calendar = Calendar::new(&schedule, Timestamp::default(), key).unwrap();
        calendar.next_after(at("2026-01-01T00:00:00Z")).unwrap()
    };
    // Fixed by the key alone: a new version or another node must not move an instance.
    assert_eq!(
        tick_of("instance-1").due.to_string(),
        "2026-01-01T07:07:33.047Z"
    );
    let places: std::collections::HashSet<_> = (0..100)
        .map(|number| tick_of(&format!("instance-{number}")))
        .inspect(|tick| assert_eq!(tick.nominal, at("2026-01-01T07:00:00Z")))
        .inspect(|tick| assert!(tick.due.since(tick.nominal) < minutes(10)))
        .map(|tick| tick.due.as_seconds() / 60)
        .collect();
    assert_eq!(places.len(), 10, "all minutes of the window are used");
}

#[test]
fn the_latest_tick_that_is_due_counts_the_spread_e14_e16() {
    let schedule = Schedule::cron("0 7 * * *").spread(minutes(10));
    let calendar = calendar(&schedule);
    let tick = calendar.next_after(at("2026-01-01T00:00:00Z")).unwrap();
    assert!(tick.due > tick.nominal);
    assert_eq!(calendar.latest_due(tick.due), Some(tick));
    let earlier = calendar
        .latest_due(tick.due - Duration::from_millis(1))
        .unwrap();
    assert_eq!(earlier.nominal, at("2025-12-31T07:00:00Z"));
}

#[test]
fn a_wrong_schedule_has_no_calendar_e18() {
    for schedule in [
        Schedule::cron("0 25 * * *"),
        Schedule::cron("@daily").in_zone("Paris"),
        Schedule::every(minutes(0)),
    ] {
        let fault = Calendar::new(&schedule, Timestamp::default(), "").unwrap_err();
        assert_eq!(Err(fault), schedule.check());
    }
}

#[test]
fn every_zone_of_the_table_is_in_the_database_e11() {
    for zone in TimeZoneDatabase::bundled().available() {
        let schedule = Schedule::cron("@daily").in_zone(zone.as_str().to_owned());
        let ticks = calendar(&schedule).upcoming(at("2026-01-01T00:00:00Z"), 3);
        assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{zone:?}");
        assert_eq!(ticks.len(), 3);
    }
}

/// `jiff` 0.2.43 names 2022-11-06 as the change before, when nothing changed; the oracle found it.
#[test]
fn all_points_in_time_can_be_asked_for() {
    let ends = [i64::MIN, Timestamp::MAX.as_millis(), i64::MAX].map(Timestamp::from_millis);
    for schedule in [
        Schedule::cron("* * * * *").in_zone("Australia/Lord_Howe"),
        Schedule::cron("0 0 1 1 *").in_zone("Pacific/Apia"),
        Schedule::every(days(7)).in_zone("Africa/Casablanca"),
        Schedule::every(minutes(1)),
        Schedule::once(),
    ] {
        let calendar = calendar(&schedule);
        let [first, last, beyond] = ends.map(|end| calendar.next_after(end));
        assert!(
            first.is_some() && last.is_none() && beyond.is_none(),
            "{schedule:?}"
        );
        let [first, last, beyond] = ends.map(|end| calendar.previous_before(end));
        assert!(
            first.is_none() && last.is_some() && beyond.is_some(),
            "{schedule:?}"
        );
    }
    let new_year_2100 = calendar(&Schedule::cron("0 0 1 1 *"))
        .previous_before(Timestamp::MAX)
        .unwrap();
    assert_eq!(new_year_2100.nominal, at("2100-01-01T00:00:00Z"));
}

#[test]
fn equal_expressions_share_a_walker() {
    let almanac = Almanac::default();
    let walker_of = |expression: &'static str, zone: &'static str| {
        let schedule = Schedule::cron(expression).in_zone(zone);
        let calendar = almanac
            .calendar(&schedule, Timestamp::default(), "")
            .unwrap();
        match calendar.times {
            Times::Wall {
                walker: Walker::Cron(walker),
                ..
            } => walker,
            times => panic!("{times:?}"),
        }
    };
    let one = walker_of("0 7 * * 1-5", "UTC");
    let other = walker_of("0 7 * * MON-FRI", "Europe/Paris");
    assert!(Arc::ptr_eq(&one, &other));
    drop((one, other));
    for minute in 0..60 {
        for hour in 0..24 {
            let schedule = Schedule::cron(format!("{minute} {hour} * * *"));
            almanac
                .calendar(&schedule, Timestamp::default(), "")
                .unwrap();
        }
    }
    let kept = almanac.walkers.lock().unwrap().by_expression.len();
    assert!(kept <= 64, "{kept} walkers that nobody uses");
}
