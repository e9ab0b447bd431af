//! The derive macro `Config`: the reader and the schema of a type.

mod attributes;
mod fields;
mod names;
#[path = "../../src/config/pattern/parser.rs"]
#[allow(
    dead_code,
    reason = "the SDK searches with the tree; here only the syntax is checked"
)]
mod pattern;
mod variants;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields as SynFields, parse_quote};

use attributes::{Container, Field};
use fields::Fields;

/// The parts of the implementation.
pub(crate) struct Parts {
    /// The schema without the description, an expression.
    schema: TokenStream,
    /// The value of `Default` as JSON; may be empty.
    default: TokenStream,
    /// The expression that reads `value`.
    reading: TokenStream,
}

/// The implementation of `Config` for a type.
pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let container = Container::read(&input.attrs)?;
    let parts = match &input.data {
        Data::Struct(data) => structure(&data.fields, &container, input)?,
        Data::Enum(data) => variants::enumeration(data, &container, input)?,
        Data::Union(_) => return Err(syn::Error::new_spanned(input, "`Config` cannot be derived for a union")),
    };
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::lockgate_sdk::config::Config));
    }
    let (declared, used, condition) = generics.split_for_impl();
    let name = &input.ident;
    let description = &container.description;
    let Parts {
        schema,
        default,
        reading,
    } = parts;
    Ok(quote! {
        #[automatically_derived]
        impl #declared ::lockgate_sdk::config::Config for #name #used #condition {
            const SCHEMA: ::lockgate_sdk::config::Schema = #schema.described(#description);
            const DEFAULT: &'static str = #default;

            fn read(
                value: &::lockgate_sdk::config::Value<'_>,
            ) -> ::core::result::Result<Self, ::lockgate_sdk::ConfigError> {
                #reading
            }
        }
    })
}

fn structure(fields: &SynFields, container: &Container, input: &DeriveInput) -> syn::Result<Parts> {
    match fields {
        SynFields::Named(named) => {
            let fields = Fields::read(&named.named, container, container.case)?;
            let kind = fields.kind();
            Ok(Parts {
                schema: quote!(::lockgate_sdk::config::Schema::new(#kind)),
                default: quote!(""),
                reading: fields.reading(&quote!(Self), None),
            })
        }
        SynFields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            let field = &unnamed.unnamed[0];
            let about = Field::read(&field.attrs)?;
            let of = &field.ty;
            let own = quote!(<#of as ::lockgate_sdk::config::Config>);
            let check = fields::checks(of, &about);
            Ok(Parts {
                schema: fields::schema(&own, &about),
                default: quote!(#own::DEFAULT),
                reading: quote!(::lockgate_sdk::config::checked::<#of>(value, #check).map(Self)),
            })
        }
        _ => Err(syn::Error::new_spanned(
            input,
            "expected named fields, or exactly one unnamed field",
        )),
    }
}
