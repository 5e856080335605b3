//! What is wrong with the declaration of config variables, whatever their values (E54).

use serde_json::Value;

use super::{ConfigFaults, ConfigValues, ConfigVar, ConfigVars};

/// Returns every fault of a struct of config variables, one sentence each: names that are there twice, defaults that no deploy would
/// take, `#[config(…)]` that says nothing about its field.
pub(crate) fn faults<C: ConfigVars>(variables: &[ConfigVar]) -> Vec<String> {
    // What has no default is missing, and a deployer will give it.
    let read = C::decode(&ConfigValues::new()).map(|_| ());
    let ConfigFaults(of_defaults) = read.err().unwrap_or_default();
    let mut faults = Vec::new();
    for (index, variable) in variables.iter().enumerate() {
        let name = variable.name;
        let mut fault = |text: String| faults.push(format!("config variable `{name}` {text}"));
        let (before, after) = variables.split_at(index);
        let is_twice = after.iter().skip(1).any(|other| other.name == name);
        if is_twice && before.iter().all(|other| other.name != name) {
            fault("is there twice".to_owned());
        }
        if variable.default.is_some() {
            let own = of_defaults.iter().filter(|found| found.variable == name);
            own.for_each(|found| fault(format!("has a wrong default: it {}", found.text)));
        }
        variable.misuse().into_iter().for_each(&mut fault);
    }
    faults
}

impl ConfigVar {
    /// Returns what `#[config(…)]` says that cannot hold for a value of this type.
    fn misuse(&self) -> Vec<String> {
        let kinds = self.kinds();
        let is = |wanted: &[&str]| kinds.is_empty() || kinds.iter().any(|it| wanted.contains(it));
        let bounds = &self.bounds;
        let counts = bounds.min.is_some() || bounds.max.is_some();
        let measures = bounds.min_length.is_some() || bounds.max_length.is_some();
        let is_schedule = self.schema.get("format").and_then(Value::as_str) == Some("cron");
        let rules = [
            (
                counts && !is(&["number", "integer"]),
                "is no number; remove `min` and `max`, or take `min_length` and `max_length`",
            ),
            (
                measures && !is(&["string", "array", "object"]),
                "has no length; remove `min_length` and `max_length`, or take `min` and `max`",
            ),
            (
                bounds
                    .min
                    .zip(bounds.max)
                    .is_some_and(|(min, max)| min > max),
                "can have no value: its `min` is more than its `max`",
            ),
            (
                bounds
                    .min_length
                    .zip(bounds.max_length)
                    .is_some_and(|(min, max)| min > max),
                "can have no value: its `min_length` is more than its `max_length`",
            ),
            (
                self.time_zone.is_some() && !is_schedule,
                "is no schedule; remove `time_zone`",
            ),
        ];
        let broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
        broken.map(|(_, text)| text.to_owned()).collect()
    }

    /// Returns the JSON types of its values; none if they may be of any.
    fn kinds(&self) -> Vec<&str> {
        match self.schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[derive(ConfigVars)]
    struct Right {
        #[config(default = "abc", min_length = 2, max_length = 5)]
        text: String,
        #[config(default = 5, min = 1, max = 10)]
        count: Option<u8>,
        #[config(default = "0 7 * * *", time_zone = "Europe/Paris")]
        at: Schedule,
        #[config(min_length = 1, min = 1)]
        form: serde_json::Value,
        needed: Vec<Secret>,
    }

    #[derive(ConfigVars)]
    struct Wrong {
        #[config(default = "x", min_length = 5)]
        short: String,
        #[config(default = 50, max = 10)]
        large: u32,
        #[config(default = "yes")]
        switch: bool,
        #[config(default = "not an address")]
        url: Url,
        #[config(min = 10, max = 1)]
        none: u32,
        #[config(min = 1)]
        text: String,
        #[config(min_length = 1)]
        number: u32,
        #[config(min_length = 2, max_length = 1)]
        items: Vec<u32>,
        #[config(time_zone = "Europe/Paris")]
        zoned: String,
    }

    /// E54: a declaration that no deployer can make good is a fault of the integration, every one of them at once.
    #[test]
    fn what_cannot_hold_for_a_config_variable_is_a_fault() {
        assert_eq!(super::faults::<Right>(&Right::variables()), [""; 0]);
        assert_eq!(
            super::faults::<Wrong>(&Wrong::variables()),
            [
                "config variable `short` has a wrong default: it must have at least 5 characters",
                "config variable `large` has a wrong default: it must be 10 or less",
                "config variable `switch` has a wrong default: it must be `true` or `false`",
                "config variable `url` has a wrong default: it must be an address such as `https://api.example.com`",
                "config variable `none` can have no value: its `min` is more than its `max`",
                "config variable `text` is no number; remove `min` and `max`, or take `min_length` and `max_length`",
                "config variable `number` has no length; remove `min_length` and `max_length`, or take `min` and `max`",
                "config variable `items` can have no value: its `min_length` is more than its `max_length`",
                "config variable `zoned` is no schedule; remove `time_zone`",
            ]
        );
    }
}
