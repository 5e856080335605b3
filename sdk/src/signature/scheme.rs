//! The scheme that one kind of sender signs by.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderName;

use crate::signature::{
    Algorithm, CertificateSource, Encoding, Hash, Part, Place, SecretForm, Source, TimeUnit,
    TimestampSource, UrlForm,
};

/// Where a signature stands, how it is made and what it covers (W40, W41).
///
/// Made by a constructor and changed by methods, each of which names one thing. The fields can be read by those who verify or sign.
///
/// ```
/// use sdk::signature::{Hash, Part, SignatureScheme, Source, TimeUnit};
///
/// let slack = SignatureScheme::hmac("x-slack-signature", Hash::Sha256)
///     .prefix("v0=")
///     .timestamp(Source::header("x-slack-request-timestamp"), TimeUnit::Seconds)
///     .signs([Part::text("v0:"), Part::Timestamp, Part::text(":"), Part::Body]);
/// assert!(slack.faults().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignatureScheme {
    /// How the sender proves that it knows the secret.
    pub algorithm: Algorithm,
    /// Where the signature stands.
    pub place: Place,
    /// How the signature is written.
    pub encoding: Encoding,
    /// How the key is made from the secret.
    pub secret_form: SecretForm,
    /// What is signed, in this order.
    pub signed: Vec<Part>,
    /// When it was signed, if the sender says so.
    pub timestamp: Option<TimestampSource>,
    /// What is the same in every delivery of one event, so that a second one can be told. Signed only if [`Part::Id`] or the body is.
    pub id: Option<Source>,
    /// Which spellings of the URL may have been signed.
    pub url_form: UrlForm,
    /// Headers that must be there with exactly this value.
    pub demands: Vec<(String, String)>,
    /// The certificate whose key signs, for [`Algorithm::Rsa`].
    pub certificate: Option<CertificateSource>,
}

impl SignatureScheme {
    /// HMAC over the raw body, in hexadecimal, in this header (W40).
    pub fn hmac(header: impl Into<String>, hash: Hash) -> Self {
        Self::new(Place::header(header), Algorithm::Hmac(hash), Encoding::Hex).signs([Part::Body])
    }

    /// Ed25519 over the raw body, in hexadecimal, in this header. The secret is the sender's public key, in hexadecimal.
    pub fn ed25519(header: impl Into<String>) -> Self {
        let scheme =
            Self::new(Place::header(header), Algorithm::Ed25519, Encoding::Hex).signs([Part::Body]);
        scheme.secret_form(SecretForm::Hex)
    }

    /// ECDSA on P-256 over the raw body, DER in base64, in this header. The secret is the sender's public key, SPKI in base64.
    pub fn ecdsa_p256(header: impl Into<String>) -> Self {
        let scheme = Self::new(
            Place::header(header),
            Algorithm::EcdsaP256,
            Encoding::Base64,
        )
        .signs([Part::Body]);
        scheme.secret_form(SecretForm::Base64 {
            prefixes: Vec::new(),
        })
    }

    /// The secret itself, in this header. It covers nothing of the request, so use it only with senders that cannot sign.
    pub fn token(header: impl Into<String>) -> Self {
        Self::new(Place::header(header), Algorithm::Token, Encoding::Text)
    }

    /// RSA under the key of a certificate that the request names, in base64, in this place. It signs nothing until
    /// [`signs`](Self::signs) says what. The secret says whose messages are accepted: a topic, or the id of a webhook.
    pub fn rsa(place: Place, certificate: CertificateSource) -> Self {
        Self {
            certificate: Some(certificate),
            ..Self::new(place, Algorithm::Rsa, Encoding::Base64)
        }
    }

    /// A scheme whose signature stands in this place. It signs nothing until [`signs`](Self::signs) says what.
    pub fn new(place: Place, algorithm: Algorithm, encoding: Encoding) -> Self {
        Self {
            algorithm,
            place,
            encoding,
            secret_form: SecretForm::Text,
            signed: Vec::new(),
            timestamp: None,
            id: None,
            url_form: UrlForm::AsConfigured,
            demands: Vec::new(),
            certificate: None,
        }
    }

    /// Writes the signature in base64.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.encoding = Encoding::Base64;
        self
    }

    /// Expects this text before the signature, for example `sha256=`. Only for signatures in a header.
    #[must_use]
    pub fn prefix(mut self, text: impl Into<String>) -> Self {
        if let Place::Headers { prefix, .. } = &mut self.place {
            *prefix = text.into();
        }
        self
    }

    /// Reads the header as a list with this separator, of which any one signature is enough. Only for signatures in a header.
    #[must_use]
    pub fn list(mut self, character: char) -> Self {
        if let Place::Headers { separator, .. } = &mut self.place {
            *separator = Some(character);
        }
        self
    }

    /// Accepts the signature in this header as well. Only for signatures in a header.
    #[must_use]
    pub fn or_header(mut self, name: impl Into<String>) -> Self {
        if let Place::Headers { names, .. } = &mut self.place {
            names.push(name.into());
        }
        self
    }

    /// Says how the signature is computed.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Says how the key is made from the secret.
    #[must_use]
    pub fn secret_form(mut self, form: SecretForm) -> Self {
        self.secret_form = form;
        self
    }

    /// Takes the key from base64, after this prefix or without it.
    #[must_use]
    pub fn base64_secret(self, prefix: impl Into<String>) -> Self {
        self.secret_form(SecretForm::Base64 {
            prefixes: vec![prefix.into()],
        })
    }

    /// Says what is signed, in order.
    #[must_use]
    pub fn signs(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.signed = parts.into_iter().collect();
        self
    }

    /// Says where the timestamp stands. It may be five minutes from now on both sides until [`tolerance`](Self::tolerance) says else.
    #[must_use]
    pub fn timestamp(mut self, source: Source, unit: TimeUnit) -> Self {
        self.timestamp = Some(TimestampSource::new(source, unit));
        self
    }

    /// Says how far from now the timestamp may be, on both sides; exactly this far is accepted. Without a timestamp it does nothing.
    #[must_use]
    pub fn tolerance(mut self, length: Duration) -> Self {
        if let Some(timestamp) = &mut self.timestamp {
            timestamp.past = length;
            timestamp.future = length;
        }
        self
    }

    /// Says how old the timestamp may be, and leaves the limit on the side of the future. Without a timestamp it does nothing.
    #[must_use]
    pub fn maximum_age(mut self, length: Duration) -> Self {
        if let Some(timestamp) = &mut self.timestamp {
            timestamp.past = length;
        }
        self
    }

    /// Says what is the same in every delivery of one event.
    #[must_use]
    pub fn id(mut self, source: Source) -> Self {
        self.id = Some(source);
        self
    }

    /// Says which spellings of the URL may have been signed.
    #[must_use]
    pub fn url_form(mut self, form: UrlForm) -> Self {
        self.url_form = form;
        self
    }

    /// Refuses requests in which this header does not have exactly this value.
    #[must_use]
    pub fn demands(mut self, header: impl Into<String>, value: impl Into<String>) -> Self {
        self.demands.push((header.into(), value.into()));
        self
    }

    /// Lists what makes the scheme unusable, each with its remedy. A scheme with faults refuses every request.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.place_faults();
        let sources = [
            self.id.as_ref(),
            self.timestamp.as_ref().map(|timestamp| &timestamp.source),
        ];
        for source in sources.into_iter().flatten() {
            faults.extend(self.source_faults(source));
        }
        faults.extend(
            self.demands
                .iter()
                .filter_map(|(name, _)| header_fault(name)),
        );
        for part in &self.signed {
            match part {
                Part::Timestamp if self.timestamp.is_none() => faults.push(
                    "the timestamp is signed but has no source; call `timestamp(..)`".to_owned(),
                ),
                Part::Members { kind, .. }
                    if !self.signs_value(&Source::body(format!("/{kind}"))) =>
                {
                    faults.push(format!(
                        "`{kind}` says which members are signed, and is not signed itself; name it in every list"
                    ));
                }
                Part::Id if self.id.is_none() => {
                    faults.push("the id is signed but has no source; call `id(..)`".to_owned());
                }
                _ => {}
            }
        }
        faults.extend(self.certificate_faults());
        let is_token = self.algorithm == Algorithm::Token;
        if self.signed.is_empty() && !is_token {
            faults.push("nothing is signed; call `signs([Part::Body])`".to_owned());
        }
        if is_token != (self.encoding == Encoding::Text) {
            faults.push(
                "only a token is sent as text; use `hmac(..)`, or `token(..)` as it is".to_owned(),
            );
        }
        faults
    }

    fn place_faults(&self) -> Vec<String> {
        match &self.place {
            Place::Headers {
                names, separator, ..
            } => {
                let mut faults: Vec<String> =
                    names.iter().filter_map(|name| header_fault(name)).collect();
                let different: BTreeSet<String> =
                    names.iter().map(|name| name.to_lowercase()).collect();
                if different.len() != names.len() || names.is_empty() {
                    faults.push(
                        "the signature needs at least one header, each named once".to_owned(),
                    );
                }
                if separator.is_some_and(|separator| !separator.is_ascii()) {
                    faults.push("a list is separated by an ASCII character, as by `,`".to_owned());
                }
                faults
            }
            Place::NumberedHeaders(stem) => header_fault(stem).into_iter().collect(),
            Place::Body(pointer) => pointer_fault(pointer).into_iter().collect(),
            Place::EachElement { list, value } => [list, value]
                .into_iter()
                .filter_map(|pointer| pointer_fault(pointer))
                .collect(),
        }
    }

    /// What a certificate proves is who signs, and not for whom: the secret has to say that.
    fn certificate_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.certificate.is_some() != (self.algorithm == Algorithm::Rsa) {
            faults.push("RSA needs a certificate, and nothing else does; use `rsa(..)`".to_owned());
        }
        let Some(certificate) = &self.certificate else {
            return faults;
        };
        faults.extend(self.source_faults(&certificate.url));
        let is_named = match &certificate.recipient {
            Some(recipient) => self.signs_value(recipient),
            None => self.signed.contains(&Part::Secret),
        };
        if !is_named {
            faults.push(
                "whoever the sender signs for would be accepted; name a `recipient(..)` that is signed, or sign the secret"
                    .to_owned(),
            );
        }
        if certificate.allowed.hosts.is_empty() {
            faults.push("no host may hold the certificate; name the sender's own".to_owned());
        }
        faults
    }

    /// Says whether a value is part of what is signed.
    fn signs_value(&self, source: &Source) -> bool {
        self.signed.iter().any(|part| match (part, source) {
            (Part::Value(signed), _) => signed == source,
            (Part::Body, Source::Body(_)) | (Part::Url, Source::Query(_)) => true,
            (Part::Members { lists, .. }, Source::Body(pointer)) => {
                let name = pointer.strip_prefix('/').unwrap_or_default();
                lists
                    .iter()
                    .all(|list| list.names.iter().any(|signed| signed == name))
            }
            _ => false,
        })
    }

    fn source_faults(&self, source: &Source) -> Option<String> {
        match source {
            Source::Header(name) => header_fault(name),
            Source::Body(pointer) => pointer_fault(pointer),
            Source::Query(_) => None,
            Source::Field(prefix) => {
                let is_list = matches!(
                    self.place,
                    Place::Headers {
                        separator: Some(_),
                        ..
                    }
                );
                (!is_list || prefix.is_empty()).then(|| {
                    format!(
                        "`{prefix}` is to be an item of the signature header; make it a list with `list(',')`"
                    )
                })
            }
        }
    }
}

fn header_fault(name: &str) -> Option<String> {
    HeaderName::try_from(name)
        .is_err()
        .then(|| format!("`{name}` cannot be a header; write a name like `x-hmac-sha256`"))
}

fn pointer_fault(pointer: &str) -> Option<String> {
    (!pointer.starts_with('/'))
        .then(|| format!("`{pointer}` is no JSON pointer; write it like `/signature/token`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{MemberList, UrlRule};

    #[test]
    fn every_fault_of_a_scheme_is_listed_at_once() {
        let mut scheme = SignatureScheme::hmac("not a header", Hash::Sha256)
            .timestamp(Source::field("t="), TimeUnit::Seconds)
            .demands("", "1")
            .signs([Part::Id]);
        assert_eq!(
            scheme.faults(),
            [
                "`not a header` cannot be a header; write a name like `x-hmac-sha256`",
                "`t=` is to be an item of the signature header; make it a list with `list(',')`",
                "`` cannot be a header; write a name like `x-hmac-sha256`",
                "the id is signed but has no source; call `id(..)`",
            ]
        );
        scheme.timestamp = None;
        let scheme = scheme.signs([Part::Timestamp]).id(Source::body("token"));
        assert!(
            scheme.faults().contains(
                &"`token` is no JSON pointer; write it like `/signature/token`".to_owned()
            )
        );
        assert_eq!(
            scheme.faults().last().unwrap(),
            "the timestamp is signed but has no source; call `timestamp(..)`"
        );
    }

    #[test]
    fn a_recipient_or_a_kind_that_is_not_signed_is_a_fault() {
        let rule = || UrlRule::hosts(&["certificates.example"]);
        let certificate =
            |recipient| CertificateSource::new(Source::body("/Url"), rule()).recipient(recipient);
        let scheme = |recipient: &Source, part: Part| {
            let place = Place::Body("/Signature".to_owned());
            SignatureScheme::rsa(place, certificate(recipient.clone())).signs([part])
        };
        let members = |names: &[&str]| Part::Members {
            kind: "Type".to_owned(),
            lists: vec![
                MemberList::new("A", &["Topic", "Type"]),
                MemberList::new("B", names),
            ],
        };
        let (topic, header) = (Source::body("/Topic"), Source::header("x-topic"));
        for (recipient, part) in [
            (&topic, Part::Body),
            (&topic, members(&["Type", "Topic"])),
            (&topic, Part::Value(topic.clone())),
            (&header, Part::Value(header.clone())),
            (&Source::query("topic"), Part::Url),
        ] {
            let faults = scheme(recipient, part).faults();
            assert_eq!(faults, Vec::<String>::new());
        }
        for (recipient, part) in [
            (&topic, members(&["Type"])),
            (&topic, members(&["Topic"])),
            (&topic, Part::Value(Source::body("/Other"))),
            (&Source::body("/Topic/Name"), members(&["Type", "Topic"])),
            (&header, Part::Body),
            (&Source::query("topic"), Part::Body),
        ] {
            let faults = scheme(recipient, part.clone()).faults();
            assert_eq!(faults.len(), 1, "{part:?}: {faults:?}");
        }
        let mut optional = MemberList::new("A", &["Topic", "Type"]);
        optional = optional.optional("Topic");
        let part = Part::Members {
            kind: "Type".to_owned(),
            lists: vec![optional],
        };
        assert_eq!(scheme(&topic, part).faults(), Vec::<String>::new());
    }

    #[test]
    fn a_scheme_that_signs_nothing_or_sends_its_key_is_a_fault() {
        let nothing = SignatureScheme::hmac("x-signature", Hash::Sha256).signs([]);
        assert_eq!(nothing.faults().len(), 1);
        let key = SignatureScheme::token("x-token").algorithm(Algorithm::Hmac(Hash::Sha256));
        assert_eq!(key.faults().len(), 2);
        let same = SignatureScheme::hmac("x-a", Hash::Sha1).or_header("X-A");
        assert_eq!(same.faults().len(), 1);
        let list = SignatureScheme::hmac("x-a", Hash::Sha1).list('·');
        assert_eq!(list.faults().len(), 1);
    }
}
