//! How requests find their flow (W2): one endpoint for each flow, one for an instance, or one that all customers share.
//!
//! A sender that asks whether an endpoint is real (W41) must name the flow as well, or it is not answered: a query parameter, which
//! stands in the URL that it is given, does.
//!
//! ```
//! use sdk::endpoint::{Field, SharedEndpoint};
//! use sdk::prelude::*;
//!
//! struct Orders;
//!
//! #[flow(key = "orders")]
//! impl Orders {
//!     #[on_execution]
//!     async fn take(_context: &Context, order: String) -> Result<String> {
//!         Ok(order)
//!     }
//! }
//!
//! struct Returns;
//!
//! #[flow(key = "returns")]
//! impl Returns {
//!     #[on_execution]
//!     async fn take(_context: &Context, order: String) -> Result<String> {
//!         Ok(order)
//!     }
//! }
//!
//! let shared = SharedEndpoint::customer_from(Field::body("/account/id")).flow_from(Field::header("x-event"));
//! let integration = Integration::<()>::new("acme-orders").flow::<Orders>().flow::<Returns>().shared_endpoint(shared);
//! assert!(integration.build().is_ok());
//! ```

mod check;
mod field;

use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use self::check::check;
pub use self::field::{Field, FieldPlace};
use crate::config::ConfigVars;
use crate::flow::{Flow, FlowParts};

/// Which endpoints the webhooks of an integration come to, without types: what a runner takes (W2).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Layout {
    /// Each flow of each instance has its own.
    #[default]
    PerFlow,
    /// Each instance has one.
    PerInstance(RoutedBy),
    /// All instances share one.
    Shared(RoutedBy),
}

/// What names the flow of a request at an endpoint that flows share, and its customer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RoutedBy {
    /// Fields of the request.
    Fields {
        /// Where the customer's id stands; `None` at the endpoint of an instance.
        customer: Option<Field>,
        /// Where the flow stands; `None` if there is only one.
        flow: Option<Field>,
    },
    /// A routing flow.
    Flow(Arc<FlowParts>),
}

/// What an author declared, before it is checked.
#[derive(Debug)]
pub(crate) struct Declared {
    /// Whether all customers share it.
    pub(crate) shared: bool,
    pub(crate) customer: Option<Field>,
    pub(crate) flow: Option<Field>,
    pub(crate) router: Option<FlowParts>,
}

impl Declared {
    pub(crate) fn into_layout(self) -> Layout {
        let routed_by = match self.router {
            Some(router) => RoutedBy::Flow(Arc::new(router)),
            None => RoutedBy::Fields {
                customer: self.customer,
                flow: self.flow,
            },
        };
        if self.shared {
            Layout::Shared(routed_by)
        } else {
            Layout::PerInstance(routed_by)
        }
    }
}

/// One endpoint for all flows of an instance; `C` is the struct of config variables.
#[derive(Debug)]
pub struct InstanceEndpoint<C> {
    pub(crate) declared: Declared,
    config: PhantomData<fn(&C)>,
}

impl<C: ConfigVars> InstanceEndpoint<C> {
    /// Finds the flow by its key or its name, which stands in this field of the request.
    pub fn flow_from(field: Field) -> Self {
        Self::of(Some(field), None)
    }

    /// Lets a routing flow decide: its `#[on_execution]` gets the request and returns a [`Route`].
    ///
    /// Its own API keys and signature are checked before it runs, those of the flow that it names afterwards. It has no other
    /// functions, keeps no state, and is not listed with [`Integration::flow`](crate::Integration::flow). What it logs stands in the
    /// log of the execution that it routes.
    pub fn routed_by<F: Flow<Config = C>>() -> Self {
        Self::of(None, Some(F::definition().into_parts()))
    }

    fn of(flow: Option<Field>, router: Option<FlowParts>) -> Self {
        Self {
            declared: Declared {
                shared: false,
                customer: None,
                flow,
                router,
            },
            config: PhantomData,
        }
    }
}

/// One endpoint for all flows of all instances. Each customer has at most one instance then.
#[derive(Debug)]
pub struct SharedEndpoint {
    pub(crate) declared: Declared,
}

impl SharedEndpoint {
    /// Finds the customer by its id, which stands in this field of the request.
    pub fn customer_from(field: Field) -> Self {
        Self::of(Some(field), None)
    }

    /// Finds the flow by its key or its name, which stands in this field of the request; needed if webhooks start several flows.
    #[must_use]
    pub fn flow_from(mut self, field: Field) -> Self {
        self.declared.flow = Some(field);
        self
    }

    /// Lets a routing flow decide: its `#[on_execution]` gets the request and returns a [`Route`] that names customer and flow.
    ///
    /// It runs before a customer is known, so it has no config variables and checks no signature; with `Security::Organization` it asks
    /// for an API key. What else holds for it stands at [`InstanceEndpoint::routed_by`].
    pub fn routed_by<F: Flow<Config = ()>>() -> Self {
        Self::of(None, Some(F::definition().into_parts()))
    }

    fn of(customer: Option<Field>, router: Option<FlowParts>) -> Self {
        Self {
            declared: Declared {
                shared: true,
                customer,
                flow: None,
                router,
            },
        }
    }
}

/// Where a request goes: what a routing flow returns.
///
/// ```
/// use sdk::endpoint::Route;
/// use sdk::prelude::*;
///
/// struct Dispatch;
///
/// /// Reads from the topic of a message whose it is and what it is about.
/// #[flow(key = "dispatch")]
/// impl Dispatch {
///     #[on_execution]
///     async fn decide(_context: &Context, payload: Payload) -> Result<Route> {
///         let topic = payload.header("x-topic").unwrap_or_default();
///         let (customer, flow) = topic.split_once('/').ok_or_else(|| Error::new("the topic names no flow"))?;
///         Ok(Route::to_flow(flow).of_customer(customer))
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// The key or the name of the flow; `None` if there is only one that webhooks start.
    pub flow: Option<String>,
    /// The id of the customer; at the endpoint of an instance it changes nothing.
    pub customer: Option<String>,
}

impl Route {
    /// Goes to a flow.
    pub fn to<F: Flow>() -> Self {
        Self::to_flow(F::KEY)
    }

    /// Goes to the flow of this key or name.
    pub fn to_flow(key_or_name: impl Into<String>) -> Self {
        Self {
            flow: Some(key_or_name.into()),
            customer: None,
        }
    }

    /// Goes to the instance of this customer.
    #[must_use]
    pub fn of_customer(mut self, id: impl Into<String>) -> Self {
        self.customer = Some(id.into());
        self
    }
}
