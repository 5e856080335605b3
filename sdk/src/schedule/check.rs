//! Checks of literals while the author's crate is compiled (E18).
//!
//! `const _: () = check::cron("…");` makes a wrong literal a compile error that says what is wrong.

use super::cron::CronExpression;
use super::zone;

/// Refuses a wrong cron expression while the crate is compiled.
///
/// ```
/// const _: () = sdk::schedule::check::cron("*/5 8-16 * * 1-5");
/// ```
///
/// ```compile_fail,E0080
/// const _: () = sdk::schedule::check::cron("0 */5 8-16 * * 1-5"); // a field for seconds
/// ```
///
/// # Panics
///
/// With the sentence of the [`CronFault`](super::CronFault).
#[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
#[track_caller]
pub const fn cron(expression: &'static str) {
    if let Err(fault) = CronExpression::parse(expression) {
        panic!("{}", fault.sentence());
    }
}

/// Refuses an unknown time zone while the crate is compiled.
///
/// ```
/// const _: () = sdk::schedule::check::zone("Europe/Paris");
/// ```
///
/// ```compile_fail,E0080
/// const _: () = sdk::schedule::check::zone("Europe/Bielefeld");
/// ```
///
/// # Panics
///
/// If the name is not in the IANA list.
#[track_caller]
pub const fn zone(name: &'static str) {
    assert!(
        zone::is_zone(name),
        "this is not a time zone of the IANA list; write one like `Europe/Paris` or `UTC`"
    );
}
