//! `#[flow]`: takes the markers off the functions of an `impl` block and writes `impl Flow` after it.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ImplItem, Item, ItemImpl, Type, parse_quote};

use crate::function::{self, Function, Marker};
use crate::literal;
use crate::options::{self, Options};
use crate::refusals::Refusals;

/// Writes the block without its markers, `impl Flow` as far as it can be read, and every refusal.
pub(crate) fn expand(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut refusals = Refusals::default();
    let options = Options::read(attribute, &mut refusals);
    let mut block = match syn::parse2(item.clone()) {
        Ok(Item::Impl(block)) => block,
        Ok(_) => {
            refusals.keep(misplaced(Span::call_site()));
            let refusals = refusals.into_tokens();
            return quote!(#item #refusals);
        }
        Err(refusal) => {
            refusals.keep(refusal);
            let refusals = refusals.into_tokens();
            return quote!(#item #refusals);
        }
    };
    let functions = Functions::take(&mut block, &mut refusals);
    let written = write(&block, options, &functions, &mut refusals);
    let refusals = refusals.into_tokens();
    quote!(#block #written #refusals)
}

fn misplaced(at: Span) -> syn::Error {
    syn::Error::new(
        at,
        "`#[flow]` belongs on an `impl` block with marked functions, such as `impl ReceiveOrder { … }`",
    )
}

/// The marked functions of a block, in the author's order.
struct Functions {
    marked: bool,
    misspelt: bool,
    config: Option<Type>,
    readable: Vec<Function>,
}

impl Functions {
    fn take(block: &mut ItemImpl, refusals: &mut Refusals) -> Self {
        let mut taken: Vec<Marker> = Vec::new();
        let mut functions = Self {
            marked: false,
            misspelt: false,
            config: None,
            readable: Vec::new(),
        };
        for item in &mut block.items {
            let ImplItem::Fn(function) = item else {
                continue;
            };
            let Some(marker) = Marker::take(function, refusals) else {
                functions.misspelt |= function::seems_marked(function);
                continue;
            };
            functions.marked = true;
            if functions.config.is_none() {
                functions.config = function::context_of(function).cloned();
            }
            let read = Function::read(&marker, function, refusals);
            function::allow_shape(function);
            if taken.iter().any(|earlier| earlier.event == marker.event) {
                let text = format!(
                    "a flow has one `#[{}]`; remove one of the two",
                    marker.event
                );
                refusals.refuse(&marker.attribute, text);
            } else {
                functions.readable.extend(read);
            }
            taken.push(marker);
        }
        functions
    }
}

fn write(
    block: &ItemImpl,
    mut options: Options,
    functions: &Functions,
    refusals: &mut Refusals,
) -> TokenStream {
    let fits = refuse_block(block, functions, refusals);
    let key = read_key(&mut options, refusals);
    let Some(context) = functions.config.as_ref().filter(|_| fits) else {
        return TokenStream::new();
    };
    let flow = &block.self_ty;
    let checks = literal::check_calls(options.values());
    let check_key = key.as_ref().map(
        |key| quote_spanned!(key.span()=> const _: () = ::sdk::__private::check_flow_key(<#flow as ::sdk::Flow>::KEY);),
    );
    let key = key.unwrap_or_else(|| parse_quote!(""));
    let description = options::description(&block.attrs);
    let options = options.calls();
    let calls = functions.readable.iter().map(Function::call);
    // On the context's place: there rustc shows, once, that the context is none.
    let implemented = quote_spanned! {context.span()=>
        impl ::sdk::Flow for #flow {
            type Config = <#context as ::sdk::__private::FlowContext>::Config;

            const KEY: &'static str = #key;

            fn definition() -> ::sdk::__private::FlowDefinition<Self::Config> {
                ::sdk::__private::FlowDefinition::new(
                    ::sdk::__private::FlowOptions::<Self::Config>::new(Self::KEY) #description #options
                )
                #(#calls)*
            }
        }
    };
    let signature = function::signature_of(flow, &functions.readable);
    quote!(#implemented #signature #check_key #checks)
}

fn refuse_block(block: &ItemImpl, functions: &Functions, refusals: &mut Refusals) -> bool {
    if let Some((path, _)) = &block.trait_ {
        let text = "`#[flow]` belongs on an `impl` block without a trait; write its functions into one of their own";
        refusals.refuse(path, text);
        return false;
    }
    if !block.generics.params.is_empty() {
        let text = "a flow type has no generics; it is only a name, such as `struct ReceiveOrder;`";
        refusals.refuse(&block.generics, text);
        return false;
    }
    if !functions.marked && !functions.misspelt {
        let text = "a flow has a function; mark one with `#[on_execution]`";
        refusals.refuse(&block.self_ty, text);
    }
    true
}

/// Takes the key out of the options. Without one the flow is refused, unless the key may be among what could not be read.
fn read_key(options: &mut Options, refusals: &mut Refusals) -> Option<Expr> {
    let key = options.take("key");
    if key.is_none() && !options.is_unreadable() {
        refusals.keep(syn::Error::new(
            Span::call_site(),
            "a flow has a lasting key; write `#[flow(key = \"receive-order\")]`",
        ));
    }
    key
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::expand;

    fn expanded(options: proc_macro2::TokenStream, item: &proc_macro2::TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expand(options, item)).unwrap())
    }

    #[test]
    fn a_block_stays_as_written_and_a_flow_follows_it() {
        let options = quote!(
            key = "receive-order",
            trigger = Schedule::cron("0 9 * * *"),
            retry = Retry::times(5)
        );
        let block = quote! {
            /// Files an order.
            impl ReceiveOrder {
                #[on_trigger]
                async fn look(context: &Context<Config>) -> Result<Order> { todo() }
                #[on_execution]
                async fn file(context: &Context<Config>, order: Order) -> Result<Receipt> { todo() }
            }
        };
        insta::assert_snapshot!(expanded(options, &block), @r##"
        /// Files an order.
        impl ReceiveOrder {
            #[allow(
                clippy::needless_pass_by_value,
                clippy::unused_async,
                reason = "the shape of a flow function is fixed"
            )]
            async fn look(context: &Context<Config>) -> Result<Order> {
                todo()
            }
            #[allow(
                clippy::needless_pass_by_value,
                clippy::unused_async,
                reason = "the shape of a flow function is fixed"
            )]
            async fn file(context: &Context<Config>, order: Order) -> Result<Receipt> {
                todo()
            }
        }
        impl ::sdk::Flow for ReceiveOrder {
            type Config = <Context<Config> as ::sdk::__private::FlowContext>::Config;
            const KEY: &'static str = "receive-order";
            fn definition() -> ::sdk::__private::FlowDefinition<Self::Config> {
                ::sdk::__private::FlowDefinition::new(
                        ::sdk::__private::FlowOptions::<Self::Config>::new(Self::KEY)
                            .description("Files an order.")
                            .trigger(Schedule::cron("0 9 * * *"))
                            .retry(Retry::times(5)),
                    )
                    .on_trigger::<
                        Context<Config>,
                        ::sdk::__private::NoPayload,
                        Result<Order>,
                    >(|context, payload| ::std::boxed::Box::pin(Self::look(context)))
                    .on_execution::<
                        Context<Config>,
                        Order,
                        Result<Receipt>,
                    >(|context, payload| ::std::boxed::Box::pin(Self::file(context, payload)))
            }
        }
        impl ::sdk::__private::Takes<()> for ReceiveOrder {}
        impl ::sdk::__private::Returns<Result<Receipt>> for ReceiveOrder {}
        const _: () = ::sdk::__private::check_flow_key(<ReceiveOrder as ::sdk::Flow>::KEY);
        const _: () = ::sdk::__private::check_cron("0 9 * * *");
        "##);
    }

    #[test]
    fn what_is_refused_is_left_out_and_the_rest_is_written() {
        let options = quote!(key = "receive-order", retry = 1, retry = 2);
        let block = quote! {
            impl ReceiveOrder {
                #[on_execution]
                fn file(context: &Context) -> Result<Receipt> { todo() }
            }
        };
        insta::assert_snapshot!(expanded(options, &block), @r##"
        impl ReceiveOrder {
            #[allow(
                clippy::needless_pass_by_value,
                clippy::unused_async,
                reason = "the shape of a flow function is fixed"
            )]
            fn file(context: &Context) -> Result<Receipt> {
                todo()
            }
        }
        impl ::sdk::Flow for ReceiveOrder {
            type Config = <Context as ::sdk::__private::FlowContext>::Config;
            const KEY: &'static str = "receive-order";
            fn definition() -> ::sdk::__private::FlowDefinition<Self::Config> {
                ::sdk::__private::FlowDefinition::new(
                    ::sdk::__private::FlowOptions::<Self::Config>::new(Self::KEY).retry(1),
                )
            }
        }
        const _: () = ::sdk::__private::check_flow_key(<ReceiveOrder as ::sdk::Flow>::KEY);
        ::core::compile_error! {
            "`retry` is set twice; remove one of the two"
        }
        ::core::compile_error! {
            "a flow function is `async`; write `async fn`"
        }
        "##);
    }
}
