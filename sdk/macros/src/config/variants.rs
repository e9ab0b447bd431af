//! Enums: of names alone, externally tagged, internally tagged, untagged.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Fields as SynFields, LitStr};

use super::Parts;
use super::attributes::{Container, Variant};
use super::fields::Fields;
use super::names;

/// A variant with its attributes.
struct Read<'a> {
    ident: &'a syn::Ident,
    about: Variant,
    name: String,
    data: Data<'a>,
}

/// The data of a variant.
enum Data<'a> {
    Nothing,
    One(&'a syn::Type),
    Named(Fields<'a>),
}

/// The implementation's parts for an enum.
pub(crate) fn enumeration(data: &DataEnum, container: &Container, input: &DeriveInput) -> syn::Result<Parts> {
    let variants = data.variants.iter().map(|variant| read(variant, container));
    let variants: Vec<Read<'_>> = variants.collect::<syn::Result<_>>()?;
    if variants.is_empty() {
        return Err(syn::Error::new_spanned(
            input,
            "`Config` cannot be derived for an enum without variants",
        ));
    }
    let has_data = variants.iter().any(|variant| !matches!(variant.data, Data::Nothing));
    match &container.tag {
        Some(tag) => Ok(tagged(&variants, tag)),
        None if container.is_untagged => untagged(&variants, input),
        None if has_data => Ok(external(&variants)),
        None => Ok(names_alone(&variants)),
    }
}

fn read<'a>(variant: &'a syn::Variant, container: &Container) -> syn::Result<Read<'a>> {
    let about = Variant::read(&variant.attrs)?;
    let name = names::variant(&variant.ident, about.rename.as_ref(), container.case);
    let data = match &variant.fields {
        SynFields::Unit => Data::Nothing,
        SynFields::Named(named) => Data::Named(Fields::read(&named.named, container, about.case)?),
        SynFields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => Data::One(&unnamed.unnamed[0].ty),
        SynFields::Unnamed(_) => {
            return Err(syn::Error::new_spanned(
                variant,
                "expected named fields, or exactly one unnamed field",
            ));
        }
    };
    Ok(Read {
        ident: &variant.ident,
        about,
        name,
        data,
    })
}

impl Read<'_> {
    /// The variant as a value of a JSON Schema `enum`.
    fn enum_value(&self) -> TokenStream {
        let (name, description) = (&self.name, &self.about.description);
        quote!(::lockgate_sdk::config::EnumValue { name: #name, description: #description })
    }

    /// The schema of its data; `None` without data.
    fn data_schema(&self) -> Option<TokenStream> {
        match &self.data {
            Data::Nothing => None,
            Data::One(of) => Some(quote!(<#of as ::lockgate_sdk::config::Config>::SCHEMA)),
            Data::Named(fields) => {
                let kind = fields.kind();
                Some(quote!(::lockgate_sdk::config::Schema::new(#kind)))
            }
        }
    }

    /// The expression that reads the variant from `value`, its data.
    fn reading(&self, tag: Option<&LitStr>) -> TokenStream {
        let ident = self.ident;
        match (&self.data, tag) {
            (Data::Nothing, None) => quote!(::core::result::Result::Ok(Self::#ident)),
            (Data::Nothing, Some(tag)) => quote! {
                ::lockgate_sdk::config::Object::of(value, &[#tag], true).map(|_| Self::#ident)
            },
            (Data::One(of), None) => quote! {
                <#of as ::lockgate_sdk::config::Config>::read(value).map(Self::#ident)
            },
            (Data::One(of), Some(tag)) => quote! {
                <#of as ::lockgate_sdk::config::Config>::read(&value.without(#tag)).map(Self::#ident)
            },
            (Data::Named(fields), tag) => fields.reading(&quote!(Self::#ident), tag),
        }
    }
}

/// The arms of `match name { … }` for some variants, where `name` is one of them.
fn arms(variants: &[&Read<'_>], tag: Option<&LitStr>) -> TokenStream {
    let [rest @ .., last] = variants else {
        return TokenStream::new();
    };
    let arms = rest.iter().map(|variant| {
        let (name, reading) = (&variant.name, variant.reading(tag));
        quote!(#name => #reading,)
    });
    let last = last.reading(tag);
    quote!(#(#arms)* _ => #last,)
}

fn schema_of(kind: TokenStream) -> TokenStream {
    quote!(::lockgate_sdk::config::Schema::new(::lockgate_sdk::config::Kind::#kind))
}

fn names_alone(variants: &[Read<'_>]) -> Parts {
    let values = variants.iter().map(Read::enum_value);
    let names = variants.iter().map(|variant| &variant.name);
    let arms = arms(&variants.iter().collect::<Vec<_>>(), None);
    let default = variants.iter().find(|variant| variant.about.is_default);
    let default = default.map_or_else(String::new, |variant| crate::json::quoted(&variant.name));
    Parts {
        schema: schema_of(quote!(Enum(&[#(#values),*]))),
        default: quote!(#default),
        reading: quote! {
            match ::lockgate_sdk::config::choice(value, &[#(#names),*])? { #arms }
        },
    }
}

fn tagged(variants: &[Read<'_>], tag: &LitStr) -> Parts {
    let schemas = variants.iter().map(|variant| {
        let (name, description) = (&variant.name, &variant.about.description);
        let inner = variant.data_schema().unwrap_or_else(|| {
            schema_of(quote!(Object {
                properties: &[],
                is_open: false
            }))
        });
        let tagged = schema_of(quote!(Tagged { tag: #tag, value: #name, inner: &#inner }));
        quote!(#tagged.described(#inner.description()).described(#description))
    });
    let names = variants.iter().map(|variant| &variant.name);
    let arms = arms(&variants.iter().collect::<Vec<_>>(), Some(tag));
    Parts {
        schema: schema_of(quote!(OneOf(&[#(#schemas),*]))),
        default: quote!(""),
        reading: quote! {
            match ::lockgate_sdk::config::tag(value, #tag, &[#(#names),*])? { #arms }
        },
    }
}

/// An externally tagged enum: `"name"` for variants without data, `{ "name": … }` for the others.
fn external(variants: &[Read<'_>]) -> Parts {
    let (plain, rich): (Vec<&Read<'_>>, Vec<&Read<'_>>) = variants
        .iter()
        .partition(|variant| matches!(variant.data, Data::Nothing));
    let values = plain.iter().map(|variant| variant.enum_value());
    let values = schema_of(quote!(Enum(&[#(#values),*])));
    let values = if plain.is_empty() { quote!() } else { quote!(#values,) };
    let objects = rich.iter().map(|variant| {
        let (name, description) = (&variant.name, &variant.about.description);
        let data = variant.data_schema();
        let object = schema_of(quote! {
            Object {
                properties: &[::lockgate_sdk::config::Property { name: #name, schema: #data, is_required: true }],
                is_open: false,
            }
        });
        quote!(#object.described(#description))
    });
    let (plain_names, rich_names) = (plain.iter().map(|v| &v.name), rich.iter().map(|v| &v.name));
    let plain_arms = arms(&plain, None);
    let of_text = match plain.is_empty() {
        true => quote!(),
        false => quote! {
            ::core::option::Option::None => match name { #plain_arms },
        },
    };
    let rich_arms = arms(&rich, None);
    let of_object = quote! {
        ::core::option::Option::Some(value) => {
            let read = || match name { #rich_arms };
            read().map_err(|error: ::lockgate_sdk::ConfigError| error.inside(name))
        }
    };
    let impossible = match plain.is_empty() {
        true => quote!(::core::option::Option::None => ::core::result::Result::Err(value.mismatch("an object")),),
        false => quote!(),
    };
    Parts {
        schema: schema_of(quote!(OneOf(&[#values #(#objects),*]))),
        default: quote!(""),
        reading: quote! {
            let (name, data) = ::lockgate_sdk::config::variant(value, &[#(#plain_names),*], &[#(#rich_names),*])?;
            match data { #of_text #impossible #of_object }
        },
    }
}

fn untagged(variants: &[Read<'_>], input: &DeriveInput) -> syn::Result<Parts> {
    if variants.iter().any(|variant| matches!(variant.data, Data::Nothing)) {
        let message = "an untagged enum cannot have a variant without data; add `tag = \"…\"`";
        return Err(syn::Error::new_spanned(input, message));
    }
    let schemas = variants.iter().map(|variant| {
        let (data, description) = (variant.data_schema(), &variant.about.description);
        quote!(#data.described(#description))
    });
    let readers = variants.iter().map(|variant| {
        let reading = variant.reading(None);
        quote!(|value| #reading)
    });
    Ok(Parts {
        schema: schema_of(quote!(AnyOf(&[#(#schemas),*]))),
        default: quote!(""),
        reading: quote!(::lockgate_sdk::config::untagged(value, &[#(#readers),*])),
    })
}
