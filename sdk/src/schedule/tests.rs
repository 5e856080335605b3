use serde_json::json;

use super::*;
use crate::time::{days, hours, millis, minutes, seconds};

#[track_caller]
fn read(text: &str) -> CronExpression {
    CronExpression::parse(text).unwrap_or_else(|fault| panic!("`{text}`: {fault}"))
}

#[track_caller]
fn refused(text: &str, kind: CronFaultKind, position: usize) {
    let fault = CronExpression::parse(text).expect_err(text);
    assert_eq!((fault.kind, fault.position), (kind, position), "`{text}`");
}

fn mask(values: impl IntoIterator<Item = u32>) -> u64 {
    values.into_iter().fold(0, |mask, value| mask | 1 << value)
}

#[test]
fn an_expression_is_small() {
    assert_eq!(size_of::<CronExpression>(), 24);
}

#[test]
fn five_fields_mean_what_cron_users_know_e10() {
    let expression = read("*/5 8-16 * * 1-5");
    assert_eq!(expression.minutes(), mask((0..60).step_by(5)));
    assert_eq!(u64::from(expression.hours()), mask(8..=16));
    assert_eq!(u64::from(expression.days_of_month()), mask(1..=31));
    assert_eq!(u64::from(expression.months()), mask(1..=12));
    assert_eq!(u64::from(expression.days_of_week()), mask(1..=5));
    let stars = [
        CronField::Minute,
        CronField::Hour,
        CronField::DayOfMonth,
        CronField::Month,
        CronField::DayOfWeek,
    ]
    .map(|field| expression.begins_with_star(field));
    assert_eq!(stars, [true, false, true, true, false]);
}

#[test]
fn lists_ranges_steps_and_blanks_are_read() {
    let expression = read(" 1,2,10-20/5,*/30\t05  1-31/10 2,4-6 * ");
    assert_eq!(expression.minutes(), mask([0, 1, 2, 10, 15, 20, 30]));
    assert_eq!(u64::from(expression.hours()), mask([5]));
    assert_eq!(u64::from(expression.days_of_month()), mask([1, 11, 21, 31]));
    assert_eq!(u64::from(expression.months()), mask([2, 4, 5, 6]));
    assert!(!expression.begins_with_star(CronField::Minute));
    assert_eq!(
        read("*/60 */24 */31 */12 *"),
        read("*/60 */24 */31 */12 */1")
    );
}

#[test]
fn sunday_is_0_and_7_and_sun_e10() {
    for text in ["0", "7", "SUN", "sun", "0,7", "7-7"] {
        let expression = read(&format!("0 0 * * {text}"));
        assert_eq!(expression.days_of_week(), 1, "{text}");
    }
    assert_eq!(read("0 0 * * 5-7").days_of_week(), 0b110_0001);
    assert_eq!(read("0 0 * * 0-7").days_of_week(), 0b111_1111);
    assert_eq!(read("0 0 1-7 * */7").days_of_week(), 1);
    assert_eq!(read("0 0 * * */2").days_of_week(), 0b101_0101);
}

#[test]
fn names_are_read_in_any_capitals_in_lists_and_ranges() {
    assert_eq!(read("0 7 * * MON-FRI"), read("0 7 * * 1-5"));
    assert_eq!(
        read("0 7 * jan,mAr-MAY,12 mon-5/2"),
        read("0 7 * 1,3-5,12 1-5/2")
    );
}

#[test]
fn nicknames_stand_for_five_fields() {
    for (nickname, fields) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        (" @Annually ", "0 0 1 1 *"),
    ] {
        assert_eq!(read(nickname), read(fields), "{nickname}");
    }
}

#[test]
fn a_field_that_begins_with_a_star_is_remembered() {
    assert!(read("0 0 1-7 * */7").needs_both_days());
    assert!(read("0 0 */2 * 1").needs_both_days());
    assert!(read("0 0 *,5 * 1").needs_both_days());
    assert!(!read("0 0 5,* * 1").needs_both_days());
    assert!(!read("0 0 13 * 5").needs_both_days());
    assert!(read("*/30 1 * * *").follows_the_clock());
    assert!(read("15 * * * *").follows_the_clock());
    assert!(!read("0,30 1 * * *").follows_the_clock());
}

#[test]
fn what_other_crons_never_run_or_run_otherwise_is_refused_e18() {
    use CronFaultKind as Kind;
    use CronField::{DayOfMonth, DayOfWeek, Hour, Minute, Month};
    for (text, kind, position) in [
        ("", Kind::Empty, 0),
        (" \t ", Kind::Empty, 0),
        ("* * * *", Kind::TooFewFields, 7),
        ("0 */5 8-16 * * 1-5", Kind::TooManyFields, 0),
        (" 0 0 12 ? * MON 2027", Kind::TooManyFields, 1),
        ("CRON_TZ=UTC 0 7 * * *", Kind::Assignment, 0),
        ("@fortnightly", Kind::UnknownNickname, 0),
        ("@daily-ish", Kind::UnknownNickname, 0),
        ("@", Kind::UnknownNickname, 0),
        ("@reboot", Kind::NotATimeOfDay, 0),
        ("@every 5m", Kind::NotATimeOfDay, 0),
        ("@daily 5", Kind::AfterNickname, 7),
        ("60 * * * *", Kind::OutOfRange(Minute), 0),
        ("0 24 * * *", Kind::OutOfRange(Hour), 2),
        ("0 0 0 * *", Kind::OutOfRange(DayOfMonth), 4),
        ("0 0 1 13 *", Kind::OutOfRange(Month), 6),
        ("0 0 * * 1-8", Kind::OutOfRange(DayOfWeek), 10),
        ("0 99999999999999999999 * * *", Kind::OutOfRange(Hour), 2),
        ("0 0 1 MON *", Kind::UnknownName(Month), 6),
        ("0 0 * * MONDAY", Kind::UnknownName(DayOfWeek), 8),
        ("0 noon * * *", Kind::UnknownName(Hour), 2),
        ("0 22-2 * * *", Kind::BackwardsRange(Hour), 2),
        ("0 0 * * FRI-MON", Kind::BackwardsRange(DayOfWeek), 8),
        ("0 0 * * SAT-SUN", Kind::BackwardsRange(DayOfWeek), 8),
        ("5/15 * * * *", Kind::StepWithoutRange, 1),
        ("*/0 * * * *", Kind::StepOfZero, 2),
        ("*/90 * * * *", Kind::StepTooLong(Minute), 2),
        ("0 0-12/25 * * *", Kind::StepTooLong(Hour), 7),
        ("*/ * * * *", Kind::Missing, 2),
        ("1,2,,3 * * * *", Kind::Missing, 4),
        ("1, * * * *", Kind::Missing, 2),
        ("1- * * * *", Kind::Missing, 2),
        ("-5 * * * *", Kind::Missing, 0),
        ("1.5 * * * *", Kind::Fraction, 1),
        ("0 0 L * *", Kind::Extension, 4),
        ("0 0 LW * *", Kind::Extension, 4),
        ("0 0 15W * *", Kind::Extension, 6),
        ("0 0 * * 5L", Kind::Extension, 9),
        ("0 0 * * 5#2", Kind::Extension, 9),
        ("0 0 ? * 1", Kind::Extension, 4),
        ("0~30 * * * *", Kind::Extension, 1),
        ("H * * * *", Kind::Extension, 0),
        ("** * * * *", Kind::Character, 1),
        ("0 0 * * +5", Kind::Character, 8),
        ("0 0 * * MON1", Kind::Character, 11),
        ("0\u{a0}0 0 * * *", Kind::Character, 1),
        ("0 0 * *\n*", Kind::TooFewFields, 9),
        ("0 0 30 2 *", Kind::NeverOccurs, 4),
        ("0 0  31 4,6,9,11 *", Kind::NeverOccurs, 5),
        ("0 0 30-31 FEB */7", Kind::NeverOccurs, 4),
    ] {
        refused(text, kind, position);
    }
}

#[test]
fn a_date_that_some_year_has_is_accepted() {
    read("0 0 29 2 *");
    read("0 0 30 2 1"); // Mondays in February.
    read("0 0 31 1-2 *");
    read("0 0 29 2 */7");
}

#[test]
fn a_long_expression_is_refused_at_once() {
    let longest = format!("{}0 * * * *", "0,".repeat(123));
    assert_eq!(longest.len(), 255);
    read(&longest);
    refused(&format!("{longest}  "), CronFaultKind::TooLong, 256);
    refused(&"0,".repeat(1_000_000), CronFaultKind::TooLong, 256);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let alphabet = b"*/,-0159 \tMONFRIjanLW#?@.~\xc3\xa4";
    let mut random: u64 = 7;
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..random % 24 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push(alphabet[(random >> 33) as usize % alphabet.len()]);
        }
        random = random.wrapping_add(1);
        let text = String::from_utf8_lossy(&text);
        if let Err(fault) = CronExpression::parse(&text) {
            assert!(fault.position <= text.len(), "`{text}`");
        }
    }
}

#[test]
fn a_literal_is_checked_by_the_compiler_e18() {
    const _: () = check::cron("0 0 1-7 * */7");
    const _: () = check::zone("australia/lord_howe");
}

#[test]
fn a_wrong_schedule_says_where_and_what_to_do_e18() {
    for (schedule, sentence) in [
        (
            Schedule::cron("0 0 * * SAT-SUN"),
            "`0 0 * * SAT-SUN` cannot be read: a range must not go backwards; write Sunday as 7 at its end (`5-7`), or two ranges (`FRI-SAT,SUN-MON`) (at byte 8)",
        ),
        (
            Schedule::cron("@daily").in_zone("Paris"),
            "`Paris` is not a time zone of the IANA list; write `Europe/Paris`",
        ),
        (
            Schedule::cron("@daily").in_zone("CET+1"),
            "`CET+1` is not a time zone of the IANA list; write one like `Europe/Paris` or `UTC`",
        ),
        (
            Schedule::every(seconds(30)),
            "an interval of 30 seconds is too short; the shortest is 1 minute",
        ),
        (
            Schedule::every(seconds(90)),
            "an interval of 90 seconds is not possible; use whole minutes, hours, days or weeks",
        ),
        (
            Schedule::every(days(3651)),
            "an interval of 3651 days is too long; the longest is 3650 days",
        ),
        (
            Schedule::once().spread(hours(25)),
            "a spread of 25 hours is too long; the longest is 1 day",
        ),
    ] {
        assert_eq!(schedule.check().unwrap_err().to_string(), sentence);
    }
    let hostile = Schedule::cron("ä".repeat(1_000_000)).check().unwrap_err();
    assert!(hostile.to_string().len() < 400);
}

#[test]
fn a_schedule_reads_back_what_it_writes() {
    for (schedule, written) in [
        (Schedule::cron("0 7 * * MON-FRI"), json!("0 7 * * MON-FRI")),
        (Schedule::every(minutes(15)), json!("every 15 minutes")),
        (Schedule::every(days(14)), json!("every 2 weeks")),
        (Schedule::once(), json!("once")),
        (Schedule::cron("once"), json!({ "cron": "once" })),
        (Schedule::cron("every day"), json!({ "cron": "every day" })),
        (
            Schedule::cron("@daily").in_zone("Europe/Paris"),
            json!({ "cron": "@daily", "time_zone": "Europe/Paris" }),
        ),
        (
            Schedule::every(days(1))
                .in_zone("Asia/Kolkata")
                .on_gap(Gap::Skip)
                .on_fold(Fold::Both)
                .missed(Missed::RunAll { within: hours(6) })
                .overlap(Overlap::CancelPrevious)
                .spread(millis(1500)),
            json!({
                "every": "1 day", "time_zone": "Asia/Kolkata", "on_gap": "skip", "on_fold": "both",
                "missed": { "run_all": { "within": "6 hours" } }, "overlap": "cancel_previous",
                "spread": "1500 milliseconds"
            }),
        ),
        (
            Schedule::once().missed(Missed::Skip),
            json!({ "once": true, "missed": "skip" }),
        ),
    ] {
        assert_eq!(serde_json::to_value(&schedule).unwrap(), written);
        assert_eq!(
            serde_json::from_value::<Schedule>(written).unwrap(),
            schedule
        );
    }
}

#[test]
fn a_deployer_may_write_shortly() {
    for (text, schedule) in [
        (json!("every hour"), Schedule::every(hours(1))),
        (json!("Every  2 Weeks"), Schedule::every(days(14))),
        (json!(" once "), Schedule::once()),
        (
            json!({ "cron": "@daily", "time_zone": "" }),
            Schedule::cron("@daily"),
        ),
    ] {
        assert_eq!(serde_json::from_value::<Schedule>(text).unwrap(), schedule);
    }
}

#[test]
fn what_is_no_schedule_is_refused_with_the_remedy() {
    for (text, sentence) in [
        (
            json!("every 5 bananas"),
            "`every 5 bananas` is not an interval",
        ),
        (
            json!({ "every": "soon" }),
            "`every soon` is not an interval",
        ),
        (
            json!({ "cron": "@daily", "once": true }),
            "exactly one of `cron`, `every` and `once`",
        ),
        (
            json!({ "time_zone": "UTC" }),
            "exactly one of `cron`, `every` and `once`",
        ),
        (
            json!({ "cron": "@daily", "timezone": "UTC" }),
            "unknown field `timezone`",
        ),
        (
            json!({ "cron": "@daily", "missed": "run_all" }),
            r#"`missed` is `skip`, `run_once` or `{"run_all": {"within": "1 day"}}`"#,
        ),
        (
            json!({ "cron": "@daily", "missed": { "run_all": { "within": "-1 day" } } }),
            "`-1 day` is not a length of time",
        ),
        (
            json!({ "cron": "@daily", "spread": "5" }),
            "`5` is not a length of time",
        ),
        (json!(5), "expected a schedule: a cron expression"),
    ] {
        let refusal = serde_json::from_value::<Schedule>(text)
            .unwrap_err()
            .to_string();
        assert!(refusal.contains(sentence), "{refusal}");
    }
}
