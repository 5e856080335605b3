//! Which endpoints the webhooks of the integration come to, and how a request names its flow there (W2).

use schemars::JsonSchema;
use sdk::endpoint::{Field, FieldPlace, Layout, RoutedBy};
use serde::Serialize;

/// Which endpoints webhooks come to.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Endpoint")]
pub(super) struct EndpointView {
    /// `flow`: each flow of each instance has its own; `instance`: all flows of an instance share one; `shared`: all customers share one.
    layout: LayoutWord,
    /// Where a request names the customer, by its id; null if it does not, or if a flow decides.
    customer_from: Option<FieldView>,
    /// Where a request names the flow, by its key or its name; null if it does not, or if a flow decides.
    flow_from: Option<FieldView>,
    /// The key of the routing flow that decides; null if none does.
    routed_by: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EndpointLayout")]
enum LayoutWord {
    #[default]
    Flow,
    Instance,
    Shared,
}

/// A place in a request.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Field")]
struct FieldView {
    /// `header`, `query` or `body`.
    place: &'static str,
    /// The name of the header or the query parameter, or a JSON pointer into the body.
    name: String,
}

impl EndpointView {
    pub(super) fn of(layout: &Layout) -> Self {
        let (layout, routed_by) = match layout {
            Layout::PerInstance(routed_by) => (LayoutWord::Instance, routed_by),
            Layout::Shared(routed_by) => (LayoutWord::Shared, routed_by),
            _ => return Self::default(),
        };
        let mut view = Self {
            layout,
            ..Self::default()
        };
        match routed_by {
            RoutedBy::Fields { customer, flow } => {
                view.customer_from = customer.as_ref().and_then(FieldView::of);
                view.flow_from = flow.as_ref().and_then(FieldView::of);
            }
            RoutedBy::Flow(router) => view.routed_by = Some(router.options.key.to_owned()),
            _ => {}
        }
        view
    }
}

impl FieldView {
    fn of(field: &Field) -> Option<Self> {
        let (place, name) = match field.place() {
            FieldPlace::Header(name) => ("header", name),
            FieldPlace::Query(name) => ("query", name),
            FieldPlace::Body(pointer) => ("body", pointer),
            _ => return None,
        };
        let name = name.clone();
        Some(Self { place, name })
    }
}
