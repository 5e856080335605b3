//! How a sender proves that a webhook is its own: signatures and handshakes, as data.
//!
//! Nothing here computes: a [`SignatureScheme`] says where a signature stands and what it covers, a [`Provider`] adds the sender's
//! name and its [`Handshake`]s. The runner verifies with this data and a test signs with the same data (W42).
//!
//! Most senders are one word of [`providers`]; any other HMAC is a line:
//!
//! ```
//! use sdk::signature::{Hash, Provider, SignatureScheme, providers};
//!
//! let known: Provider = providers::shopify();
//! assert_eq!(known.name, "Shopify");
//!
//! let own: Provider = SignatureScheme::hmac("x-acme-signature", Hash::Sha256).prefix("sha256=").into();
//! assert!(own.scheme.faults().is_empty());
//! ```
//!
//! AWS SNS and `PayPal` sign under a certificate that the message names by its URL. A [`CertificateSource`] says where it may be fetched:
//! nothing is fetched before everything else of the request is right.

mod accounts;
mod certificate;
mod certified;
mod commerce;
mod documents;
mod handshake;
mod messaging;
mod part;
mod provider;
pub mod providers;
mod scheme;
mod software;

pub use certificate::{CertificateHash, CertificateSource, UrlRule};
pub use handshake::{Guard, Handshake, JsonValue, Mark, Reply};
pub use part::{
    Algorithm, Encoding, Hash, MemberList, Part, Place, SecretForm, Source, TimeUnit,
    TimestampSource, UrlForm,
};
pub use provider::Provider;
pub use scheme::SignatureScheme;
