//! Calls from one flow to another of the same instance (E5).

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::flow::{Flow, Returns, Takes};
use crate::host::{Called, Host};
use crate::id::{ExecutionId, FlowKey};
use crate::json;
use crate::payload::Payload;
use crate::response::Output;

impl<C> Context<C> {
    /// Returns what starts another flow of this instance, with the types of that flow (E5).
    ///
    /// ```
    /// use sdk::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Parcel {
    ///     grams: u32,
    /// }
    ///
    /// struct Price;
    ///
    /// #[flow(key = "price")]
    /// impl Price {
    ///     #[on_execution]
    ///     async fn price(_context: &Context, parcel: Parcel) -> Result<u32> {
    ///         Ok(parcel.grams / 100 + 4)
    ///     }
    /// }
    ///
    /// struct Ship;
    ///
    /// #[flow(key = "ship")]
    /// impl Ship {
    ///     #[on_execution]
    ///     async fn ship(context: &Context, parcel: Parcel) -> Result<String> {
    ///         let price: u32 = context.handle::<Price>().call(&parcel).await?;
    ///         Ok(format!("{price} EUR"))
    ///     }
    /// }
    ///
    /// assert_eq!(Integration::<()>::new("parcels").flow::<Price>().flow::<Ship>().build().unwrap().flows.len(), 2);
    /// ```
    pub fn handle<F: Flow>(&self) -> FlowHandle<'_, F> {
        FlowHandle {
            host: self.host(),
            flow: PhantomData,
        }
    }
}

/// Starts flow `F` of the instance, or calls it and waits (E5). Each call is an execution of its own that names its caller, with the
/// time limit of its flow. What is started has the queue and the retries of its flow too; what is waited for runs at once and once: its
/// failure is the caller's to try again. Made by [`Context::handle`].
///
/// An execution that is tried again calls again, unless the call stands in a step that had finished. At most 1000 executions wait for one
/// another; a flow that goes on for longer starts itself.
pub struct FlowHandle<'a, F> {
    host: &'a dyn Host,
    flow: PhantomData<fn(&F)>,
}

impl<F: Flow> FlowHandle<'_, F> {
    /// Starts the flow, and returns the id of its execution once that is durable. The payload is what its first function takes, `&()`
    /// if that takes none.
    ///
    /// # Errors
    ///
    /// The integration does not list the flow, the payload cannot be written as JSON, or the store cannot take the execution.
    pub async fn start<P>(&self, payload: &P) -> Result<ExecutionId>
    where
        F: Takes<P>,
        P: IntoPayload,
    {
        let payload = payload.to_payload()?;
        let key = FlowKey::new(F::KEY);
        let called = self.host.call(key, payload, false).await?;
        Ok(called.execution_id)
    }

    /// Runs the flow and waits for its result.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start); the flow fails, then with its text; its result cannot be read as what it returns; or 1000 executions
    /// wait for one another already.
    pub async fn call<P, R, E>(&self, payload: &P) -> Result<R>
    where
        F: Takes<P> + Returns<std::result::Result<R, E>>,
        P: IntoPayload,
        R: FromOutput,
    {
        let called = self.call_with(payload.to_payload()?).await?;
        let output = called.output.unwrap_or_default();
        let misfit = || format!("flow `{}` was called", F::KEY);
        R::from_output(output).map_err(|error| error.context(misfit()))
    }

    /// As [`call`](Self::call), with any payload, headers and query included, and with the whole result.
    ///
    /// # Errors
    ///
    /// The integration does not list the flow, the store cannot take the execution, or the flow fails: then with its text.
    pub async fn call_with(&self, payload: Payload) -> Result<Called> {
        self.host.call(FlowKey::new(F::KEY), payload, true).await
    }
}

impl<F: Flow> fmt::Debug for FlowHandle<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlowHandle").field(&F::KEY).finish()
    }
}

/// What another flow can be called with: [`Payload`] as it is, or anything that serialises, which becomes the body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to another flow; derive `serde::Serialize` for it, or use `call_with`",
    label = "does not serialise"
)]
pub trait IntoPayload {
    /// Writes the payload.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON.
    fn to_payload(&self) -> Result<Payload>;
}

impl IntoPayload for Payload {
    fn to_payload(&self) -> Result<Payload> {
        Ok(self.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> IntoPayload for T {
    fn to_payload(&self) -> Result<Payload> {
        let data = json::to_value(self).map_err(|fault| {
            Error::new(format!(
                "the payload for the other flow is not JSON: {fault}"
            ))
            .permanent()
        })?;
        Ok(Payload::json(&data))
    }
}

/// What the result of another flow can be read as: [`Output`] as it is, or anything that deserialises.
#[diagnostic::on_unimplemented(
    message = "the result of another flow cannot be read as `{Self}`; derive `serde::Deserialize` for it, or use `call_with`",
    label = "does not deserialise"
)]
pub trait FromOutput: Sized {
    /// Reads the result.
    ///
    /// # Errors
    ///
    /// The result is not JSON, or not of this shape.
    fn from_output(output: Output) -> Result<Self>;
}

impl FromOutput for Output {
    fn from_output(output: Output) -> Result<Self> {
        Ok(output)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromOutput for T {
    fn from_output(output: Output) -> Result<Self> {
        let bytes = output.to_bytes();
        // A flow without a result gives nothing, which reads as `()` or `None`.
        let document: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(document).map_err(|fault| {
            let kind = std::any::type_name::<T>();
            Error::new(format!("the result cannot be read as `{kind}`: {fault}")).permanent()
        })
    }
}
