//! A sender for tests: a message that can be signed, changed and received.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sdk::signature::{Algorithm, Encoding, Place, Provider, SecretForm, SignatureScheme};
use sdk::{Secret, Timestamp};
use serde_json::Value;

use super::{
    CannotSign, Certificate, CertifiedKey, Refusal, SignedRequest, SigningKeys, Verified,
    VerifyKeys, public_secret, sign, verify,
};

/// The certificate by which a test is a sender, the key that it is for, and the authority that issued it. They serve nothing else.
pub(super) const SENDER: &str = include_str!("../../../testing/src/certificates/sender.pem");
pub(super) const SENDER_KEY: &[u8] =
    include_bytes!("../../../testing/src/certificates/sender.key.pem");
const AUTHORITY: &[u8] = include_bytes!("../../../testing/src/certificates/authority.pem");

/// Where the certificate of a scheme stands in these tests.
pub(super) fn certificate_url(scheme: &SignatureScheme) -> Option<String> {
    let source = scheme.certificate.as_ref()?;
    source.allowed.example("throw-away")
}

/// Reads a certificate; the authority of these tests is trusted.
pub(super) fn certificate(url: &str, file: &str) -> Certificate {
    Certificate::read(url, file.as_bytes(), &[AUTHORITY.into()]).unwrap()
}

/// A whole second, so that the limits of every unit can be met exactly.
pub(super) fn now() -> Timestamp {
    "2026-03-27T16:50:00Z".parse().unwrap()
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn new(method: Method, url: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// A JSON message in which every scheme finds its place.
    pub(super) fn order() -> Self {
        let body = r#"{"value":[{"item":"widget"},{"item":"gizmo"}],"webhookTimestamp":1,"Message":"a widget"}"#;
        let mut message = Self::new(Method::POST, "https://hooks.example/trigger/abc?x=1", body);
        message.set("content-type", "application/json");
        message
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let name: HeaderName = name.parse().unwrap();
        self.headers
            .insert(name, HeaderValue::from_str(value).unwrap());
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn request(&self) -> SignedRequest<'_> {
        SignedRequest {
            method: &self.method,
            url: &self.url,
            headers: &self.headers,
            body: &self.body,
        }
    }

    pub(super) fn signed(
        mut self,
        scheme: &SignatureScheme,
        secret: &Secret,
        at: Timestamp,
    ) -> Result<Self, CannotSign> {
        let url = certificate_url(scheme);
        let keys = SigningKeys {
            secret,
            certified: url.as_deref().map(|url| CertifiedKey {
                url,
                private_key: SENDER_KEY,
            }),
        };
        let signed = sign(scheme, keys, &self.request(), at, "delivery-1")?;
        for (name, value) in signed.headers {
            self.headers.insert(name, value);
        }
        self.url = signed.url.unwrap_or(self.url);
        self.body = signed.body.unwrap_or(self.body);
        Ok(self)
    }

    pub(super) fn verify(
        &self,
        scheme: &SignatureScheme,
        secrets: &[Secret],
        at: Timestamp,
    ) -> Result<Verified, Refusal> {
        let url = certificate_url(scheme);
        let certificate = url.map(|url| certificate(&url, SENDER));
        self.verify_under(certificate.as_ref(), scheme, secrets, at)
    }

    /// As [`verify`](Self::verify), under another certificate.
    pub(super) fn verify_under(
        &self,
        certificate: Option<&Certificate>,
        scheme: &SignatureScheme,
        secrets: &[Secret],
        at: Timestamp,
    ) -> Result<Verified, Refusal> {
        let keys = VerifyKeys {
            secrets,
            certificate,
        };
        verify(scheme, keys, &self.request(), at)
    }

    /// The message with its signature changed in place.
    pub(super) fn resigned(&self, scheme: &SignatureScheme, change: &Change) -> Self {
        let mut message = self.clone();
        match &scheme.place {
            Place::Headers { names, prefix, .. } => {
                message.change_header(&names[0], prefix, scheme.encoding, change);
            }
            Place::NumberedHeaders(stem) => {
                message.change_header(&format!("{stem}1"), "", scheme.encoding, change);
            }
            Place::Body(pointer) => message.change_body(pointer, scheme.encoding, change),
            Place::EachElement { list, value } => {
                let pointer = format!("{list}/1{value}");
                message.change_body(&pointer, scheme.encoding, change);
            }
            other => panic!("{other:?}"),
        }
        message
    }

    fn change_header(&mut self, name: &str, prefix: &str, encoding: Encoding, change: &Change) {
        let value = self.headers[name].to_str().unwrap().to_owned();
        let start = match prefix {
            "" => 0,
            prefix => value.rfind(prefix).unwrap() + prefix.len(),
        };
        let (before, signature) = value.split_at(start);
        self.set(name, &format!("{before}{}", change(encoding, signature)));
    }

    fn change_body(&mut self, pointer: &str, encoding: Encoding, change: &Change) {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        let place = body.pointer_mut(pointer).unwrap();
        *place = change(encoding, place.as_str().unwrap()).into();
        self.body = body.to_string().into_bytes();
    }
}

/// Makes another signature of one.
pub(super) type Change = dyn Fn(Encoding, &str) -> String;

pub(super) fn decoded(encoding: Encoding, signature: &str) -> Vec<u8> {
    match encoding {
        Encoding::Hex => hex::decode(signature).unwrap(),
        Encoding::Base64 => STANDARD.decode(signature).unwrap(),
        _ => signature.as_bytes().to_vec(),
    }
}

pub(super) fn encoded(encoding: Encoding, signature: &[u8]) -> String {
    super::candidate::encode(encoding, signature)
}

/// A secret that signs by a scheme, one of several.
pub(super) fn secret(scheme: &SignatureScheme, number: u8) -> Secret {
    let key = match scheme.algorithm {
        Algorithm::EcdsaP256 => p256_key(number),
        _ => vec![number; 32],
    };
    Secret::new(match &scheme.secret_form {
        SecretForm::Text => format!("a secret that nobody knows, number {number}"),
        SecretForm::Base64 { prefixes } => {
            let prefix = prefixes.last().map_or("", String::as_str);
            format!("{prefix}{}", STANDARD.encode(key))
        }
        _ => hex::encode(key),
    })
}

#[cfg(feature = "asymmetric-signatures")]
fn p256_key(number: u8) -> Vec<u8> {
    use p256::pkcs8::EncodePrivateKey as _;
    let key = p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap();
    key.to_pkcs8_der().unwrap().as_bytes().to_vec()
}

#[cfg(not(feature = "asymmetric-signatures"))]
fn p256_key(number: u8) -> Vec<u8> {
    vec![number; 32]
}

/// A signed message, and the secrets that verify it and that do not.
pub(super) fn signed(scheme: &SignatureScheme) -> (Message, Secret, Secret) {
    let right = secret(scheme, 7);
    let message = Message::order().signed(scheme, &right, now()).unwrap();
    let wrong = public_secret(scheme, &secret(scheme, 9)).unwrap();
    (message, public_secret(scheme, &right).unwrap(), wrong)
}

/// Whether a refusal means that the message is not for the one who knows the secret.
pub(super) fn is_for_another(verified: &Result<Verified, Refusal>) -> bool {
    matches!(
        verified,
        Err(Refusal::Mismatch | Refusal::WrongRecipient { .. })
    )
}

/// Every sender that this build can verify.
pub(super) fn providers() -> Vec<Provider> {
    let mut providers = sdk::signature::providers::all();
    providers.retain(|provider| {
        cfg!(feature = "asymmetric-signatures") || !is_asymmetric(&provider.scheme)
    });
    providers
}

pub(super) fn is_asymmetric(scheme: &SignatureScheme) -> bool {
    matches!(
        scheme.algorithm,
        Algorithm::Ed25519 | Algorithm::EcdsaP256 | Algorithm::Rsa
    )
}
