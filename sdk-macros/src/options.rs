//! `name = value, …`: read into a list, written as method calls. Which names there are, the library knows.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Token};

use crate::refusals::Refusals;

const SHAPE: &str = "options are written `name = value`, with commas between them";

/// Options in the author's order, each name once.
#[derive(Default)]
pub(crate) struct Options {
    list: Vec<(Ident, Expr)>,
    unreadable: bool,
}

impl Options {
    /// Reads what stands in the parentheses of an attribute.
    pub(crate) fn read(tokens: TokenStream, refusals: &mut Refusals) -> Self {
        let mut options = Self::default();
        options.add(tokens, refusals);
        options
    }

    /// Adds what stands in the parentheses of a helper attribute such as `#[config(…)]`.
    pub(crate) fn add_attribute(&mut self, attribute: &Attribute, refusals: &mut Refusals) {
        match &attribute.meta {
            Meta::List(list) => self.add(list.tokens.clone(), refusals),
            Meta::Path(_) | Meta::NameValue(_) => {
                self.unreadable = true;
                refusals.refuse(&attribute.meta, format!("{SHAPE}, in parentheses"));
            }
        }
    }

    fn add(&mut self, tokens: TokenStream, refusals: &mut Refusals) {
        let read = |input: ParseStream<'_>| self.add_all(input, refusals);
        if let Err(refusal) = read.parse2(tokens) {
            self.unreadable = true;
            refusals.keep(refusal);
        }
    }

    fn add_all(&mut self, input: ParseStream<'_>, refusals: &mut Refusals) -> syn::Result<()> {
        while !input.is_empty() {
            let shape = |refusal: syn::Error| syn::Error::new(refusal.span(), SHAPE);
            let name = input.call(Ident::parse_any).map_err(shape)?;
            let at_name = |text: String| syn::Error::new(name.span(), text);
            input
                .parse::<Token![=]>()
                .map_err(|_| at_name(SHAPE.to_owned()))?;
            let value = input.parse().map_err(|refusal| {
                at_name(format!("the value of `{name}` cannot be read: {refusal}"))
            })?;
            if !input.is_empty() {
                input.parse::<Token![,]>().map_err(shape)?;
            }
            self.push(name, value, refusals);
        }
        Ok(())
    }

    fn push(&mut self, name: Ident, value: Expr, refusals: &mut Refusals) {
        if self.list.iter().any(|(known, _)| *known == name) {
            refusals.refuse(
                &name,
                format!("`{name}` is set twice; remove one of the two"),
            );
        } else {
            self.list.push((name, value));
        }
    }

    /// Says whether something could not be read, so that what seems to be missing may only be unread.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Takes one option out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Expr> {
        let index = self.list.iter().position(|(known, _)| known == name)?;
        Some(self.list.remove(index).1)
    }

    /// Returns the text of an option whose value is a string literal.
    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        let (_, value) = self.list.iter().find(|(known, _)| known == name)?;
        string_literal(value)
    }

    /// Returns the values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Expr> {
        self.list.iter().map(|(_, value)| value)
    }

    /// Writes each option as a method call on the author's tokens.
    pub(crate) fn calls(&self) -> TokenStream {
        let call = |(name, value): &(Ident, Expr)| quote_spanned!(name.span()=> .#name(#value));
        self.list.iter().map(call).collect()
    }
}

/// Returns the string literal that an expression is.
pub(crate) fn string_literal(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// Writes the doc comment among these attributes as a call of `description`; nothing if there is none.
pub(crate) fn description(attributes: &[Attribute]) -> TokenStream {
    let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
    if lines.is_empty() {
        return TokenStream::new();
    }
    let text = lines.join("\n");
    quote::quote!(.description(#text))
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let text = string_literal(&pair.value).filter(|_| pair.path.is_ident("doc"))?;
    let text = text.value();
    Some(text.strip_prefix(' ').unwrap_or(&text).to_owned())
}
