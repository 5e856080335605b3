//! The examples of `docs/guide/testing.md`: each is a module here, and stands in the guide as it stands here.

#[path = "guide/cassette.rs"]
#[rustfmt::skip]
mod cassette;
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
#[path = "guide/upstream.rs"]
#[rustfmt::skip]
mod upstream;

const GUIDE: &str = include_str!("../../docs/guide/testing.md");

#[test]
fn the_guide_shows_the_examples_that_are_tested_here_and_no_others() {
    let examples = [
        include_str!("guide/from_zero.rs"),
        include_str!("guide/clock.rs"),
        include_str!("guide/upstream.rs"),
        include_str!("guide/sender.rs"),
        include_str!("guide/lifecycle.rs"),
        include_str!("guide/cassette.rs"),
    ];
    for example in examples {
        assert!(
            GUIDE.contains(&format!("```rust\n{example}```\n")),
            "{example}"
        );
    }
    assert_eq!(GUIDE.matches("```rust").count(), examples.len());
}

#[test]
fn the_guide_shows_the_snapshot_that_is_tested_here() {
    let snapshot =
        include_str!("guide/snapshots/guide__from_zero__a_visitor_is_greeted_by_name.snap");
    let (_, report) = snapshot.split_once("\n---\n").unwrap();
    assert!(GUIDE.contains(&format!("```yaml\n{report}```\n")));
}
