//! `#[derive(ConfigVars)]`: one config variable for each field.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Field, Fields, Ident, Type};

use crate::literal;
use crate::options::{self, Options};
use crate::refusals::Refusals;

/// Writes `impl ConfigVars` as far as the struct can be read, and every refusal.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(refusal) => return refusal.to_compile_error(),
    };
    let mut refusals = Refusals::default();
    let fields = read_fields(&input, &mut refusals);
    let written = fields.map(|fields| write(&input.ident, &fields));
    let refusals = refusals.into_tokens();
    quote!(#written #refusals)
}

struct Variable<'a> {
    field: &'a Ident,
    name: String,
    value: &'a Type,
    description: TokenStream,
    options: Options,
}

fn read_fields<'a>(input: &'a DeriveInput, refusals: &mut Refusals) -> Option<Vec<Variable<'a>>> {
    for attribute in &input.attrs {
        if attribute.path().is_ident("config") {
            refusals.refuse(attribute, "`#[config(…)]` belongs on a field");
        }
    }
    if !input.generics.params.is_empty() {
        refusals.refuse(
            &input.generics,
            "config variables have no generics; the customer's values have fixed types",
        );
        return None;
    }
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) | Data::Union(_) => {
            refusals.refuse(
                &input.ident,
                "config variables are the fields of a struct; for the choices of one variable use `#[derive(PickList)]`",
            );
            return None;
        }
    };
    if let Fields::Unnamed(unnamed) = fields {
        refusals.refuse(
            unnamed,
            "a config variable has a name; write a struct with named fields",
        );
        return None;
    }
    Some(
        fields
            .iter()
            .filter_map(|field| Variable::read(field, refusals))
            .collect(),
    )
}

impl<'a> Variable<'a> {
    fn read(field: &'a Field, refusals: &mut Refusals) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let mut options = Options::default();
        for attribute in &field.attrs {
            if attribute.path().is_ident("config") {
                options.add_attribute(attribute, refusals);
            }
        }
        Some(Self {
            field: ident,
            name: ident.unraw().to_string(),
            value: &field.ty,
            description: options::description(&field.attrs),
            options,
        })
    }

    /// Writes the field with its type. Every function names it with the same tokens, so that a type that cannot be one is refused once.
    fn typed(&self) -> TokenStream {
        let Self { name, value, .. } = self;
        quote_spanned!(value.span()=> ::sdk::__private::field::<#value>(#name))
    }

    fn check_literals(&self) -> TokenStream {
        let zone = self.options.text("time_zone");
        let is_schedule = zone.is_some() || names_schedule(self.value);
        let schedule = self.options.text("default").filter(|_| is_schedule);
        let mut checks = literal::check_calls(self.options.values());
        checks.extend(schedule.map(literal::check_schedule));
        checks.extend(zone.map(literal::check_zone));
        checks
    }
}

/// Says whether a type goes by the name `Schedule`: only then is a literal checked early. Any other is checked at deploy.
fn names_schedule(value: &Type) -> bool {
    let Type::Path(path) = value else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident == "Schedule")
}

fn write(config: &Ident, variables: &[Variable<'_>]) -> TokenStream {
    let described = variables.iter().map(|variable| {
        let (typed, options) = (variable.typed(), variable.options.calls());
        let description = &variable.description;
        quote!(#typed.variable() #description #options)
    });
    // A field may have any name, so names of our own must not meet it.
    let reader = Ident::new("reader", Span::mixed_site());
    let read = variables.iter().map(|variable| {
        let (field, typed) = (variable.field, variable.typed());
        quote!(let #field = #typed.read(&mut #reader);)
    });
    let fields = variables.iter().map(|variable| {
        let field = variable.field;
        quote!(#field: #field?)
    });
    let entries = variables.iter().map(|variable| {
        let (field, typed) = (variable.field, variable.typed());
        quote!(#typed.entry(&self.#field))
    });
    let checks = variables.iter().map(Variable::check_literals);
    quote! {
        impl ::sdk::ConfigVars for #config {
            fn variables() -> ::std::vec::Vec<::sdk::__private::ConfigVar> {
                ::std::vec::Vec::from([#(#described),*])
            }

            fn decode(
                values: &::sdk::__private::ConfigValues,
            ) -> ::core::result::Result<Self, ::sdk::ConfigFaults> {
                let variables = <Self as ::sdk::ConfigVars>::variables();
                let mut #reader = ::sdk::__private::ConfigReader::new(values, &variables);
                #(#read)*
                #reader.check()?;
                ::core::result::Result::Ok(Self { #(#fields),* })
            }

            fn encode(&self) -> ::sdk::__private::ConfigValues {
                ::sdk::__private::entries([#(#entries),*])
            }
        }
        #(#checks)*
    }
}
