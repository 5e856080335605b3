//! The path and the query of a request to the management API.

use std::fmt;

use form_urlencoded::Serializer;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const IN_A_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A thing of the management API: `/api/instances/a%20b?limit=5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    path: String,
    query: Vec<(&'static str, String)>,
}

impl Resource {
    /// Names a thing by the segments after `/api`; each is encoded.
    pub(super) fn new<const N: usize>(segments: [&str; N]) -> Self {
        let mut path = "/api".to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, IN_A_SEGMENT));
        }
        Self {
            path,
            query: Vec::new(),
        }
    }

    /// Adds a parameter.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a parameter if there is one.
    #[must_use]
    pub(super) fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.query.is_empty() {
            return Ok(());
        }
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        write!(f, "?{}", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::Resource;

    #[test]
    fn what_somebody_typed_cannot_leave_its_segment_or_parameter() {
        let resource = Resource::new(["instances", "../x?y#z", "state"])
            .with("owner", "a&b=c d")
            .with_some("scope", None);
        assert_eq!(
            resource.to_string(),
            "/api/instances/..%2Fx%3Fy%23z/state?owner=a%26b%3Dc+d"
        );
    }
}
