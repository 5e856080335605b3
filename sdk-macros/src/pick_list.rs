//! `#[derive(PickList)]`: one choice for each variant.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Variant};

use crate::refusals::Refusals;

/// Writes `impl PickList` as far as the enum can be read, and every refusal.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(refusal) => return refusal.to_compile_error(),
    };
    let mut refusals = Refusals::default();
    let choices = read_choices(&input, &mut refusals);
    let written = choices.map(|choices| write(&input.ident, &choices));
    let refusals = refusals.into_tokens();
    quote!(#written #refusals)
}

struct Choice<'a> {
    variant: &'a Ident,
    name: String,
}

fn read_choices<'a>(input: &'a DeriveInput, refusals: &mut Refusals) -> Option<Vec<Choice<'a>>> {
    let variants = match &input.data {
        Data::Enum(data) if !data.variants.is_empty() => &data.variants,
        Data::Enum(_) | Data::Struct(_) | Data::Union(_) => {
            refusals.refuse(
                &input.ident,
                "the choices of a pick list are the variants of an enum; write one for each",
            );
            return None;
        }
    };
    if !input.generics.params.is_empty() {
        refusals.refuse(
            &input.generics,
            "a pick list has no generics; its choices are names",
        );
        return None;
    }
    let mut choices: Vec<Choice<'a>> = Vec::new();
    let mut fits = true;
    for variant in variants {
        fits &= refuse_variant(variant, refusals);
        let name = read_name(variant, refusals);
        if choices.iter().any(|choice| choice.name == name) {
            let text = format!(
                "`{name}` is the name of two choices; give one another name with `#[choice(\"…\")]`"
            );
            refusals.refuse(&variant.ident, text);
        }
        let variant = &variant.ident;
        choices.push(Choice { variant, name });
    }
    Some(choices).filter(|_| fits)
}

fn refuse_variant(variant: &Variant, refusals: &mut Refusals) -> bool {
    if !matches!(variant.fields, Fields::Unit) {
        refusals.refuse(&variant.fields, "a choice holds nothing; it is only a name");
        return false;
    }
    if let Some((_, number)) = &variant.discriminant {
        refusals.refuse(number, "a choice is known by its name; remove the number");
        return false;
    }
    true
}

/// Reads `#[choice("…")]`; the name of the variant in snake case without it.
fn read_name(variant: &Variant, refusals: &mut Refusals) -> String {
    let mut written = variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("choice"));
    let Some(attribute) = written.next() else {
        return snake_case(&variant.ident.to_string());
    };
    if let Some(second) = written.next() {
        refusals.refuse(second, "a choice has one name; remove one of the two");
    }
    match attribute.parse_args::<LitStr>() {
        Ok(name) => name.value(),
        Err(_) => {
            refusals.refuse(
                attribute,
                "the name of a choice is a text; write `#[choice(\"every day\")]`",
            );
            snake_case(&variant.ident.to_string())
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.trim_start_matches("r#").chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn write(list: &Ident, choices: &[Choice<'_>]) -> TokenStream {
    let variants = choices.iter().map(|choice| choice.variant);
    let names = choices.iter().map(|choice| &choice.name);
    quote! {
        impl ::sdk::PickList for #list {
            const CHOICES: &'static [(&'static str, Self)] = &[#((#names, Self::#variants)),*];

            fn name(self) -> &'static str {
                ::sdk::__private::choice_name::<Self>(self as usize)
            }
        }
    }
}
