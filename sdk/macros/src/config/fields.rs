//! Named fields: their schema, and the code that reads them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{LitStr, Token};

use super::attributes::{Container, Default, Field};
use super::names::{self, Case};
use crate::json;

/// The fields of a struct or of a variant.
pub(crate) struct Fields<'a> {
    fields: Vec<(&'a syn::Field, Field, String)>,
    is_open: bool,
    /// Whether omitted fields get their value from the type's `Default`.
    has_default: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn read(
        fields: &'a Punctuated<syn::Field, Token![,]>,
        container: &Container,
        case: Option<Case>,
    ) -> syn::Result<Fields<'a>> {
        let read = |field: &'a syn::Field| {
            let about = Field::read(&field.attrs)?;
            let ident = field
                .ident
                .as_ref()
                .ok_or_else(|| syn::Error::new_spanned(field, "expected a named field"))?;
            let name = names::field(ident, about.rename.as_ref(), case);
            Ok((field, about, name))
        };
        Ok(Fields {
            fields: fields.iter().map(read).collect::<syn::Result<_>>()?,
            is_open: container.is_open,
            has_default: container.has_default,
        })
    }

    /// The kind of the schema: an object with these fields.
    pub(crate) fn kind(&self) -> TokenStream {
        let properties = self.fields.iter().filter(|(_, about, _)| !about.is_skipped);
        let properties = properties.map(|(field, about, name)| self.property(&field.ty, about, name));
        let is_open = self.is_open;
        quote! {
            ::lockgate_sdk::config::Kind::Object { properties: &[#(#properties),*], is_open: #is_open }
        }
    }

    fn property(&self, of: &syn::Type, about: &Field, name: &str) -> TokenStream {
        let own = quote!(<#of as ::lockgate_sdk::config::Config>);
        let is_required = match (&about.default, self.has_default) {
            (Default::None, false) => quote!(!#own::IS_OPTIONAL),
            _ => quote!(false),
        };
        let schema = schema(&own, about);
        quote! {
            ::lockgate_sdk::config::Property { name: #name, schema: #schema, is_required: #is_required }
        }
    }

    /// The expression that reads these fields from `value` and builds `made`. `tag` is one more known name.
    pub(crate) fn reading(&self, made: &TokenStream, tag: Option<&LitStr>) -> TokenStream {
        let known = self.fields.iter().filter(|(_, about, _)| !about.is_skipped);
        let known = known.map(|(_, _, name)| name).cloned().chain(tag.map(LitStr::value));
        let is_closed = !self.is_open;
        let members = self.fields.iter().map(|(field, about, name)| {
            let ident = &field.ident;
            let member = self.member(field, about, name);
            quote!(#ident: #member)
        });
        let object = match self.fields.iter().all(|(_, about, _)| about.is_skipped) {
            true => quote!(_object),
            false => quote!(object),
        };
        quote! {{
            let #object = ::lockgate_sdk::config::Object::of(value, &[#(#known),*], #is_closed)?;
            ::core::result::Result::Ok(#made { #(#members),* })
        }}
    }

    fn member(&self, field: &syn::Field, about: &Field, name: &str) -> TokenStream {
        let (ident, of) = (&field.ident, &field.ty);
        if about.is_skipped {
            return quote!(::core::default::Default::default());
        }
        let default = match (&about.default, self.has_default) {
            (Default::None, false) => quote!(None),
            (Default::None, true) => quote!(Function(|| <Self as ::core::default::Default>::default().#ident)),
            (Default::OfType, _) => quote!(Function(<#of as ::core::default::Default>::default)),
            (Default::Json(json), _) => quote!(Json(#json)),
            (Default::Function(make), _) => quote!(Function(#make)),
        };
        let is_secret = about.is_secret;
        let check = checks(of, about);
        quote! {
            object.member::<#of>(
                &::lockgate_sdk::config::Member {
                    name: #name,
                    default: ::lockgate_sdk::config::Default::#default,
                    is_secret: #is_secret,
                },
                #check,
            )?
        }
    }
}

/// The schema of a field: that of its type, with its attributes.
pub(crate) fn schema(own: &TokenStream, about: &Field) -> TokenStream {
    let description = &about.description;
    let base = match &about.schema {
        Some(written) => {
            let text = written.value();
            let members = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let members = members.unwrap_or_default().trim().to_owned();
            quote! {
                ::lockgate_sdk::config::Schema::new(::lockgate_sdk::config::Kind::Raw(#members))
            }
        }
        None => quote!(#own::SCHEMA),
    };
    let mut schema = quote!(#base.described(#description));
    schema = match &about.default {
        Default::None | Default::Function(_) => schema,
        Default::OfType => quote!(#schema.with_default(#own::DEFAULT)),
        Default::Json(json) => quote!(#schema.with_default(#json)),
    };
    if about.min.is_some() || about.max.is_some() {
        let (min, max) = (
            about.min.clone().unwrap_or_default(),
            about.max.clone().unwrap_or_default(),
        );
        schema = quote!(#schema.between(#min, #max));
    }
    if about.min_length.is_some() || about.max_length.is_some() {
        let (min, max) = (digits(&about.min_length), digits(&about.max_length));
        schema = quote!(#schema.with_length(#min, #max));
    }
    if let Some(title) = &about.title {
        schema = quote!(#schema.titled(#title));
    }
    let mut more = about.more.clone();
    if let Some(pattern) = &about.pattern {
        more.push(format!("\"pattern\":{}", json::quoted(&pattern.value())));
    }
    if about.is_secret {
        more.push("\"writeOnly\":true".to_owned());
    }
    match more.is_empty() {
        true => schema,
        false => {
            let more = more.join(",");
            quote!(#schema.with(#more))
        }
    }
}

/// The closure that checks a value against the attributes.
pub(crate) fn checks(of: &syn::Type, about: &Field) -> TokenStream {
    let mut checks = Vec::new();
    if about.min.is_some() || about.max.is_some() {
        let plain = |bound: &Option<String>| bound.clone().unwrap_or_default().trim_matches('"').to_owned();
        let (min, max) = (plain(&about.min), plain(&about.max));
        let is_number = |bound: &Option<String>| bound.as_ref().is_none_or(|bound| !bound.starts_with('"'));
        let what = if is_number(&about.min) && is_number(&about.max) {
            "a number"
        } else {
            "a value"
        };
        let expected = between(what, &min, &max);
        checks.push(quote! {
            if !::lockgate_sdk::config::Bounded::is_within(value, #min, #max) {
                return ::core::result::Result::Err(::lockgate_sdk::config::CheckError::Expected(#expected));
            }
        });
    }
    if about.min_length.is_some() || about.max_length.is_some() {
        let expected = between("a length", &digits(&about.min_length), &digits(&about.max_length));
        let min = about.min_length.as_ref().map_or_else(|| quote!(0), |min| quote!(#min));
        let max = about
            .max_length
            .as_ref()
            .map_or_else(|| quote!(::core::primitive::usize::MAX), |max| quote!(#max));
        checks.push(quote! {
            if !::lockgate_sdk::config::has_length(value, #min, #max) {
                return ::core::result::Result::Err(::lockgate_sdk::config::CheckError::Expected(#expected));
            }
        });
    }
    if let Some(pattern) = &about.pattern {
        let expected = match &about.title {
            Some(title) => title.value(),
            None => format!("a text that matches {}", pattern.value()),
        };
        checks.push(quote! {
            if !::lockgate_sdk::config::has_pattern(value, #pattern) {
                return ::core::result::Result::Err(::lockgate_sdk::config::CheckError::Expected(#expected));
            }
        });
    }
    if let Some(check) = &about.check {
        checks.push(quote! {
            if let ::core::result::Result::Err(message) = #check(value) {
                return ::core::result::Result::Err(::core::convert::From::from(message));
            }
        });
    }
    let value = if checks.is_empty() { quote!(_) } else { quote!(value) };
    quote!(|#value: &#of| { #(#checks)* ::core::result::Result::Ok(()) })
}

/// A length as a text; empty for `None`.
fn digits(length: &Option<syn::LitInt>) -> String {
    length
        .as_ref()
        .map_or_else(String::new, |length| length.base10_digits().to_owned())
}

/// The description of a range.
fn between(what: &str, min: &str, max: &str) -> String {
    match (min, max) {
        (min, "") => format!("{what} of at least {min}"),
        ("", max) => format!("{what} of at most {max}"),
        (min, max) => format!("{what} from {min} to {max}"),
    }
}
