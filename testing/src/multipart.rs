//! Bodies of type `multipart/form-data`, as a form with files sends them (W15).

use bytes::Bytes;
use serde::Serialize;

/// A body of type `multipart/form-data`.
///
/// ```
/// use testing::Multipart;
///
/// let form = Multipart::new().text("order", "o-1").file("photo", "box.png", "image/png", vec![0x89, 0x50]);
/// assert!(form.content_type().starts_with("multipart/form-data; boundary="));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart {
    parts: Vec<u8>,
}

/// No part of a test holds this line.
const BOUNDARY: &str = "----testing-boundary-7MA4YWxkTrZu0gW";

impl Multipart {
    /// Begins a form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field of text.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        self.part(name, None, None, text.as_bytes())
    }

    /// Adds a part of JSON.
    #[must_use]
    pub fn json(self, name: &str, value: impl Serialize) -> Self {
        let document = serde_json::to_vec(&value).unwrap_or_default();
        self.part(name, None, Some("application/json"), &document)
    }

    /// Adds a file.
    #[must_use]
    pub fn file(
        self,
        name: &str,
        file_name: &str,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Self {
        self.part(name, Some(file_name), Some(content_type), &bytes.into())
    }

    /// Returns the content type, with the boundary.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    /// Returns the body.
    pub fn into_bytes(mut self) -> Bytes {
        let end = format!("--{BOUNDARY}--\r\n");
        self.parts.extend_from_slice(end.as_bytes());
        self.parts.into()
    }

    fn part(
        mut self,
        name: &str,
        file_name: Option<&str>,
        content_type: Option<&str>,
        bytes: &[u8],
    ) -> Self {
        let file_name = file_name
            .map(|file_name| format!("; filename=\"{}\"", quoted(file_name)))
            .unwrap_or_default();
        let content_type = content_type
            .map(|content_type| format!("\r\nContent-Type: {content_type}"))
            .unwrap_or_default();
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"{file_name}{content_type}\r\n\r\n",
            quoted(name)
        );
        self.parts.extend_from_slice(head.as_bytes());
        self.parts.extend_from_slice(bytes);
        self.parts.extend_from_slice(b"\r\n");
        self
    }
}

/// Escapes a name as browsers do.
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}
