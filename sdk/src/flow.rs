//! Flows: what `#[flow]` makes of an `impl` block.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::config::ConfigVars;
use crate::context::{Context, ExecutionFacts};
use crate::error::{Error, Result};
use crate::host::{BoxFuture, Host};
use crate::options::{FlowOptions, Settled};
use crate::payload::{FlowPayload, Payload};
use crate::response::{FlowOutput, FromTrigger, Output, TriggerOutput};

/// One path from a trigger to a result. `#[flow]` on an `impl` block implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a flow; put `#[flow(key = \"…\")]` on its `impl` block",
    label = "not a flow"
)]
pub trait Flow {
    /// The struct of config variables that its functions read.
    type Config: ConfigVars;

    /// The lasting key (E1).
    const KEY: &'static str;

    /// Returns the options and functions.
    fn definition() -> FlowDefinition<Self::Config>;
}

/// A flow whose first function takes a `P`, or `()` if it takes no payload. `#[flow]` implements it, for
/// [`FlowHandle`](crate::handle::FlowHandle) (E5).
#[diagnostic::on_unimplemented(
    message = "flow `{Self}` does not take `{P}`",
    label = "not what the flow takes"
)]
pub trait Takes<P>: Flow {}

/// A flow whose `#[on_execution]` returns an `R`, which is a `Result`. `#[flow]` implements it, for
/// [`FlowHandle`](crate::handle::FlowHandle) (E5).
#[diagnostic::on_unimplemented(
    message = "flow `{Self}` does not return `{R}`",
    label = "not what the flow returns"
)]
pub trait Returns<R>: Flow {}

/// The values of the config variables of an instance, whatever their type.
pub type AnyConfig = Arc<dyn Any + Send + Sync>;

/// What a flow function is called with. For those who write a runner.
#[derive(Clone)]
pub struct Call {
    /// The values of the config variables.
    pub config: AnyConfig,
    /// What does not change while the execution runs.
    pub facts: Arc<ExecutionFacts>,
    /// What the execution asks of the world.
    pub host: Arc<dyn Host>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Call {
    fn context<C: Send + Sync + 'static>(self) -> Result<Context<C>> {
        let config = self.config.downcast::<C>().map_err(|_| {
            let wanted = std::any::type_name::<C>();
            Error::new(format!(
                "the flow reads config variables of type `{wanted}`, the integration has others"
            ))
            .permanent()
        })?;
        Ok(Context::new(config, self.facts, self.host))
    }
}

/// A flow function without its types: one decode, one call, one encode. `R` is what the runner gets.
pub struct FlowFn<R> {
    function: Arc<dyn Fn(Call, Payload) -> BoxFuture<'static, Result<R>> + Send + Sync>,
    decodes: bool,
}

impl<R> FlowFn<R> {
    fn new<T: FlowPayload>(
        function: impl Fn(Call, Payload) -> BoxFuture<'static, Result<R>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            function: Arc::new(function),
            decodes: T::DECODES,
        }
    }

    /// Calls the function.
    pub fn call(&self, call: Call, payload: Payload) -> BoxFuture<'static, Result<R>> {
        (self.function)(call, payload)
    }

    /// Says whether the function takes a type of its own, which is decoded from the body, or nothing: then JSON that came need only be
    /// checked ([`Body::from_json_text`](crate::Body::from_json_text)), not read.
    pub fn decodes(&self) -> bool {
        self.decodes
    }
}

impl<R: 'static> FlowFn<R> {
    /// Returns a function that is called in the place of this one and gets this one to call. For those who test what a runner does
    /// with a function that fails.
    #[must_use]
    pub fn wrapped(
        self,
        outer: impl Fn(&Self, Call, Payload) -> BoxFuture<'static, Result<R>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            decodes: self.decodes,
            function: Arc::new(move |call, payload| outer(&self, call, payload)),
        }
    }
}

impl<R> Clone for FlowFn<R> {
    fn clone(&self) -> Self {
        Self {
            function: Arc::clone(&self.function),
            decodes: self.decodes,
        }
    }
}

impl<R> fmt::Debug for FlowFn<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowFn")
    }
}

/// The functions of a flow, without their types.
#[derive(Clone, Debug, Default)]
pub struct FlowFunctions {
    /// `#[on_trigger]`.
    pub on_trigger: Option<FlowFn<TriggerOutput>>,
    /// `#[on_execution]`.
    pub on_execution: Option<FlowFn<Output>>,
    /// `#[on_instance_deploy]`.
    pub on_instance_deploy: Option<FlowFn<Output>>,
    /// `#[on_instance_remove]`.
    pub on_instance_remove: Option<FlowFn<Output>>,
    /// `#[on_first_deploy]`.
    pub on_first_deploy: Option<FlowFn<Output>>,
}

/// One flow of an integration, without the type of its config variables.
#[derive(Clone, Debug)]
pub struct FlowParts {
    /// What the author says of it.
    pub options: Settled,
    /// Its functions.
    pub functions: FlowFunctions,
}

/// The options and functions of a flow whose functions read config variables of type `C`.
#[derive(Debug)]
pub struct FlowDefinition<C> {
    options: Settled,
    functions: FlowFunctions,
    config: PhantomData<fn(&C)>,
}

impl<C: Send + Sync + 'static> FlowDefinition<C> {
    /// Begins with the options.
    pub fn new(options: FlowOptions<C>) -> Self {
        Self {
            options: options.settled,
            functions: FlowFunctions::default(),
            config: PhantomData,
        }
    }

    /// Takes the types away.
    pub fn into_parts(self) -> FlowParts {
        FlowParts {
            options: self.options,
            functions: self.functions,
        }
    }

    /// Adds `#[on_trigger]`.
    #[must_use]
    pub fn on_trigger<K, T, R>(mut self, function: TypedFn<K, T, R>) -> Self
    where
        K: SharedContext<C>,
        T: FlowPayload + 'static,
        R: TriggerReturn + 'static,
    {
        self.functions.on_trigger = Some(FlowFn::new::<T>(move |call, payload| {
            Box::pin(async move {
                let context = call.context::<C>()?;
                let given = payload.clone();
                let returned = function(K::share(&context), take::<T>(payload)?).await;
                returned.into_trigger_output(&given)
            })
        }));
        self
    }

    /// Adds `#[on_execution]`.
    #[must_use]
    pub fn on_execution<K, T, R>(mut self, function: TypedFn<K, T, R>) -> Self
    where
        K: SharedContext<C>,
        T: FlowPayload + 'static,
        R: FlowReturn + 'static,
    {
        self.functions.on_execution = Some(erase::<C, K, T, R>(function));
        self
    }

    /// Adds `#[on_instance_deploy]`.
    #[must_use]
    pub fn on_instance_deploy<K, T, R>(mut self, function: TypedFn<K, T, R>) -> Self
    where
        K: SharedContext<C>,
        T: FlowPayload + 'static,
        R: FlowReturn + 'static,
    {
        self.functions.on_instance_deploy = Some(erase::<C, K, T, R>(function));
        self
    }

    /// Adds `#[on_instance_remove]`.
    #[must_use]
    pub fn on_instance_remove<K, T, R>(mut self, function: TypedFn<K, T, R>) -> Self
    where
        K: SharedContext<C>,
        T: FlowPayload + 'static,
        R: FlowReturn + 'static,
    {
        self.functions.on_instance_remove = Some(erase::<C, K, T, R>(function));
        self
    }

    /// Adds `#[on_first_deploy]`.
    #[must_use]
    pub fn on_first_deploy<K, T, R>(mut self, function: TypedFn<K, T, R>) -> Self
    where
        K: SharedContext<C>,
        T: FlowPayload + 'static,
        R: FlowReturn + 'static,
    {
        self.functions.on_first_deploy = Some(erase::<C, K, T, R>(function));
        self
    }
}

/// A flow function with its types: context, payload, what it returns.
pub type TypedFn<K, T, R> = for<'a> fn(&'a K, T) -> BoxFuture<'a, R>;

fn erase<C, K, T, R>(function: TypedFn<K, T, R>) -> FlowFn<Output>
where
    C: Send + Sync + 'static,
    K: SharedContext<C>,
    T: FlowPayload + 'static,
    R: FlowReturn + 'static,
{
    FlowFn::new::<T>(move |call, payload| {
        Box::pin(async move {
            let context = call.context::<C>()?;
            function(K::share(&context), take::<T>(payload)?)
                .await
                .into_output()
        })
    })
}

/// Makes what a function takes. Whoever looks into the body finds its JSON read.
fn take<T: FlowPayload>(mut payload: Payload) -> Result<T> {
    if !T::DECODES {
        payload.body = payload.body.into_read();
    }
    T::from_payload(payload)
}

/// A function that takes no payload reads this from whatever came.
#[derive(Clone, Copy, Debug)]
pub struct NoPayload;

impl FlowPayload for NoPayload {
    const DECODES: bool = true;

    fn from_payload(_payload: Payload) -> Result<Self> {
        Ok(Self)
    }
}

/// The type of the first parameter of a flow function, without its `&`: [`Context`] of a struct of config variables.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the context of a flow; the first parameter is `context: &Context<Config>`, or `&Context` without config variables",
    label = "must be `Context<…>` of a struct that derives `ConfigVars`"
)]
pub trait FlowContext {
    /// The struct of config variables.
    type Config;
}

impl<C> FlowContext for Context<C> {
    type Config = C;
}

/// The context that all functions of a flow share: [`Context`] of the struct `C` of config variables that the first one reads.
#[diagnostic::on_unimplemented(
    message = "all functions of a flow take the same context; the first one takes `Context<{C}>`, this one `{Self}`",
    label = "must be `Context<{C}>`"
)]
pub trait SharedContext<C>: Sized + 'static {
    /// Returns the context as the function takes it.
    fn share(context: &Context<C>) -> &Self;
}

#[diagnostic::do_not_recommend]
impl<C: ReadBy<K>, K: 'static> SharedContext<C> for K {
    fn share(context: &Context<C>) -> &Self {
        C::context(context)
    }
}

/// [`SharedContext`] seen from the config variables. Where these are not known because something else is wrong, this bound stays
/// open, and the author does not read a second error.
pub trait ReadBy<K>: Sized {
    /// Returns the context as the function takes it.
    fn context(context: &Context<Self>) -> &K;
}

impl<C> ReadBy<Context<C>> for C {
    fn context(context: &Context<C>) -> &Context<C> {
        context
    }
}

/// What `#[on_execution]` and the lifecycle functions return: `Result<T>` of a value that is a [`FlowOutput`].
#[diagnostic::on_unimplemented(
    message = "a flow function returns `Result<T>`, where `T` serialises or is `Output` or `HttpResponse`; `{Self}` is not that",
    label = "must be `Result<T>`"
)]
pub trait FlowReturn: Send {
    /// Writes what was returned.
    ///
    /// # Errors
    ///
    /// The function failed, or its result cannot be written.
    fn into_output(self) -> Result<Output>;
}

impl<R: FlowOutput, E: Failure> FlowReturn for Result<R, E> {
    fn into_output(self) -> Result<Output> {
        self.map_err(Into::into)?.into_output()
    }
}

/// The error of a flow function: [`Error`], or any error that becomes one.
#[diagnostic::on_unimplemented(
    message = "a flow function fails with `Error` or with a type that implements `std::error::Error`; `{Self}` is neither",
    label = "write `Result<T>`, and `Error::new` for a text"
)]
pub trait Failure: Into<Error> + Send {}

#[diagnostic::do_not_recommend]
impl<E: Into<Error> + Send> Failure for E {}

/// What `#[on_trigger]` returns: `Result<T>` of a value that is a [`FromTrigger`].
#[diagnostic::on_unimplemented(
    message = "`#[on_trigger]` returns `Result<T>`, where `T` serialises or is `Payload`, `HttpResponse` or `TriggerOutput`; `{Self}` is not that",
    label = "must be `Result<T>`"
)]
pub trait TriggerReturn: Send {
    /// Reads what was returned.
    ///
    /// # Errors
    ///
    /// The function failed, or what it returned cannot be written.
    fn into_trigger_output(self, payload: &Payload) -> Result<TriggerOutput>;
}

impl<R: FromTrigger, E: Failure> TriggerReturn for Result<R, E> {
    fn into_trigger_output(self, payload: &Payload) -> Result<TriggerOutput> {
        self.map_err(Into::into)?.into_trigger_output(payload)
    }
}
