//! What becomes of a schedule when the clock is changed: vectors for the rules in [`clock`](super::clock) (E13).

use sdk::schedule::{Fold, Gap, Schedule};

use super::tests::{at, calendar, check};

fn in_new_york(expression: &'static str) -> Schedule {
    Schedule::cron(expression).in_zone("America/New_York")
}

#[test]
fn a_time_that_does_not_exist_runs_when_the_gap_ends_e13() {
    for (zone, expression, after, expected) in [
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07T08:00:00Z",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"],
        ),
        (
            "America/New_York",
            "0,30 2 * * *",
            "2026-03-07T08:00:00Z",
            ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"],
        ),
        (
            "America/New_York",
            "15 2,3 * * *",
            "2026-03-08T05:00:00Z",
            ["2026-03-08T03:00:00-04:00", "2026-03-08T03:15:00-04:00"],
        ),
        (
            "Europe/London",
            "30 1 * * *",
            "2026-03-28T02:00:00Z",
            ["2026-03-29T02:00:00+01:00", "2026-03-30T01:30:00+01:00"],
        ),
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            ["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
        ),
        (
            "America/Santiago",
            "0 0 * * *",
            "2026-09-05T12:00:00Z",
            ["2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"],
        ),
        (
            "Asia/Beirut",
            "0 0 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00"],
        ),
        (
            "Antarctica/Troll",
            "0 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
        ),
        // The whole of 30 December is missing.
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T09:00:00-10:00",
            ["2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"],
        ),
    ] {
        check(&Schedule::cron(expression).in_zone(zone), after, &expected);
    }
}

#[test]
fn a_time_that_exists_twice_runs_the_first_time_e13() {
    for (zone, expression, after, expected) in [
        (
            "America/New_York",
            "30 1 * * *",
            "2026-11-01T00:00:00-04:00",
            ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
        ),
        (
            "America/New_York",
            "0,30 1 * * *",
            "2026-11-01T01:10:00-04:00",
            ["2026-11-01T01:30:00-04:00", "2026-11-02T01:00:00-05:00"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-11-01T01:10:00-05:00",
            ["2026-11-02T01:30:00-05:00", "2026-11-03T01:30:00-05:00"],
        ),
        (
            "Europe/London",
            "0 1 * * *",
            "2026-10-25T00:00:00+01:00",
            ["2026-10-25T01:00:00+01:00", "2026-10-26T01:00:00+00:00"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-05T00:00:00+11:00",
            ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
        ),
    ] {
        check(&Schedule::cron(expression).in_zone(zone), after, &expected);
    }
}

#[test]
fn a_job_that_begins_with_a_star_follows_the_clock_e13() {
    check(
        &in_new_york("*/30 1 * * *"),
        "2026-11-01T00:00:00-04:00",
        &[
            "2026-11-01T01:00:00-04:00",
            "2026-11-01T01:30:00-04:00",
            "2026-11-01T01:00:00-05:00",
            "2026-11-01T01:30:00-05:00",
            "2026-11-02T01:00:00-05:00",
        ],
    );
    check(
        &in_new_york("15 * * * *"),
        "2026-11-01T00:30:00-04:00",
        &[
            "2026-11-01T01:15:00-04:00",
            "2026-11-01T01:15:00-05:00",
            "2026-11-01T02:15:00-05:00",
        ],
    );
    check(
        &in_new_york("*/30 2 * * *").on_gap(Gap::RunAfter),
        "2026-03-07T12:00:00Z",
        &["2026-03-09T02:00:00-04:00"],
    );
}

#[test]
fn what_happens_at_a_clock_change_is_declared_e13() {
    check(
        &in_new_york("30 2 * * *").on_gap(Gap::Skip),
        "2026-03-07T12:00:00Z",
        &["2026-03-09T02:30:00-04:00"],
    );
    let first = "2026-11-01T01:30:00-04:00";
    let second = "2026-11-01T01:30:00-05:00";
    let (before, after) = ("2026-10-31T01:30:00-04:00", "2026-11-02T01:30:00-05:00");
    let since = "2026-10-31T00:00:00-04:00";
    let schedule = in_new_york("30 1 * * *");
    check(
        &schedule.clone().on_fold(Fold::First),
        since,
        &[before, first, after],
    );
    check(
        &schedule.clone().on_fold(Fold::Last),
        since,
        &[before, second, after],
    );
    check(
        &schedule.on_fold(Fold::Both),
        since,
        &[before, first, second, after],
    );
}

#[test]
fn a_rare_time_in_a_fold_is_not_jumped_over_e13() {
    let schedule = in_new_york("45 1 1 11 *").on_fold(Fold::Both);
    let calendar = calendar(&schedule);
    let first = at("2026-11-01T01:45:00-04:00");
    let second = at("2026-11-01T01:45:00-05:00");
    assert_eq!(calendar.next_after(first).unwrap().nominal, second);
    let between = at("2026-11-01T01:10:00-05:00");
    assert_eq!(calendar.next_after(between).unwrap().nominal, second);
    assert_eq!(calendar.previous_before(between).unwrap().nominal, first);
    assert_eq!(calendar.previous_before(second).unwrap().nominal, first);
}

#[test]
fn a_schedule_that_always_falls_into_the_gap_ends_e13() {
    // The second Sunday of March, on which New York's clocks leap from 2:00 to 3:00.
    let schedule = in_new_york("30 2 8-14 3 */7").on_gap(Gap::Skip);
    let from = at("2026-01-01T00:00:00Z");
    assert_eq!(calendar(&schedule).next_after(from), None);
    let last = calendar(&schedule).previous_before(from).unwrap();
    assert_eq!(last.nominal, at("2006-03-12T02:30:00-05:00"));
}

#[test]
fn the_last_change_before_a_rule_begins_is_not_missed() {
    let schedule = Schedule::cron("30 2 * * *").in_zone("America/Ciudad_Juarez");
    check(
        &schedule,
        "2022-11-28T12:00:00-06:00",
        &[
            "2022-11-29T02:30:00-06:00",
            "2022-11-30T02:30:00-07:00",
            "2022-12-01T02:30:00-07:00",
        ],
    );
}
