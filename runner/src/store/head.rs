//! What stands in a row beside the bytes of an output.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::record::{HeaderBytes, StoredOutput};

/// What is kept of an output beside its data.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OutputHead {
    content_type: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    headers: Vec<(String, HeaderBytes)>,
    text_like: bool,
}

impl OutputHead {
    pub(super) fn of(output: &StoredOutput) -> Self {
        Self {
            content_type: output.content_type.clone(),
            status: output.status,
            headers: output.headers.clone(),
            text_like: output.text_like,
        }
    }

    pub(super) fn with(self, data: Bytes) -> StoredOutput {
        StoredOutput {
            content_type: self.content_type,
            status: self.status,
            headers: self.headers,
            text_like: self.text_like,
            data,
        }
    }
}
