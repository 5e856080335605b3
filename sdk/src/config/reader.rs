//! Reads the values of config variables one by one and collects what is wrong.

use serde_json::Value;

use super::{ConfigFault, ConfigFaults, ConfigValue, ConfigValues, ConfigVar, ConfigVars};

/// Reads config values for the code that `#[derive(ConfigVars)]` writes.
#[derive(Debug)]
pub struct ConfigReader<'a> {
    values: &'a ConfigValues,
    variables: &'a [ConfigVar],
    faults: Vec<ConfigFault>,
}

impl<'a> ConfigReader<'a> {
    /// Begins to read; a value that no variable asks for is a fault.
    pub fn new(values: &'a ConfigValues, variables: &'a [ConfigVar]) -> Self {
        let known = |name: &str| variables.iter().any(|variable| variable.name == name);
        let faults = values
            .keys()
            .filter(|name| !known(name))
            .map(|name| ConfigFault {
                variable: name.clone(),
                text: unknown(variables),
            })
            .collect();
        Self {
            values,
            variables,
            faults,
        }
    }

    /// Reads one variable. The error is empty: the fault itself is kept for [`check`](Self::check).
    ///
    /// # Errors
    ///
    /// The value is missing or of the wrong shape.
    pub fn read<T: ConfigValue>(&mut self, name: &str) -> Result<T, ConfigFaults> {
        let variable = self.variables.iter().find(|variable| variable.name == name);
        let given = self.values.get(name).filter(|value| !value.is_null());
        let value: Option<Value> = match (given, variable) {
            (Some(given), Some(variable)) => Some(variable.in_zone(given)),
            (Some(given), None) => Some(given.clone()),
            (None, variable) => variable.and_then(ConfigVar::default_value),
        };
        let read = match value {
            Some(value) => T::decode(&value).and_then(|read| {
                let fault = variable.and_then(|variable| variable.bounds.fault(&value));
                fault.map_or(Ok(read), Err)
            }),
            None => T::absent().ok_or_else(|| "is missing".to_owned()),
        };
        read.map(|value| value.of_variable(name)).map_err(|text| {
            self.faults.push(ConfigFault {
                variable: name.to_owned(),
                text,
            });
            ConfigFaults::default()
        })
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// Every fault that was found.
    pub fn check(self) -> Result<(), ConfigFaults> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(ConfigFaults(self.faults))
        }
    }

    /// Ends reading a struct without fields.
    pub(super) fn finish<C: ConfigVars + Default>(self) -> Result<C, ConfigFaults> {
        self.check().map(|()| C::default())
    }
}

fn unknown(variables: &[ConfigVar]) -> String {
    if variables.is_empty() {
        return "is no config variable of this integration, which has none".to_owned();
    }
    let names: Vec<String> = variables
        .iter()
        .map(|variable| format!("`{}`", variable.name))
        .collect();
    format!(
        "is no config variable of this integration; it has {}",
        names.join(", ")
    )
}
