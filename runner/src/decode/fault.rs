//! How large and how deep a body may be, and what its sender is told when it cannot be read.

use http::StatusCode;
use thiserror::Error;

/// How large and how deep a body may be (W17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes of a body, as received and after decompression (W18); by default 6 MiB.
    pub size: usize,
    /// The depth of arrays and objects at which a JSON text is refused; by default 128. A larger number acts as 128: no reader
    /// of that JSON further on goes deeper.
    pub nesting: usize,
    /// Parts of a multipart body; by default 1,000.
    pub parts: usize,
    /// Bytes of the headers of one part; by default 8 KiB. More than 32 headers are malformed.
    pub part_header: usize,
    /// Fields of an url-encoded form; by default 10,000.
    pub form_fields: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            size: 6 * 1024 * 1024,
            nesting: 128,
            parts: 1_000,
            part_header: 8 * 1024,
            form_fields: 10_000,
        }
    }
}

/// Why a body cannot be read. The text is what the sender is told, so it is spelled as the sender's other answers are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// The content type says JSON and the body, or a part of it, is not (W14, TP-46).
    #[error("Received malformed JSON payload.")]
    MalformedJson,
    /// A JSON text nests as deep as the limit.
    #[error("Received a JSON payload that is nested {limit} levels deep or more.")]
    NestedTooDeep {
        /// The depth at which a text is refused.
        limit: usize,
    },
    /// The content type is `multipart/form-data` without a usable `boundary`.
    #[error("Received a multipart payload whose content type has no boundary.")]
    NoBoundary,
    /// The parts cannot be told apart, or the last one is cut short (W15).
    #[error("Received malformed multipart payload.")]
    MalformedMultipart,
    /// A part does not say which field it is.
    #[error("Received a multipart payload with a part that has no name.")]
    NamelessPart,
    /// More parts than the limit.
    #[error("Received a multipart payload with more than {limit} parts.")]
    TooManyParts {
        /// The most parts there may be.
        limit: usize,
    },
    /// The headers of one part are larger than the limit.
    #[error("Received a multipart payload with a part whose headers exceed {limit} bytes.")]
    PartHeaderTooLarge {
        /// The most bytes there may be.
        limit: usize,
    },
    /// More fields in a form than the limit.
    #[error("Received a form with more than {limit} fields.")]
    TooManyFields {
        /// The most fields there may be.
        limit: usize,
    },
    /// The body is larger than the limit, as received or after decompression (W17, W18).
    #[error("Received a payload that exceeds {limit} bytes.")]
    TooLarge {
        /// The most bytes there may be.
        limit: usize,
    },
    /// The content encoding says gzip and the body is not, or is cut short.
    #[error("Received malformed gzip payload.")]
    MalformedGzip,
    /// The content encoding is none that is read (W18).
    #[error("Received a payload with an unsupported content encoding. Supported: gzip, identity.")]
    UnsupportedEncoding,
}

impl BodyFault {
    /// Returns the status of the answer: 413 for what exceeds a limit of size or number, 415 for what is not supported,
    /// 400 for what is not what its headers say and for JSON that nests too deep.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedJson
            | Self::NestedTooDeep { .. }
            | Self::NoBoundary
            | Self::MalformedMultipart
            | Self::NamelessPart
            | Self::MalformedGzip => StatusCode::BAD_REQUEST,
            Self::TooManyParts { .. }
            | Self::PartHeaderTooLarge { .. }
            | Self::TooManyFields { .. }
            | Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}
