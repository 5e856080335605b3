//! One marked function: take its marker off, read its signature, refuse what cannot work.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit::{self, Visit};
use syn::{
    Attribute, FnArg, Ident, ImplItemFn, Meta, ReturnType, Safety, Signature, Type, TypeImplTrait,
    TypeReference, parse_quote,
};

use crate::refusals::Refusals;

/// The markers, and the method of `FlowDefinition` that each calls.
const MARKERS: [(&str, &str); 6] = [
    ("on_trigger", "on_trigger"),
    ("on_execution", "on_execution"),
    ("on_instance_deploy", "on_instance_deploy"),
    ("on_instance_remove", "on_instance_remove"),
    ("on_instance_delete", "on_instance_remove"),
    ("on_first_deploy", "on_first_deploy"),
];

/// Refuses a marker that no `#[flow]` has taken off.
pub(crate) fn misplaced(marker: &str, item: &TokenStream) -> TokenStream {
    let text = format!("`#[{marker}]` belongs on a function inside a `#[flow] impl` block");
    quote!(::core::compile_error!(#text); #item)
}

/// A marker that was taken off its function.
pub(crate) struct Marker {
    /// The method of `FlowDefinition` that it calls, on the author's token.
    pub(crate) event: Ident,
    /// The attribute as written.
    pub(crate) attribute: Attribute,
}

impl Marker {
    fn of(attribute: &Attribute) -> Option<Self> {
        let written = &attribute.path().segments.last()?.ident;
        let (_, event) = MARKERS.iter().find(|(marker, _)| written == marker)?;
        Some(Self {
            event: Ident::new(event, written.span()),
            attribute: attribute.clone(),
        })
    }

    /// Takes the markers off a function and returns the first.
    pub(crate) fn take(function: &mut ImplItemFn, refusals: &mut Refusals) -> Option<Self> {
        let mut markers: Vec<Self> = function.attrs.iter().filter_map(Self::of).collect();
        function
            .attrs
            .retain(|attribute| Self::of(attribute).is_none());
        for marker in markers.split_off(markers.len().min(1)) {
            refusals.refuse(
                &marker.attribute,
                "a function has one marker; write a second function that calls this one",
            );
        }
        let marker = markers.pop()?;
        if !matches!(marker.attribute.meta, Meta::Path(_)) {
            refusals.refuse(
                &marker.attribute,
                "a marker has no options; those of a flow belong in `#[flow(…)]`",
            );
        }
        Some(marker)
    }
}

/// Says whether a function seems to have a marker with a misspelt name, which rustc refuses by itself.
pub(crate) fn seems_marked(function: &ImplItemFn) -> bool {
    let names = function
        .attrs
        .iter()
        .filter_map(|attribute| attribute.path().segments.last());
    names
        .into_iter()
        .any(|name| name.ident.to_string().starts_with("on_"))
}

/// What the signature of a marked function says.
pub(crate) struct Function {
    event: Ident,
    name: Ident,
    context: Type,
    payload: Option<Type>,
    returned: Type,
}

impl Function {
    /// Reads a signature; refuses every part of it that cannot work.
    pub(crate) fn read(
        marker: &Marker,
        function: &ImplItemFn,
        refusals: &mut Refusals,
    ) -> Option<Self> {
        let signature = &function.sig;
        let fits = refuse_shape(function, refusals);
        let returned = read_returned(signature, refusals);
        let (context, payload) = read_parameters(signature, refusals)?;
        let function = Self {
            event: marker.event.clone(),
            name: signature.ident.clone(),
            context,
            payload,
            returned: returned?,
        };
        Some(function).filter(|_| fits)
    }

    /// Writes the call that adds this function to a `FlowDefinition`. The type arguments are the author's own tokens, so that a
    /// bound that fails is shown there.
    pub(crate) fn call(&self) -> TokenStream {
        let Self {
            event,
            name,
            context,
            payload,
            returned,
        } = self;
        // One name for the parameter and its use, wherever the function's own name comes from: it may come from another macro.
        let [first, second] =
            ["context", "payload"].map(|name| Ident::new(name, Span::mixed_site()));
        let (taken, given) = match payload {
            Some(payload) => (quote!(#payload), quote!(#first, #second)),
            None => (quote!(::sdk::__private::NoPayload), quote!(#first)),
        };
        let future = quote_spanned!(name.span()=> ::std::boxed::Box::pin(Self::#name(#given)));
        quote!(.#event::<#context, #taken, #returned>(|#first, #second| #future))
    }
}

/// Writes what a flow takes and returns when another flow calls it. The types are the author's tokens without a bound, so that a type
/// that does not fit is shown once, where the function is added.
pub(crate) fn signature_of(flow: &Type, functions: &[Function]) -> TokenStream {
    let of = |event: &str| functions.iter().find(|function| function.event == event);
    let (trigger, execution) = (of("on_trigger"), of("on_execution"));
    let Some(first) = trigger.or(execution) else {
        return TokenStream::new();
    };
    let taken = match &first.payload {
        Some(payload) => quote!(#payload),
        None => quote!(()),
    };
    let returned = match execution {
        Some(Function { returned, .. }) => quote!(#returned),
        None => quote!(::sdk::Result<()>),
    };
    quote! {
        impl ::sdk::__private::Takes<#taken> for #flow {}
        impl ::sdk::__private::Returns<#returned> for #flow {}
    }
}

/// Returns the type of the context that a function takes, whatever else is wrong with it.
pub(crate) fn context_of(function: &ImplItemFn) -> Option<&Type> {
    match function.sig.inputs.first()? {
        FnArg::Typed(parameter) => match &*parameter.ty {
            Type::Reference(reference) => Some(&reference.elem),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    }
}

/// Refuses what stands around the parameters; says whether nothing did.
fn refuse_shape(function: &ImplItemFn, refusals: &mut Refusals) -> bool {
    let signature = &function.sig;
    let mut fits = true;
    let mut refuse = |at: &dyn ToTokens, text: &str| {
        refusals.refuse(at, text);
        fits = false;
    };
    if signature.asyncness.is_none() {
        refuse(
            &signature.fn_token,
            "a flow function is `async`; write `async fn`",
        );
    }
    if !signature.generics.params.is_empty() {
        refuse(
            &signature.generics,
            "a flow function has no generics; write its types out, without lifetimes",
        );
    }
    if let Safety::Unsafe(token) = &signature.safety {
        refuse(
            token,
            "a flow function is safe to call; put the `unsafe` part into a function of its own",
        );
    }
    for attribute in &function.attrs {
        if attribute.path().is_ident("cfg") {
            refuse(
                attribute,
                "a flow has its functions in every build; put `#[cfg]` on the `impl` block, above `#[flow]`",
            );
        }
    }
    fits
}

fn read_parameters(signature: &Signature, refusals: &mut Refusals) -> Option<(Type, Option<Type>)> {
    let mut parameters = signature.inputs.iter();
    let context = match parameters.next() {
        Some(FnArg::Typed(first)) => read_context(&first.ty, refusals),
        Some(FnArg::Receiver(receiver)) => {
            refusals.refuse(
                receiver,
                "a flow function takes no `self`; a flow type is only a name, the first parameter is `context: &Context<Config>`",
            );
            return None;
        }
        None => {
            refusals.refuse(
                &signature.ident,
                "the first parameter is the context; write `context: &Context<Config>`, or `&Context` without config variables",
            );
            None
        }
    };
    let payload = match parameters.next() {
        Some(second) => read_payload(second, refusals).map(Some),
        None => Some(None),
    };
    let mut fits = true;
    for surplus in parameters {
        fits = false;
        refusals.refuse(
            surplus,
            "a flow function takes a context and a payload, nothing more; what else it needs is in the context",
        );
    }
    Some((context?, payload?)).filter(|_| fits)
}

fn read_context(first: &Type, refusals: &mut Refusals) -> Option<Type> {
    match first {
        Type::Reference(reference) if reference.mutability.is_none() && !is_static(reference) => {
            Some((*reference.elem).clone())
        }
        other => {
            refusals.refuse(
                other,
                "the first parameter is the context, by reference; write `context: &Context<Config>`, or `&Context` without config variables",
            );
            None
        }
    }
}

fn read_payload(second: &FnArg, refusals: &mut Refusals) -> Option<Type> {
    match second {
        FnArg::Typed(parameter) => owned(
            &parameter.ty,
            "the payload is handed over; take it by value, with a type that is named in full",
            refusals,
        ),
        FnArg::Receiver(_) => None,
    }
}

fn read_returned(signature: &Signature, refusals: &mut Refusals) -> Option<Type> {
    match &signature.output {
        ReturnType::Type(_, returned) => owned(
            returned,
            "what a flow function returns outlives it; return a value, with a type that is named in full",
            refusals,
        ),
        ReturnType::Default => {
            refusals.refuse(
                &signature.ident,
                "a flow function returns `Result<T>`; write `-> Result<()>` if there is nothing to return",
            );
            None
        }
    }
}

/// Returns a type that can stand as a type argument by itself; refuses borrowed and unnamed parts.
fn owned(written: &Type, text: &str, refusals: &mut Refusals) -> Option<Type> {
    struct Unowned<'a, 'r>(&'a str, &'r mut Refusals, bool);

    impl<'ast> Visit<'ast> for Unowned<'_, '_> {
        fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
            if is_static(reference) {
                visit::visit_type_reference(self, reference);
            } else {
                self.1.refuse(reference, self.0);
                self.2 = true;
            }
        }

        fn visit_type_impl_trait(&mut self, unnamed: &'ast TypeImplTrait) {
            self.1.refuse(unnamed, self.0);
            self.2 = true;
        }
    }

    let mut unowned = Unowned(text, refusals, false);
    unowned.visit_type(written);
    (!unowned.2).then(|| written.clone())
}

fn is_static(reference: &TypeReference) -> bool {
    let lifetime = reference.lifetime.as_ref();
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

/// Adds what lets a marked function have the shape of a flow function without a complaint from clippy.
pub(crate) fn allow_shape(function: &mut ImplItemFn) {
    function.attrs.push(parse_quote! {
        #[allow(clippy::needless_pass_by_value, clippy::unused_async, reason = "the shape of a flow function is fixed")]
    });
}
