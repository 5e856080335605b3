//! The examples of `docs/guide/testing.md` and `docs/guide/authoring.md`: each is a module here, and stands in the guide as it stands here.

#[path = "guide/authoring/connection.rs"]
#[rustfmt::skip]
mod authoring_connection;
#[path = "guide/authoring/endpoint.rs"]
#[rustfmt::skip]
mod authoring_endpoint;
#[path = "guide/authoring/lifecycle.rs"]
#[rustfmt::skip]
#[expect(clippy::indexing_slicing, reason = "a JSON value that lacks a field gives null")]
mod authoring_lifecycle;
#[path = "guide/authoring/queue.rs"]
#[rustfmt::skip]
mod authoring_queue;
#[path = "guide/authoring/schedule.rs"]
#[rustfmt::skip]
mod authoring_schedule;
#[path = "guide/authoring/steps.rs"]
#[rustfmt::skip]
mod authoring_steps;
#[path = "guide/authoring/trigger.rs"]
#[rustfmt::skip]
#[expect(clippy::indexing_slicing, reason = "a JSON value that lacks a field gives null")]
mod authoring_trigger;
#[path = "guide/authoring/webhook.rs"]
#[rustfmt::skip]
mod authoring_webhook;
#[path = "guide/cassette.rs"]
#[rustfmt::skip]
mod cassette;
#[path = "guide/certificate.rs"]
#[rustfmt::skip]
mod certificate;
#[path = "guide/clock.rs"]
#[rustfmt::skip]
mod clock;
#[path = "guide/from_zero.rs"]
#[rustfmt::skip]
mod from_zero;
#[path = "guide/lifecycle.rs"]
#[rustfmt::skip]
mod lifecycle;
#[path = "guide/sender.rs"]
#[rustfmt::skip]
mod sender;
#[path = "guide/shared_endpoint.rs"]
#[rustfmt::skip]
mod shared_endpoint;
#[path = "guide/upstream.rs"]
#[rustfmt::skip]
mod upstream;

const TESTING: &str = include_str!("../../docs/guide/testing.md");
const AUTHORING: &str = include_str!("../../docs/guide/authoring.md");

#[test]
fn the_guides_show_the_examples_that_are_tested_here_and_no_others() {
    let testing = [
        include_str!("guide/from_zero.rs"),
        include_str!("guide/clock.rs"),
        include_str!("guide/upstream.rs"),
        include_str!("guide/sender.rs"),
        include_str!("guide/certificate.rs"),
        include_str!("guide/lifecycle.rs"),
        include_str!("guide/shared_endpoint.rs"),
        include_str!("guide/cassette.rs"),
    ];
    let authoring = [
        include_str!("guide/authoring/webhook.rs"),
        include_str!("guide/authoring/trigger.rs"),
        include_str!("guide/authoring/steps.rs"),
        include_str!("guide/authoring/connection.rs"),
        include_str!("guide/authoring/queue.rs"),
        include_str!("guide/authoring/schedule.rs"),
        include_str!("guide/authoring/lifecycle.rs"),
        include_str!("guide/authoring/endpoint.rs"),
    ];
    for (guide, examples) in [(TESTING, &testing[..]), (AUTHORING, &authoring[..])] {
        for example in examples {
            let shown = guide.contains(&format!("```rust\n{example}```\n"));
            assert!(shown, "{example}");
        }
        assert_eq!(guide.matches("```rust").count(), examples.len());
    }
}

#[test]
fn the_guide_shows_the_snapshot_that_is_tested_here() {
    let snapshot =
        include_str!("guide/snapshots/guide__from_zero__a_visitor_is_greeted_by_name.snap");
    let (_, report) = snapshot.split_once("\n---\n").unwrap();
    assert!(TESTING.contains(&format!("```yaml\n{report}```\n")));
}
