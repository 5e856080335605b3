//! What an author sees when something is wrong: one fault, one file, one error (authoring rule 8).

#[test]
fn a_mistake_gives_one_error_on_the_authors_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
