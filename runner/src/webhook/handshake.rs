//! Answers senders that ask whether an endpoint is real (W41): without an execution, and before anything is queued.

use std::sync::Arc;

use http::StatusCode;
use sdk::id::FlowKey;
use sdk::signature::Provider;
use sdk::time::days;
use sdk::trigger::{TriggerKind, WebhookTrigger};
use sdk::{Secret, Timestamp};
use subtle::ConstantTimeEq as _;

use super::Ingress;
use super::answer::{self, Answer};
use super::certificates::Caller;
use super::received::Received;
use crate::instance::{Instance, InstanceStatus, Verification};
use crate::signature::{HandshakeAnswer, HandshakeKeys, HandshakeOutcome, answer_handshake};
use crate::store::{Commit, Point, StoreResult, Write};

/// What became of the secret that a sender brought.
enum Brought {
    Kept,
    Refused,
}

impl Ingress {
    /// Answers a request that is a handshake of the flow's sender; `None` is for all others.
    ///
    /// It waits for no execution and for no deploy: the functions of a deploy may be waiting for the very call that it answers.
    pub(super) async fn handshake(&self, received: &Received) -> Option<Answer> {
        let (provider, signing) = received.signing()?;
        if provider.handshakes.is_empty() {
            return None;
        }
        Box::pin(self.answer_handshake(received, provider, &signing)).await
    }

    /// Fetches the certificate by which a request is to be verified, if all else of it is right. If it cannot be had, the sender is told
    /// to try again: it is neither accepted nor refused.
    pub(super) async fn find_certificate(
        &self,
        received: &mut Received,
    ) -> Result<(), Box<Answer>> {
        let ports = self.ports();
        let wanted = received.certificate_url(ports.clock.now(), &ports.public_url);
        let Some((source, url)) = wanted else {
            return Ok(());
        };
        let caller = self.caller(received);
        match self.certificates.find(caller, source, &url).await {
            Ok(certificate) => {
                received.certificate = Some(certificate);
                Ok(())
            }
            Err(fault) => {
                let (instance, flow) = (received.instance.id.as_str(), received.flow.options.key);
                tracing::warn!(instance, flow, %fault, "a certificate could not be had");
                let text = "The signature of the request cannot be checked now; try again later.";
                Err(Box::new(answer::unavailable(text, 10)))
            }
        }
    }

    fn caller<'a>(&'a self, received: &'a Received) -> Caller<'a> {
        let ports = self.ports();
        Caller {
            clock: &*ports.clock,
            outbound: &*ports.outbound,
            endpoint: &received.endpoint,
        }
    }

    async fn answer_handshake(
        &self,
        received: &Received,
        provider: &Provider,
        signing: &[Secret],
    ) -> Option<Answer> {
        let ports = self.ports();
        let now = ports.clock.now();
        let tokens = tokens(received);
        let keys = HandshakeKeys {
            signing,
            tokens: &tokens,
            certificate: received.certificate.as_deref(),
        };
        let url = received.url(&ports.public_url);
        let answer = answer_handshake(provider, keys, &received.signed_request(&url), now)?;
        let (flow, handshake) = (received.flow.options.key, answer.handshake.as_str());
        let instance = received.instance.id.as_str();
        match &answer.outcome {
            HandshakeOutcome::Refused => {
                tracing::warn!(instance, flow, handshake, "a handshake was refused");
                return Some(answer.response);
            }
            HandshakeOutcome::SecretBrought(_) if !brings(received) => {
                tracing::warn!(
                    instance,
                    flow,
                    handshake,
                    "a sender brought its own secret, and the flow expects one in a config variable; use `Webhook::signed_by_secret_of`"
                );
                return None;
            }
            HandshakeOutcome::SecretBrought(secret) => {
                match self.keep_brought(received, &answer, secret, now).await {
                    Ok(Brought::Kept) => {}
                    Ok(Brought::Refused) => {
                        tracing::warn!(instance, flow, handshake, "a handshake was refused");
                        let text = "The signature of the request is missing or not valid.";
                        return Some(answer::error(StatusCode::UNAUTHORIZED, text));
                    }
                    Err(fault) => {
                        tracing::warn!(instance, flow, handshake, %fault, "a secret could not be kept");
                        let text = "The handshake cannot be stored now; try again later.";
                        return Some(answer::unavailable(text, 5));
                    }
                }
            }
            HandshakeOutcome::Call(url) => {
                let call = self.certificates.call(self.caller(received), url.expose());
                if let Err(fault) = call.await {
                    tracing::warn!(instance, flow, handshake, %fault, "a handshake could not be confirmed");
                    let text = "The subscription cannot be confirmed now; try again later.";
                    return Some(answer::unavailable(text, 10));
                }
                self.note(received, &answer, now).await;
            }
            HandshakeOutcome::Ended => {
                tracing::warn!(
                    instance,
                    flow,
                    handshake,
                    "{} sends no more to this endpoint; subscribe again if that was not meant",
                    answer.provider
                );
                return Some(answer.response);
            }
            HandshakeOutcome::Verified => self.note(received, &answer, now).await,
        }
        tracing::info!(
            instance,
            flow,
            handshake,
            "endpoint verified by {}",
            answer.provider
        );
        Some(answer.response)
    }

    /// Keeps the secret that a sender brought, sealed with the other secrets of the instance, before the sender hears of it. One that is
    /// there stays.
    async fn keep_brought(
        &self,
        received: &Received,
        answer: &HandshakeAnswer,
        secret: &Secret,
        now: Timestamp,
    ) -> StoreResult<Brought> {
        let _changing = self.engine.changing.lock().await;
        let flow = FlowKey::new(received.flow.options.key);
        let Some(current) = self.current(received) else {
            return Ok(Brought::Refused);
        };
        if let Some(kept) = current.secrets.brought.get(&flow) {
            // Two came at the same moment: the second is answered only if it brings the same.
            let same = bool::from(kept.as_bytes().ct_eq(secret.expose().as_bytes()));
            return Ok(if same {
                Brought::Kept
            } else {
                Brought::Refused
            });
        }
        let mut secrets = current.secrets.clone();
        secrets
            .brought
            .insert(flow.clone(), secret.expose().to_owned());
        let mut facts = current.facts.clone();
        facts.verified.insert(flow, verification(answer, now));
        let config = Arc::clone(&current.config);
        let ports = self.ports();
        let changed = Instance::new(
            current.id.clone(),
            facts,
            secrets,
            config,
            &ports.integration,
            &ports.public_url,
        );
        self.store_instance(changed).await?;
        Ok(Brought::Kept)
    }

    /// Notes by whom an endpoint was verified. A sender that asks again and again has it stored once a day at most, and what cannot be
    /// stored does not keep it from its answer.
    async fn note(&self, received: &Received, answer: &HandshakeAnswer, now: Timestamp) {
        let flow = FlowKey::new(received.flow.options.key);
        let is_known = |instance: &Instance| {
            instance.facts.verified.get(&flow).is_some_and(|known| {
                known.handshake == answer.handshake && now < known.at + days(1)
            })
        };
        if is_known(&received.instance) {
            return;
        }
        let _changing = self.engine.changing.lock().await;
        let Some(current) = self.current(received) else {
            return;
        };
        if is_known(&current) {
            return;
        }
        let mut changed = (*current).clone();
        let verification = verification(answer, now);
        changed.facts.verified.insert(flow, verification);
        if let Err(fault) = self.store_instance(changed).await {
            tracing::warn!(%fault, "that an endpoint was verified could not be stored");
        }
    }

    /// The instance as it is now, unless it is on its way out: what is stored then would outlive it.
    fn current(&self, received: &Received) -> Option<Arc<Instance>> {
        let current = self.engine.instances.get(&received.instance.id)?;
        (current.facts.status != InstanceStatus::Removing).then_some(current)
    }

    async fn store_instance(&self, instance: Instance) -> StoreResult<()> {
        let ports = self.ports();
        let record = Write::PutInstance(instance.record(&ports.vault));
        let commit = Commit::new(Point::Keys, vec![record]);
        ports.store.commit(commit).await?;
        self.engine.instances.put(Arc::new(instance));
        Ok(())
    }
}

fn verification(answer: &HandshakeAnswer, now: Timestamp) -> Verification {
    Verification {
        by: answer.provider.clone(),
        handshake: answer.handshake.clone(),
        at: now,
    }
}

fn tokens(received: &Received) -> Vec<Secret> {
    match &received.flow.options.trigger {
        TriggerKind::Webhook(WebhookTrigger::Signed { tokens, .. }) => {
            tokens.read(&*received.instance.config)
        }
        _ => Vec::new(),
    }
}

/// Whether the flow expects its sender to bring the secret.
fn brings(received: &Received) -> bool {
    matches!(
        &received.flow.options.trigger,
        TriggerKind::Webhook(WebhookTrigger::Signed { secrets, .. }) if secrets.is_outside_config()
    )
}
