//! What the macros write meets no name of the author: the standard names may mean something else, and a field may have any name.

#![deny(warnings)]

mod plain {
    #[allow(dead_code)]
    struct Box;
    #[allow(dead_code)]
    struct Result;
    #[allow(dead_code)]
    struct String;
    #[allow(dead_code)]
    struct Vec;

    #[derive(sdk::ConfigVars)]
    pub struct Config {
        reader: u32,
        values: u32,
        variables: u32,
        r#type: u32,
    }

    impl Config {
        fn sum(&self) -> u32 {
            self.reader + self.values + self.variables + self.r#type
        }
    }

    pub struct Add;

    #[sdk::flow(key = "add")]
    impl Add {
        #[sdk::on_execution]
        async fn add(r#in: &sdk::Context<Config>, (left, right): (u32, u32)) -> sdk::Result<u32> {
            Ok(left + right + r#in.config().sum())
        }

        #[sdk::on_instance_delete]
        async fn context(context: &sdk::Context<Config>, payload: sdk::Payload) -> sdk::Result<()> {
            let _ = (context, payload);
            Ok(())
        }
    }
}

fn main() {
    use sdk::ConfigVars as _;

    let built = sdk::Integration::<plain::Config>::new("sums").flow::<plain::Add>().build().unwrap();
    assert!(built.flows[0].functions.on_instance_remove.is_some());
    let names: Vec<_> = plain::Config::variables().iter().map(|variable| variable.name()).collect();
    assert_eq!(names, ["reader", "values", "variables", "type"]);
}
