//! The pieces of which a signature scheme is made.

use std::time::Duration;

use crate::time::minutes;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// MD5, 16 bytes. Only for senders that offer nothing better.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes. The one to choose.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

/// How a sender proves that it knows the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC of the signed text under the secret.
    Hmac(Hash),
    /// Plain hash of the secret followed by the signed text. Weaker than HMAC (text can be appended); only for `HubSpot` v1 and v2.
    SecretThenText(Hash),
    /// Ed25519 over the signed text; the secret is the sender's public key, 32 bytes.
    Ed25519,
    /// ECDSA on P-256 over the SHA-256 of the signed text, in DER; the secret is the sender's public key, SPKI in DER.
    EcdsaP256,
    /// RSA (PKCS #1 v1.5) under the key of a certificate that the request names by its URL; see
    /// [`SignatureScheme::certificate`](crate::signature::SignatureScheme::certificate). The secret says whose messages are accepted.
    Rsa,
    /// The secret itself is sent and compared. It covers nothing of the request.
    Token,
}

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Hexadecimal, read in either case, written in lower case.
    Hex,
    /// Base64 with the standard alphabet and padding.
    Base64,
    /// The bytes as they are. For [`Algorithm::Token`].
    Text,
}

/// How the key is made from the text of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretForm {
    /// The UTF-8 bytes of the text, prefix and all.
    Text,
    /// Base64 of the key, after any one of these prefixes or none of them.
    Base64 {
        /// For example `whsec_`.
        prefixes: Vec<String>,
    },
    /// Hexadecimal of the key.
    Hex,
}

/// Where a value of a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A header, by name.
    Header(String),
    /// An item of the signature header that starts with this text, for example `t=`.
    Field(String),
    /// A string or a number in a JSON body, by JSON pointer, for example `/signature/token`.
    Body(String),
    /// A query parameter, by name, percent-decoded.
    Query(String),
}

impl Source {
    /// A header, by name.
    pub fn header(name: impl Into<String>) -> Self {
        Self::Header(name.into())
    }

    /// An item of the signature header that starts with this text.
    pub fn field(prefix: impl Into<String>) -> Self {
        Self::Field(prefix.into())
    }

    /// A value in a JSON body, by JSON pointer.
    pub fn body(pointer: impl Into<String>) -> Self {
        Self::Body(pointer.into())
    }

    /// A query parameter, by name.
    pub fn query(name: impl Into<String>) -> Self {
        Self::Query(name.into())
    }
}

/// Where the signature stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In a header; in any one of several.
    Headers {
        /// The names. A request that has none of them is refused; each that is there is tried.
        names: Vec<String>,
        /// What separates several items in one header, if it is a list.
        separator: Option<char>,
        /// What stands before the signature, for example `sha256=`. Items of a list without it are ignored.
        prefix: String,
    },
    /// In headers that are numbered from 1: this text, then a number. One header for each active key.
    NumberedHeaders(String),
    /// In a JSON body, by JSON pointer.
    Body(String),
    /// In every element of a list in a JSON body: all of them must be right, and there must be one at least.
    EachElement {
        /// JSON pointer to the list.
        list: String,
        /// JSON pointer from an element to the value.
        value: String,
    },
}

impl Place {
    /// In a header of its own.
    pub fn header(name: impl Into<String>) -> Self {
        Self::Headers {
            names: vec![name.into()],
            separator: None,
            prefix: String::new(),
        }
    }
}

/// The unit of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Whole seconds since 1970.
    Seconds,
    /// Whole milliseconds since 1970.
    Milliseconds,
    /// RFC 3339, for example `2026-03-27T16:50:00Z`.
    Rfc3339,
}

/// When the sender says that it signed, and how far from now that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimestampSource {
    /// Where it stands.
    pub source: Source,
    /// How it is written.
    pub unit: TimeUnit,
    /// How old it may be. A request of exactly this age is accepted.
    pub past: Duration,
    /// How far in the future it may be. Exactly this far is accepted.
    pub future: Duration,
}

impl TimestampSource {
    /// A timestamp that may be five minutes away from now, on both sides.
    pub fn new(source: Source, unit: TimeUnit) -> Self {
        Self {
            source,
            unit,
            past: minutes(5),
            future: minutes(5),
        }
    }
}

/// One piece of the text that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The method, in upper case.
    Method,
    /// The public URL of the request with its query, in each spelling that [`UrlForm`] allows.
    Url,
    /// The id of the delivery, from [`SignatureScheme::id`](crate::signature::SignatureScheme::id).
    Id,
    /// The timestamp, as it was written.
    Timestamp,
    /// The body, byte for byte.
    Body,
    /// The CRC-32 of the body (IEEE), in decimal. It is no proof of the body: another body of the same sum is made with ease. Only for
    /// `PayPal`.
    BodySum,
    /// The secret itself.
    Secret,
    /// The value here.
    Value(Source),
    /// AWS SNS's rule: members of the JSON body, each as its name, a line feed, its value and a line feed. Another member says which
    /// list of them is meant.
    Members {
        /// The member that says which list is meant: `Type`.
        kind: String,
        /// The lists.
        lists: Vec<MemberList>,
    },
    /// This text.
    Text(String),
    /// Twilio's rule. If the URL has this query parameter, nothing more is signed, and the parameter must be the SHA-256 of the body
    /// in hexadecimal. Else the names and values of a form, sorted, with equal pairs once. Else the body must be empty.
    FormOrDigest {
        /// The query parameter: `bodySHA256`.
        parameter: String,
    },
}

impl Part {
    /// A literal text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// Which spellings of the URL a sender may have signed. One that fits is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlForm {
    /// The public URL as it is configured.
    AsConfigured,
    /// Also without its port, and with the default port of its scheme: Twilio's servers do both.
    EitherPort,
    /// Also with the percent escapes of these characters decoded: `HubSpot`'s documents ask for it, its libraries do not do it.
    AlsoUnescaped(&'static str),
}

/// The members of a JSON body that are signed, if the body is of this kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberList {
    /// The value by which the kind is known.
    pub kind: String,
    /// The names of the members, in the order in which they are signed. All of them are texts.
    pub names: Vec<String>,
    /// Those of them that may be missing.
    pub optional: Vec<String>,
}

impl MemberList {
    /// The members of a kind of body, in the order in which they are signed.
    pub fn new(kind: impl Into<String>, names: &[&str]) -> Self {
        Self {
            kind: kind.into(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            optional: Vec::new(),
        }
    }

    /// Lets a member be missing.
    #[must_use]
    pub fn optional(mut self, name: impl Into<String>) -> Self {
        self.optional.push(name.into());
        self
    }
}
