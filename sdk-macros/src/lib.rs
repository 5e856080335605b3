//! x
use proc_macro::TokenStream;
macro_rules! a { ($($n:ident)*) => {$(
/// x
#[proc_macro_attribute] pub fn $n(_a: TokenStream, i: TokenStream) -> TokenStream { i })*} }
a! {flow on_execution on_first_deploy on_instance_delete on_instance_deploy on_instance_remove on_trigger}
/// x
#[proc_macro_derive(ConfigVars, attributes(config))]
pub fn c(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// x
#[proc_macro_derive(PickList, attributes(choice))]
pub fn p(_i: TokenStream) -> TokenStream {
    TokenStream::new()
}
