//! What `new` writes: its test passes as it is written.

#[path = "../../runner/src/desk/template/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "it is a crate of its own where `new` writes it"
)]
mod written;

use serde_json::json;
use testing::Simulation;

#[tokio::test]
async fn the_snapshot_that_new_writes_is_that_of_its_test() -> testing::Result {
    let lab = Simulation::of(written::integration()).at("2026-03-27T16:50:00Z");
    let instance = lab.deploy(written::local()).await?;
    let visitor = json!({ "name": "Ada" });
    let report = instance
        .webhook::<written::Greet>()
        .json(visitor)
        .send()
        .await;

    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../runner/src/desk/template/tests/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    let _bound = settings.bind_to_scope();
    insta::assert_yaml_snapshot!("greet__a_visitor_is_greeted_by_name", report);

    let test = include_str!("../../runner/src/desk/template/tests/greet.rs");
    for line in [
        r#".at("2026-03-27T16:50:00Z")"#,
        r#"json!({ "name": "Ada" })"#,
        "webhook::<Greet>().json(visitor).send()",
        "insta::assert_yaml_snapshot!(report)",
    ] {
        assert!(
            test.contains(line),
            "the test of the template is another: {line}"
        );
    }
    Ok(())
}
