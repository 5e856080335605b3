//! What the code that the macros write names. Not for use by hand.

pub use crate::config::{ConfigFaults, ConfigReader, ConfigValue, ConfigValues, ConfigVar};
pub use crate::flow::{FlowContext, FlowDefinition, NoPayload};
pub use crate::options::FlowOptions;
