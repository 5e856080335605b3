//! Senders who sign under a certificate, as a simulation stands for them: the certificate, its key, and what their servers answer.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use runner::signature::{CertifiedKey, allowed_url};
use sdk::integration::BuiltIntegration;
use sdk::signature::{Provider, Reply, SignatureScheme, UrlRule};
use sdk::trigger::{TriggerKind, WebhookTrigger};

/// The certificate of every sender, its key, and the authority that issued it. They were made for tests and are trusted nowhere else.
const CERTIFICATE: &[u8] = include_bytes!("certificates/sender.pem");
const KEY: &[u8] = include_bytes!("certificates/sender.key.pem");
const AUTHORITY: &[u8] = include_bytes!("certificates/authority.pem");

/// Returns where the certificate of a sender stands in a simulation: a URL that its scheme allows.
pub(crate) fn certificate_url(scheme: &SignatureScheme) -> Option<String> {
    let source = scheme.certificate.as_ref()?;
    source.allowed.example("simulation")
}

/// Returns the key that signs under the certificate at a URL.
pub(crate) fn key(url: &str) -> CertifiedKey<'_> {
    CertifiedKey {
        url,
        private_key: KEY,
    }
}

/// The authority that issued the certificates of a simulation.
pub(crate) fn authority() -> Bytes {
    Bytes::from_static(AUTHORITY)
}

/// What the servers of an integration's senders answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    /// Where certificates stand.
    certificates: Vec<String>,
    /// What is called to confirm a subscription.
    calls: Vec<UrlRule>,
}

impl Directory {
    /// The servers of the senders that the flows of an integration name.
    pub(crate) fn of(integration: &BuiltIntegration) -> Self {
        let mut directory = Self::default();
        for flow in &integration.flows {
            if let TriggerKind::Webhook(WebhookTrigger::Signed { provider, .. }) =
                &flow.options.trigger
            {
                directory.add(provider);
            }
        }
        directory
    }

    fn add(&mut self, provider: &Provider) {
        self.certificates.extend(certificate_url(&provider.scheme));
        for handshake in &provider.handshakes {
            if let Reply::Call { allowed, .. } = &handshake.reply {
                self.calls.push(allowed.clone());
            }
        }
    }

    /// Answers a request, if it goes to one of these servers.
    pub(crate) fn answer(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        if request.method() != Method::GET {
            return None;
        }
        let url = request.uri().to_string();
        let is_call = |rule: &UrlRule| allowed_url(rule, &url).is_some();
        let body = if self.certificates.contains(&url) {
            Bytes::from_static(CERTIFICATE)
        } else if self.calls.iter().any(is_call) {
            Bytes::new()
        } else {
            return None;
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::OK;
        Some(answer)
    }
}
