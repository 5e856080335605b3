//! All instances, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use sdk::Timestamp;
use sdk::id::{CustomerId, FlowKey, InstanceId};

use super::Instance;

/// All instances, in memory: a webhook is routed without asking the store.
#[derive(Debug, Default)]
pub struct Instances(RwLock<Table>);

/// Who listens on an endpoint (W2).
#[derive(Clone, Debug)]
pub enum Listener {
    /// One flow of an instance.
    Flow(Arc<Instance>, FlowKey),
    /// An instance: a request says which of its flows is meant.
    Instance(Arc<Instance>),
    /// All customers: a request says whose flow is meant. This stands for none of them.
    Shared(Arc<Instance>),
}

#[derive(Debug, Default)]
struct Table {
    by_id: BTreeMap<InstanceId, Arc<Instance>>,
    by_endpoint: HashMap<String, Place>,
    by_customer: HashMap<CustomerId, BTreeSet<InstanceId>>,
    shared: Option<Arc<Instance>>,
}

#[derive(Debug)]
enum Place {
    Flow(InstanceId, FlowKey),
    Instance(InstanceId),
}

impl Table {
    fn forget(&mut self, id: &InstanceId) {
        let Some(instance) = self.by_id.remove(id) else {
            return;
        };
        let facts = &instance.facts;
        for endpoint in facts.endpoints.values().chain(&facts.endpoint) {
            self.by_endpoint.remove(endpoint);
        }
        if let Some(of_customer) = self.by_customer.get_mut(&facts.customer_id) {
            of_customer.remove(id);
            if of_customer.is_empty() {
                self.by_customer.remove(&facts.customer_id);
            }
        }
    }
}

impl Instances {
    /// Adds an instance, or puts it in the place of the one with its id.
    pub fn put(&self, instance: Arc<Instance>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.forget(&instance.id);
        if instance.is_removed() {
            // Its endpoints are as unknown as those of one that never was, and its customer may have another.
            table.by_id.insert(instance.id.clone(), instance);
            return;
        }
        for (flow, endpoint) in &instance.facts.endpoints {
            let place = Place::Flow(instance.id.clone(), flow.clone());
            table.by_endpoint.insert(endpoint.clone(), place);
        }
        if let Some(endpoint) = &instance.facts.endpoint {
            let place = Place::Instance(instance.id.clone());
            table.by_endpoint.insert(endpoint.clone(), place);
        }
        let customer = instance.facts.customer_id.clone();
        let of_customer = table.by_customer.entry(customer).or_default();
        of_customer.insert(instance.id.clone());
        table.by_id.insert(instance.id.clone(), instance);
    }

    /// Opens the endpoint that all customers share; what stands for none of them holds its id.
    pub fn share(&self, nobody: Arc<Instance>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.shared = Some(nobody);
    }

    /// Forgets an instance.
    pub fn remove(&self, id: &InstanceId) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.forget(id);
    }

    /// Returns an instance that is not removed.
    pub fn get(&self, id: &InstanceId) -> Option<Arc<Instance>> {
        self.find(id).filter(|instance| !instance.is_removed())
    }

    /// Returns an instance, also one that is removed and not erased yet.
    pub fn find(&self, id: &InstanceId) -> Option<Arc<Instance>> {
        self.table().by_id.get(id).cloned()
    }

    /// Returns how many instances there are that are not removed.
    pub fn count(&self) -> usize {
        let table = self.table();
        let found = table.by_id.values();
        found.filter(|instance| !instance.is_removed()).count()
    }

    /// Returns the instances that are to be erased, each with the time of it, the first one first.
    pub fn to_erase(&self) -> Vec<(Timestamp, InstanceId)> {
        let table = self.table();
        let removed = table.by_id.values().filter(|found| found.is_removed());
        let mut all: Vec<_> = removed
            .map(|found| {
                let at = found.facts.erase_at.unwrap_or_default();
                (at, found.id.clone())
            })
            .collect();
        all.sort();
        all
    }

    /// Returns who listens on an endpoint.
    pub fn at_endpoint(&self, endpoint: &str) -> Option<Listener> {
        let table = self.table();
        if let Some(place) = table.by_endpoint.get(endpoint) {
            let (Place::Flow(id, _) | Place::Instance(id)) = place;
            let instance = table.by_id.get(id).cloned()?;
            return Some(match place {
                Place::Flow(_, flow) => Listener::Flow(instance, flow.clone()),
                Place::Instance(_) => Listener::Instance(instance),
            });
        }
        let shared = table.shared.as_ref()?;
        let is_meant = shared.facts.shared_endpoint.as_deref() == Some(endpoint);
        is_meant.then(|| Listener::Shared(Arc::clone(shared)))
    }

    /// Returns the id of the endpoint that all customers share, if there is one.
    pub fn shared_endpoint(&self) -> Option<String> {
        let table = self.table();
        table.shared.as_ref()?.facts.shared_endpoint.clone()
    }

    /// Returns the instances of a customer, in the order of their ids.
    pub fn of_customer(&self, customer: &str) -> Vec<Arc<Instance>> {
        let table = self.table();
        let ids = table.by_customer.get(customer).into_iter().flatten();
        ids.filter_map(|id| table.by_id.get(id).cloned()).collect()
    }

    /// Returns the ids of the customers that have an instance, sorted.
    pub fn customers(&self) -> Vec<CustomerId> {
        let mut customers: Vec<_> = self.table().by_customer.keys().cloned().collect();
        customers.sort();
        customers
    }

    /// Returns all instances, in the order of their ids: also those that are removed and not erased yet.
    pub fn all(&self) -> Vec<Arc<Instance>> {
        self.table().by_id.values().cloned().collect()
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
