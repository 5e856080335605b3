//! A body that is kept beside its raw bytes because it is not what they read as.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sdk::body::Part;
use sdk::{Body, QueryParameters};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A body as it is kept: of the kind that it was, so that bytes stay bytes and parts stay parts (W13, W15, W16).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredBody {
    /// No body.
    Empty,
    /// JSON as a text: it may be nested as deep as JSON may be at all.
    Json(String),
    /// A form.
    Form(Vec<(String, String)>),
    /// The parts by name.
    Multipart(BTreeMap<String, Vec<StoredPart>>),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Base64),
}

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredPart {
    /// The content.
    pub data: StoredBody,
    /// The content type of the part.
    pub content_type: Option<String>,
    /// The name that the sender gave the file.
    pub file_name: Option<String>,
}

impl From<&Body> for StoredBody {
    fn from(body: &Body) -> Self {
        match body {
            Body::Empty => Self::Empty,
            Body::Form(parameters) => {
                let pairs = parameters.iter();
                Self::Form(
                    pairs
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                )
            }
            Body::Multipart(parts) => {
                let kept = |parts: &Vec<Part>| parts.iter().map(StoredPart::from).collect();
                Self::Multipart(
                    parts
                        .iter()
                        .map(|(name, parts)| (name.clone(), kept(parts)))
                        .collect(),
                )
            }
            Body::Text(text) => Self::Text(text.clone()),
            Body::Bytes(bytes) => Self::Bytes(Base64(bytes.clone())),
            json => Self::Json(json.to_json().to_string()),
        }
    }
}

impl From<&Part> for StoredPart {
    fn from(part: &Part) -> Self {
        Self {
            data: StoredBody::from(&part.data),
            content_type: part.content_type.clone(),
            file_name: part.file_name.clone(),
        }
    }
}

impl StoredBody {
    /// Makes the body again.
    ///
    /// # Errors
    ///
    /// What is kept is not JSON.
    pub fn to_body(&self) -> serde_json::Result<Body> {
        Ok(match self {
            Self::Empty => Body::Empty,
            Self::Json(text) => Body::Json(serde_json::from_str(text)?),
            Self::Form(pairs) => Body::Form(pairs.iter().cloned().collect::<QueryParameters>()),
            Self::Multipart(parts) => {
                let made = |(name, parts): (&String, &Vec<StoredPart>)| {
                    let parts = parts.iter().map(StoredPart::to_part);
                    Ok((name.clone(), parts.collect::<serde_json::Result<_>>()?))
                };
                Body::Multipart(parts.iter().map(made).collect::<serde_json::Result<_>>()?)
            }
            Self::Text(text) => Body::Text(text.clone()),
            Self::Bytes(Base64(bytes)) => Body::Bytes(bytes.clone()),
        })
    }
}

impl StoredPart {
    fn to_part(&self) -> serde_json::Result<Part> {
        Ok(Part {
            data: self.data.to_body()?,
            content_type: self.content_type.clone(),
            file_name: self.file_name.clone(),
        })
    }
}

/// Bytes that are kept in the middle of JSON: as a text in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64(pub Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Base64Display::new(&self.0, &BASE64_STANDARD))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}
