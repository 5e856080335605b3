//! Literals that are checked when the author's crate is compiled (E18): the library checks them, in constants.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprMethodCall, Ident, LitStr, Token};

use crate::options::string_literal;

/// Checks a cron expression.
fn check_cron(text: &LitStr) -> TokenStream {
    quote_spanned!(text.span()=> const _: () = ::sdk::__private::check_cron(#text);)
}

/// Checks the text of a schedule: a cron expression, an interval, or `once`.
pub(crate) fn check_schedule(text: &LitStr) -> TokenStream {
    quote_spanned!(text.span()=> const _: () = ::sdk::__private::check_schedule(#text);)
}

/// Checks the name of a time zone.
pub(crate) fn check_zone(text: &LitStr) -> TokenStream {
    quote_spanned!(text.span()=> const _: () = ::sdk::__private::check_zone(#text);)
}

/// Checks every literal that is the argument of a call of `cron` or `in_zone` in these expressions.
pub(crate) fn check_calls<'a>(values: impl Iterator<Item = &'a Expr>) -> TokenStream {
    let mut calls = Calls(TokenStream::new());
    values.for_each(|value| calls.visit_expr(value));
    calls.0
}

struct Calls(TokenStream);

impl Calls {
    fn check(&mut self, function: &Ident, arguments: &Punctuated<Expr, Token![,]>) {
        let Some(text) = arguments.first().and_then(string_literal) else {
            return;
        };
        if function == "cron" {
            self.0.extend(check_cron(text));
        } else if function == "in_zone" {
            self.0.extend(check_zone(text));
        }
    }
}

impl<'ast> Visit<'ast> for Calls {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(function) = &*call.func
            && let Some(last) = function.path.segments.last()
        {
            self.check(&last.ident, &call.args);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.check(&call.method, &call.args);
        visit::visit_expr_method_call(self, call);
    }
}
