//! Reads single values of a request, and refuses what could be read in two ways.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;

use sdk::signature::{Place, SignatureScheme, Source};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Refusal, SignedRequest};

/// A request, read by the rules of a scheme. The body is parsed at most once, and only if a value in it is asked for.
pub(super) struct Reading<'a> {
    pub(super) scheme: &'a SignatureScheme,
    pub(super) request: &'a SignedRequest<'a>,
    json: OnceCell<Option<Value>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(scheme: &'a SignatureScheme, request: &'a SignedRequest<'a>) -> Self {
        Self {
            scheme,
            request,
            json: OnceCell::new(),
        }
    }

    /// The value of a header that is there once, or several times with the same value.
    pub(super) fn header(&self, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
        let values = self.request.headers.get_all(name).iter();
        let values = values.map(http::HeaderValue::as_bytes);
        single(values, || format!("header `{name}`"))
    }

    /// The value at a source; nothing if it is not there or empty.
    pub(super) fn value(&self, source: &Source) -> Result<Option<String>, Refusal> {
        let value = match source {
            Source::Header(name) => match self.header(name)? {
                Some(bytes) => Some(as_text(bytes, source)?),
                None => None,
            },
            Source::Field(prefix) => self.field(prefix, source)?,
            Source::Body(pointer) => self.body_value(pointer),
            Source::Query(name) => self.query(name)?,
            other => {
                return Err(Refusal::Malformed {
                    what: describe(other),
                    reason: "is of a kind that this runner does not know",
                });
            }
        };
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// The value at a source, which must be there.
    pub(super) fn required(&self, source: &Source) -> Result<String, Refusal> {
        self.value(source)?.ok_or_else(|| Refusal::Missing {
            what: describe(source),
        })
    }

    /// The timestamp as it was written.
    pub(super) fn timestamp(&self) -> Result<String, Refusal> {
        match &self.scheme.timestamp {
            Some(timestamp) => self.required(&timestamp.source),
            None => Err(Refusal::Missing {
                what: "timestamp".to_owned(),
            }),
        }
    }

    /// The body as JSON, if it is that.
    pub(super) fn json(&self) -> Option<&Value> {
        self.json
            .get_or_init(|| serde_json::from_slice(self.request.body).ok())
            .as_ref()
    }

    /// Refuses a JSON body that has a member twice: where not the body itself is signed, whoever reads the other one of the two reads what
    /// nobody signed.
    pub(super) fn demand_members_once(&self) -> Result<(), Refusal> {
        match serde_json::from_slice(self.request.body) {
            Ok(MembersOnce) => Ok(()),
            Err(_) => Err(Refusal::Malformed {
                what: "the JSON body".to_owned(),
                reason: "has a member more than once, so that it could be read in two ways",
            }),
        }
    }

    /// A query parameter, percent-decoded.
    pub(super) fn query(&self, name: &str) -> Result<Option<String>, Refusal> {
        let query = query_of(self.request.url).as_bytes();
        let values = form_urlencoded::parse(query)
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned());
        single(values, || format!("query parameter `{name}`"))
    }

    fn body_value(&self, pointer: &str) -> Option<String> {
        match self.json()?.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn field(&self, prefix: &str, source: &Source) -> Result<Option<String>, Refusal> {
        let Place::Headers {
            names,
            separator: Some(separator),
            ..
        } = &self.scheme.place
        else {
            return Ok(None);
        };
        let mut found = Vec::new();
        for name in names {
            let Some(bytes) = self.header(name)? else {
                continue;
            };
            let text = as_text(bytes, source)?;
            let items = text.split(*separator).map(str::trim);
            found.extend(
                items
                    .filter_map(|item| item.strip_prefix(prefix))
                    .map(str::to_owned),
            );
        }
        single(found.into_iter(), || describe(source))
    }
}

/// What follows the first `?` of a URL.
pub(super) fn query_of(url: &str) -> &str {
    let url = url.split('#').next().unwrap_or_default();
    url.split_once('?').map_or("", |(_, query)| query)
}

/// A source in words, for the log.
pub(super) fn describe(source: &Source) -> String {
    match source {
        Source::Header(name) => format!("header `{name}`"),
        Source::Field(prefix) => format!("item `{prefix}` in the signature header"),
        Source::Body(pointer) => format!("value at `{pointer}` in the JSON body"),
        Source::Query(name) => format!("query parameter `{name}`"),
        other => format!("{other:?}"),
    }
}

fn as_text(bytes: &[u8], source: &Source) -> Result<String, Refusal> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Refusal::Malformed {
        what: describe(source),
        reason: "is not text",
    })
}

fn single<T: PartialEq>(
    mut values: impl Iterator<Item = T>,
    what: impl FnOnce() -> String,
) -> Result<Option<T>, Refusal> {
    let Some(first) = values.next() else {
        return Ok(None);
    };
    if values.any(|value| value != first) {
        return Err(Refusal::Conflicting { what: what() });
    }
    Ok(Some(first))
}

/// A JSON object each of whose members is there once.
struct MembersOnce;

impl<'de> Deserialize<'de> for MembersOnce {
    fn deserialize<D: Deserializer<'de>>(body: D) -> Result<Self, D::Error> {
        body.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for MembersOnce {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object each of whose members is there once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = BTreeSet::new();
        while let Some((name, IgnoredAny)) = members.next_entry::<String, _>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(self)
    }
}
