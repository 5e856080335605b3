//! The attributes and derives of `sdk`: syntax only. They are documented where `sdk` re-exports them.
//!
//! What they write is one short expression over `::sdk::__private`; every meaning lies in the library.

mod config;
mod flow;
mod function;
mod literal;
mod options;
mod pick_list;
mod refusals;

use proc_macro::TokenStream;

/// Makes a flow of an `impl` block.
#[proc_macro_attribute]
pub fn flow(options: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(options.into(), &item.into()).into()
}

/// Marks the function of a flow that runs when its trigger fires.
#[proc_macro_attribute]
pub fn on_trigger(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::misplaced("on_trigger", &item.into()).into()
}

/// Marks the function of a flow that does its work.
#[proc_macro_attribute]
pub fn on_execution(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::misplaced("on_execution", &item.into()).into()
}

/// Marks the function of a flow that runs at each deploy of an instance.
#[proc_macro_attribute]
pub fn on_instance_deploy(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::misplaced("on_instance_deploy", &item.into()).into()
}

/// Marks the function of a flow that runs when an instance is removed.
#[proc_macro_attribute]
pub fn on_instance_remove(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::misplaced("on_instance_remove", &item.into()).into()
}

/// Another name of `on_instance_remove`.
#[proc_macro_attribute]
pub fn on_instance_delete(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::misplaced("on_instance_delete", &item.into()).into()
}

/// Marks the function of a flow that runs at the first deploy of an instance.
#[proc_macro_attribute]
pub fn on_first_deploy(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    function::misplaced("on_first_deploy", &item.into()).into()
}

/// Makes config variables of the fields of a struct.
#[proc_macro_derive(ConfigVars, attributes(config))]
pub fn config_vars(item: TokenStream) -> TokenStream {
    config::expand(item.into()).into()
}

/// Makes the choices of a pick list of the variants of an enum.
#[proc_macro_derive(PickList, attributes(choice))]
pub fn pick_list(item: TokenStream) -> TokenStream {
    pick_list::expand(item.into()).into()
}
