//! The endpoints of an instance: made at its first deploy, the same at every later one (W1, W2).

use std::collections::BTreeMap;
use std::sync::Arc;

use sdk::endpoint::Layout;
use sdk::id::{CustomerId, FlowKey, InstanceId};
use sdk::options::Security;
use sdk::trigger::TriggerKind;

use super::turn::Turn;
use super::{DeployError, DeployRequest, Deployer};
use crate::instance::{ApiKey, Instance, InstanceFacts};
use crate::store::{Commit, Point, Write};

/// The endpoint ids of an instance.
pub(super) struct Endpoints {
    pub(super) of_flows: BTreeMap<FlowKey, String>,
    pub(super) own: Option<String>,
    pub(super) shared: Option<String>,
}

impl Deployer {
    /// Keeps the endpoints that the instance has, and makes those that it lacks. A flow has its own URL or its own schedule, not both
    /// (E1). What another layout gave out before goes on working.
    pub(super) fn endpoints(&self, before: Option<&InstanceFacts>) -> Endpoints {
        let ports = &self.engine.ports;
        let layout = &ports.integration.layout;
        let mut of_flows = BTreeMap::new();
        for flow in &ports.integration.flows {
            let options = &flow.options;
            if !matches!(options.trigger, TriggerKind::Webhook(_)) {
                continue;
            }
            let kept = before.and_then(|before| before.endpoints.get(options.key).cloned());
            let made = || matches!(layout, Layout::PerFlow).then(|| ports.entropy.unguessable());
            if let Some(endpoint) = kept.or_else(made) {
                of_flows.insert(FlowKey::new(options.key), endpoint);
            }
        }
        let own = before.and_then(|before| before.endpoint.clone());
        let made = || matches!(layout, Layout::PerInstance(_)).then(|| ports.entropy.unguessable());
        Endpoints {
            of_flows,
            own: own.or_else(made),
            shared: self.engine.instances.shared_endpoint(),
        }
    }

    /// Forgets the signing secret that a sender brought to a flow, so that its next handshake may bring another; returns whether there was
    /// one (W41). Until then every delivery to the flow is refused, and whoever asks first can bring a secret.
    ///
    /// # Errors
    ///
    /// There is no such instance or flow, it is being deployed or removed, or the store cannot take it.
    pub async fn forget_secret(
        &self,
        id: &InstanceId,
        flow: &FlowKey,
    ) -> Result<bool, DeployError> {
        let _turn = self.take_turn(id)?;
        self.demand_flow(flow)?;
        let mut found = false;
        self.change(id, Point::Keys, |facts, secrets| {
            found = secrets.brought.remove(flow).is_some();
            if found {
                facts.verified.remove(flow);
            }
        })
        .await?;
        Ok(found)
    }

    /// Makes the endpoint that all customers share, if the integration has one and it is not there: it is kept apart from the
    /// instances, so that it outlives each of them.
    pub(super) async fn share(&self) -> Result<(), DeployError> {
        let ports = &self.engine.ports;
        let _alone = self.sharing.lock().await;
        let is_there = self.engine.instances.shared_endpoint().is_some();
        if is_there || !matches!(ports.integration.layout, Layout::Shared(_)) {
            return Ok(());
        }
        let nobody = Instance::nobody(
            ports.entropy.unguessable(),
            ports.clock.now(),
            &ports.integration,
            &ports.public_url,
        );
        let write = Write::PutInstance(nobody.record(&ports.vault));
        ports
            .store
            .commit(Commit::new(Point::Deploy, vec![write]))
            .await?;
        self.engine.instances.share(Arc::new(nobody));
        Ok(())
    }

    /// Where customers share an endpoint, each has one instance at most: two could not be told apart. The right to deploy for the
    /// customer ends when what is returned is dropped.
    pub(super) fn take_customer(
        &self,
        id: &InstanceId,
        existing: Option<&Instance>,
        request: &DeployRequest,
    ) -> Result<Option<Turn<'_>>, DeployError> {
        if !matches!(self.engine.ports.integration.layout, Layout::Shared(_)) {
            return Ok(None);
        }
        let named = request.customer.as_ref().map(|customer| &customer.id);
        let known = existing.map(|instance| &instance.facts.customer_id);
        let customer: CustomerId = match named.or(known) {
            Some(customer) => customer.clone(),
            None => CustomerId::new(id.as_str()),
        };
        let turn = self.take_turn(&InstanceId::new(format!("of customer {customer}")))?;
        let others = self.engine.instances.of_customer(customer.as_str());
        match others.into_iter().find(|other| other.id != *id) {
            Some(other) => Err(DeployError::CustomerTaken {
                customer,
                instance: other.id.clone(),
            }),
            None => Ok(Some(turn)),
        }
    }

    /// Refuses a deploy while a flow that demands an API key has none (W6).
    pub(super) fn demand_keys(
        &self,
        keys: &BTreeMap<FlowKey, Vec<ApiKey>>,
    ) -> Result<(), DeployError> {
        for flow in &self.engine.ports.integration.flows {
            let options = &flow.options;
            let has_one = keys.get(options.key).is_some_and(|keys| !keys.is_empty());
            if options.security == Security::CustomerRequired && !has_one {
                return Err(DeployError::KeyMissing(options.key.into()));
            }
        }
        Ok(())
    }
}
