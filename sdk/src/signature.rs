//! placeholder
/// placeholder
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureScheme(&'static str);
