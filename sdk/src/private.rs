//! What the code that the macros write names. Not for use by hand.

use std::fmt;

use serde_json::Value;

use crate::config::PickList;
pub use crate::config::{ConfigFaults, ConfigReader, ConfigValue, ConfigValues, ConfigVar};
pub use crate::flow::{FlowContext, FlowDefinition, NoPayload, Returns, Takes};
use crate::id::is_flow_key;
pub use crate::options::FlowOptions;
pub use crate::schedule::check::{cron as check_cron, zone as check_zone};

/// Checks the key of a flow when the author's crate is compiled (E1).
///
/// # Panics
///
/// The key is not one.
#[track_caller]
pub const fn check_flow_key(key: &'static str) {
    assert!(
        is_flow_key(key),
        "the key of a flow is 1 to 64 lower-case letters, digits and single hyphens, beginning with a letter"
    );
}

/// Checks the text of a schedule when the author's crate is compiled, as far as it is a cron expression (E18).
///
/// # Panics
///
/// The text is neither `once`, nor an interval such as `every 15 minutes`, nor a cron expression.
#[track_caller]
pub const fn check_schedule(text: &'static str) {
    let plain = text.trim_ascii();
    let is_interval = match plain.as_bytes().split_first_chunk::<6>() {
        Some((first, _)) => first.eq_ignore_ascii_case(b"every "),
        None => false,
    };
    if !is_interval && !plain.eq_ignore_ascii_case("once") {
        check_cron(text);
    }
}

/// Returns the name of the choice at this place in the list.
pub fn choice_name<P: PickList>(place: usize) -> &'static str {
    P::CHOICES.get(place).map_or("", |(name, _)| *name)
}

/// One field of a struct of config variables. Its methods have no bound on `T`: a type that cannot be the type of a config variable
/// is refused once, by [`field`].
pub struct Field<T> {
    name: &'static str,
    variable: fn(&'static str) -> ConfigVar,
    read: fn(&mut ConfigReader<'_>, &str) -> Result<T, ConfigFaults>,
    encode: fn(&T) -> Value,
}

/// A [`ConfigValue`], under a name whose refusal lists no other types: the list would change with every new one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a config variable",
    label = "use a type that `sdk::config` knows, or `#[derive(PickList)]` on an enum"
)]
pub trait FieldValue: ConfigValue {}

#[diagnostic::do_not_recommend]
impl<T: ConfigValue> FieldValue for T {}

/// Names a field and its type.
pub fn field<T: FieldValue>(name: &'static str) -> Field<T> {
    Field {
        name,
        variable: ConfigVar::new::<T>,
        read: |reader, name| reader.read(name),
        encode: T::encode,
    }
}

impl<T> Field<T> {
    /// Describes the variable.
    pub fn variable(self) -> ConfigVar {
        (self.variable)(self.name)
    }

    /// Reads its value. The error is empty, as that of [`ConfigReader::read`].
    ///
    /// # Errors
    ///
    /// The value is missing or of the wrong shape.
    pub fn read(self, reader: &mut ConfigReader<'_>) -> Result<T, ConfigFaults> {
        (self.read)(reader, self.name)
    }

    /// Writes its value.
    pub fn entry(self, value: &T) -> (String, Value) {
        (self.name.to_owned(), (self.encode)(value))
    }
}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Collects the values of a struct.
pub fn entries<const N: usize>(entries: [(String, Value); N]) -> ConfigValues {
    ConfigValues::from_iter(entries)
}
