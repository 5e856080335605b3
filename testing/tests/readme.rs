//! The flow in the README, and its test.

#[path = "readme/flow.rs"]
#[rustfmt::skip]
mod flow;

#[test]
fn the_readme_shows_the_flow_that_is_tested_here() {
    let (readme, flow) = (
        include_str!("../../README.md"),
        include_str!("readme/flow.rs"),
    );
    assert!(readme.contains(&format!("```rust\n{flow}```\n")));
}
