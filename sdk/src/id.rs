//! Names of things: newtypes, so that none is taken for another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// One run of a flow.
    ExecutionId
}
id! {
    /// An integration that is set up for one customer.
    InstanceId
}
id! {
    /// A customer, as the product that ships the integration knows it.
    CustomerId
}
id! {
    /// The lasting name of a flow: lower case, digits, hyphens (E1).
    FlowKey
}

/// Says whether a text may be the key of a flow: 1 to 64 lower-case letters, digits and single hyphens, beginning with a letter (E1).
#[expect(
    clippy::indexing_slicing,
    reason = "a constant has no iterators; each index is below the length"
)]
pub const fn is_flow_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 64 || !bytes[0].is_ascii_lowercase() {
        return false;
    }
    let mut at = 1;
    while at < bytes.len() {
        let hyphen = bytes[at] == b'-';
        if !(bytes[at].is_ascii_lowercase() || bytes[at].is_ascii_digit() || hyphen) {
            return false;
        }
        if hyphen && (at + 1 == bytes.len() || bytes[at - 1] == b'-') {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_flow_key;

    #[test]
    fn a_flow_key_is_lower_case_digits_and_single_hyphens() {
        for good in ["a", "receive-order", "v2", "a-1-b"] {
            assert!(is_flow_key(good), "{good}");
        }
        for bad in [
            "",
            "Receive",
            "1st",
            "-a",
            "a-",
            "a--b",
            "a_b",
            "a b",
            "é",
            &"a".repeat(65),
        ] {
            assert!(!is_flow_key(bad), "{bad}");
        }
    }
}
