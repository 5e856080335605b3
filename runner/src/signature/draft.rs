//! A request while it is being signed.

use http::{HeaderMap, HeaderName, HeaderValue};
use sdk::Timestamp;
use sdk::signature::{
    Algorithm, CertificateHash, CertificateSource, Hash, Part, Place, SignatureScheme, Source,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::candidate::encode;
use super::reading::{Reading, describe, query_of};
use super::signing::{CannotSign, CertifiedKey, Signed};
use super::text::{self, SignedText};
use super::{Refusal, SignedRequest, algorithm, window};

/// A request on its way to being signed.
pub(super) struct Draft<'a> {
    scheme: &'a SignatureScheme,
    request: &'a SignedRequest<'a>,
    added: HeaderMap,
    url: String,
    body: Vec<u8>,
    /// Items that stand before the signature in its header.
    fields: Vec<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(scheme: &'a SignatureScheme, request: &'a SignedRequest<'a>) -> Self {
        Self {
            scheme,
            request,
            added: HeaderMap::new(),
            url: request.url.to_owned(),
            body: request.body.to_vec(),
            fields: Vec::new(),
        }
    }

    /// Writes everything but the signature.
    pub(super) fn write_around(
        &mut self,
        now: Timestamp,
        delivery_id: &str,
    ) -> Result<(), CannotSign> {
        for (name, value) in &self.scheme.demands {
            self.set_header(name, value, "demanded value")?;
        }
        if let Some(timestamp) = &self.scheme.timestamp {
            let written = window::write(timestamp.unit, now);
            self.write(&timestamp.source, &written, "timestamp")?;
        }
        if let Some(source) = &self.scheme.id {
            let is_signed = self.scheme.signed.contains(&Part::Id);
            match self.write_id(source, delivery_id) {
                // An id that only tells deliveries apart may be missing.
                Err(CannotSign::NoPlaceInBody { .. }) if !is_signed => {}
                other => other?,
            }
        }
        for part in &self.scheme.signed {
            match part {
                Part::FormOrDigest { parameter } => self.write_digest(parameter)?,
                // What a sender makes up for each delivery.
                Part::Value(source) => self.write_missing(source, delivery_id, "delivery id")?,
                Part::Members { kind, lists } => {
                    let first = lists.first().map_or("", |list| list.kind.as_str());
                    let kind = Source::body(format!("/{kind}"));
                    self.write_missing(&kind, first, "kind of body")?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes which certificate is meant, and for whom it is signed unless that stands there already.
    pub(super) fn write_claim(
        &mut self,
        source: &CertificateSource,
        recipient: &str,
        url: &str,
    ) -> Result<(), CannotSign> {
        self.write(&source.url, url, "URL of the certificate")?;
        if let Some(place) = &source.recipient {
            self.write_missing(place, recipient, "recipient")?;
        }
        if let CertificateHash::Named { source, names } = &source.hash {
            let mut names = names.iter();
            let (name, _) = names
                .find(|(_, hash)| *hash == Hash::Sha256)
                .ok_or(CannotSign::NoCertificate)?;
            self.write(source, name, "name of the hash")?;
        }
        Ok(())
    }

    fn write_missing(
        &mut self,
        source: &Source,
        value: &str,
        what: &'static str,
    ) -> Result<(), CannotSign> {
        let is_there = self
            .with_request(|reading| reading.value(source))?
            .is_some();
        if is_there {
            Ok(())
        } else {
            self.write(source, value, what)
        }
    }

    fn write(
        &mut self,
        source: &Source,
        value: &str,
        what: &'static str,
    ) -> Result<(), CannotSign> {
        match source {
            Source::Header(name) => self.set_header(name, value, what),
            Source::Field(prefix) => {
                self.fields.push(format!("{prefix}{value}"));
                Ok(())
            }
            Source::Body(pointer) => self.set_in_body(pointer, value),
            Source::Query(name) => {
                self.add_to_query(name, value);
                Ok(())
            }
            other => Err(Refusal::Malformed {
                what: describe(other),
                reason: "is of a kind that this runner does not know",
            }
            .into()),
        }
    }

    fn write_id(&mut self, source: &Source, id: &str) -> Result<(), CannotSign> {
        let is_there = match source {
            Source::Body(pointer) => serde_json::from_slice::<Value>(&self.body)
                .is_ok_and(|body| body.pointer(pointer).is_some()),
            _ => false,
        };
        if is_there {
            return Ok(());
        }
        self.write(source, id, "delivery id")
    }

    /// Twilio's rule for bodies that are not forms.
    fn write_digest(&mut self, parameter: &str) -> Result<(), CannotSign> {
        let is_form = self.with_request(text::is_form)?;
        let is_there = self
            .with_request(|reading| reading.query(parameter))?
            .is_some();
        if !is_form && !is_there && !self.body.is_empty() {
            let digest = hex::encode(Sha256::digest(&self.body));
            self.add_to_query(parameter, &digest);
        }
        Ok(())
    }

    pub(super) fn signature(
        &self,
        key: &[u8],
        certified: Option<&CertifiedKey<'_>>,
    ) -> Result<Vec<u8>, CannotSign> {
        let algorithm = self.scheme.algorithm;
        self.with_request(|reading| {
            let texts = text::texts(reading, key)?;
            let text = texts.first().ok_or(Refusal::Mismatch)?;
            match algorithm {
                Algorithm::Hmac(hash) => Ok(algorithm::hmac(hash, key, text)?),
                Algorithm::SecretThenText(hash) => Ok(algorithm::digest(hash, key, text)),
                Algorithm::Token => Ok(key.to_vec()),
                Algorithm::Rsa => {
                    let certified = certified.ok_or(CannotSign::NoCertificate)?;
                    super::certified::sign(certified, text)
                }
                _ => sign_privately(algorithm, key, text),
            }
        })
    }

    pub(super) fn write_signature(&mut self, signature: &[u8]) -> Result<(), CannotSign> {
        let written = encode(self.scheme.encoding, signature);
        match &self.scheme.place {
            Place::Headers {
                names,
                separator,
                prefix,
            } => {
                let mut items = std::mem::take(&mut self.fields);
                items.push(format!("{prefix}{written}"));
                let separator = separator.map(String::from).unwrap_or_default();
                let name = names.first().map_or("", String::as_str);
                self.set_header(name, &items.join(&separator), "signature")
            }
            Place::NumberedHeaders(stem) => {
                self.set_header(&format!("{stem}1"), &written, "signature")
            }
            Place::Body(pointer) => self.set_in_body(pointer, &written),
            _ => Err(Refusal::Malformed {
                what: "the place of the signature".to_owned(),
                reason: "is of a kind that this runner does not know",
            }
            .into()),
        }
    }

    pub(super) fn write_in_each(
        &mut self,
        list: &str,
        pointer: &str,
        value: &str,
    ) -> Result<(), CannotSign> {
        let no_place = || CannotSign::NoPlaceInBody {
            pointer: format!("{list}/0{pointer}"),
        };
        let mut body: Value = serde_json::from_slice(&self.body).map_err(|_| no_place())?;
        let elements = body.pointer_mut(list).and_then(Value::as_array_mut);
        let elements = elements.filter(|elements| !elements.is_empty());
        for element in elements.ok_or_else(no_place)? {
            set(element, pointer, value).ok_or_else(no_place)?;
        }
        self.body = body.to_string().into_bytes();
        Ok(())
    }

    fn set_in_body(&mut self, pointer: &str, value: &str) -> Result<(), CannotSign> {
        let no_place = || CannotSign::NoPlaceInBody {
            pointer: pointer.to_owned(),
        };
        let mut body: Value = serde_json::from_slice(&self.body).map_err(|_| no_place())?;
        set(&mut body, pointer, value).ok_or_else(no_place)?;
        self.body = body.to_string().into_bytes();
        Ok(())
    }

    fn set_header(
        &mut self,
        name: &str,
        value: &str,
        what: &'static str,
    ) -> Result<(), CannotSign> {
        let no_header = CannotSign::NoHeader { what };
        let name = HeaderName::try_from(name).map_err(|_| no_header.clone())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| no_header)?;
        // A token is the secret itself, which `Debug` must not print.
        value.set_sensitive(self.scheme.algorithm == Algorithm::Token);
        self.added.insert(name, value);
        Ok(())
    }

    fn add_to_query(&mut self, name: &str, value: &str) {
        let separator = match (self.url.contains('?'), query_of(&self.url)) {
            (false, _) => "?",
            (true, "") => "",
            (true, _) => "&",
        };
        self.url = format!("{}{separator}{name}={value}", self.url);
    }

    /// Reads the draft as the request that it will be.
    fn with_request<T>(&self, read: impl FnOnce(&Reading<'_>) -> T) -> T {
        let mut headers = self.request.headers.clone();
        for (name, value) in &self.added {
            headers.insert(name.clone(), value.clone());
        }
        if !self.fields.is_empty()
            && let Place::Headers {
                names,
                separator: Some(separator),
                ..
            } = &self.scheme.place
            && let Some(Ok(name)) = names.first().map(HeaderName::try_from)
            && let Ok(value) = HeaderValue::try_from(self.fields.join(&separator.to_string()))
        {
            headers.insert(name, value);
        }
        let request = SignedRequest {
            method: self.request.method,
            url: &self.url,
            headers: &headers,
            body: &self.body,
        };
        read(&Reading::new(self.scheme, &request))
    }

    pub(super) fn finish(self, request: &SignedRequest<'_>) -> Signed {
        Signed {
            headers: self
                .added
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            url: (self.url != request.url).then_some(self.url),
            body: (self.body != request.body).then_some(self.body),
        }
    }
}

/// Sets a member of a JSON object, and makes the objects that lead to it. A number stays a number.
fn set(value: &mut Value, pointer: &str, text: &str) -> Option<()> {
    let mut place = value;
    for token in pointer.strip_prefix('/')?.split('/') {
        let name = token.replace("~1", "/").replace("~0", "~");
        if place.is_null() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = place.as_object_mut()?.entry(name).or_insert(Value::Null);
    }
    *place = match text.parse::<i64>() {
        Ok(number) if place.is_number() => number.into(),
        _ => text.into(),
    };
    Some(())
}

#[cfg(feature = "asymmetric-signatures")]
fn sign_privately(
    algorithm: Algorithm,
    key: &[u8],
    text: &SignedText<'_>,
) -> Result<Vec<u8>, CannotSign> {
    super::asymmetric::sign(algorithm, key, text).ok_or(CannotSign::NoPrivateKey)
}

#[cfg(not(feature = "asymmetric-signatures"))]
fn sign_privately(
    _algorithm: Algorithm,
    _key: &[u8],
    _text: &SignedText<'_>,
) -> Result<Vec<u8>, CannotSign> {
    Err(Refusal::NotBuiltIn.into())
}
