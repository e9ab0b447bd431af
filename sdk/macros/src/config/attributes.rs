//! The attributes `#[config(…)]` and `#[serde(…)]` of types, variants and fields.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path, Token};

use super::names::Case;
use crate::json::{self, value};

/// The attributes of a struct or an enum.
#[derive(Default)]
pub(crate) struct Container {
    pub(crate) description: String,
    pub(crate) case: Option<Case>,
    pub(crate) tag: Option<LitStr>,
    pub(crate) is_untagged: bool,
    pub(crate) is_open: bool,
    pub(crate) has_default: bool,
}

/// The attributes of a variant.
#[derive(Default)]
pub(crate) struct Variant {
    pub(crate) description: String,
    pub(crate) rename: Option<LitStr>,
    pub(crate) case: Option<Case>,
    /// Whether it is the value of `Default`.
    pub(crate) is_default: bool,
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct Field {
    pub(crate) description: String,
    pub(crate) rename: Option<LitStr>,
    pub(crate) default: Default,
    /// As JSON, like `max`.
    pub(crate) min: Option<String>,
    pub(crate) max: Option<String>,
    pub(crate) min_length: Option<LitInt>,
    pub(crate) max_length: Option<LitInt>,
    pub(crate) pattern: Option<LitStr>,
    pub(crate) check: Option<Path>,
    pub(crate) schema: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) is_secret: bool,
    pub(crate) is_skipped: bool,
    /// Further keywords of the schema, as JSON.
    pub(crate) more: Vec<String>,
}

/// The default of a field.
#[derive(Default)]
pub(crate) enum Default {
    #[default]
    None,
    /// The value of `Default`.
    OfType,
    /// A value as JSON.
    Json(String),
    /// The result of a function.
    Function(TokenStream),
}

/// The attribute that a key is in.
#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    Config,
    Serde,
}

impl Container {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Container> {
        let mut read = Container {
            description: description(attributes),
            ..Container::default()
        };
        each(attributes, |_, key, meta| {
            match key {
                "rename_all" => read.case = Some(Case::parse(&text(meta)?)?),
                "tag" => read.tag = Some(text(meta)?),
                "untagged" => read.is_untagged = true,
                "default" if meta.input.is_empty() || meta.input.peek(Token![,]) => read.has_default = true,
                "allow_unknown_fields" => read.is_open = true,
                "deny_unknown_fields" => {}
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(read)
    }
}

impl Variant {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Variant> {
        let mut read = Variant {
            description: description(attributes),
            is_default: attributes.iter().any(|attribute| attribute.path().is_ident("default")),
            ..Variant::default()
        };
        each(attributes, |_, key, meta| {
            match key {
                "rename" => read.rename = Some(text(meta)?),
                "rename_all" => read.case = Some(Case::parse(&text(meta)?)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(read)
    }
}

impl Field {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Field> {
        let mut read = Field {
            description: description(attributes),
            ..Field::default()
        };
        each(attributes, |dialect, key, meta| {
            match (dialect, key) {
                (_, "rename") => read.rename = Some(text(meta)?),
                (_, "default") => read.default = default(dialect, meta)?,
                (_, "skip" | "skip_deserializing") => read.is_skipped = true,
                (Dialect::Config, key) => return read.constrain(key, meta),
                (Dialect::Serde, _) => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(read)
    }

    /// Reads a key that only `#[config(…)]` has.
    fn constrain(&mut self, key: &str, meta: &ParseNestedMeta<'_>) -> syn::Result<bool> {
        match key {
            "min" => self.min = Some(value(meta.value()?)?),
            "max" => self.max = Some(value(meta.value()?)?),
            "min_length" => self.min_length = Some(meta.value()?.parse()?),
            "max_length" => self.max_length = Some(meta.value()?.parse()?),
            "pattern" => self.pattern = Some(pattern(meta)?),
            "check" => self.check = Some(path(meta)?),
            "schema" => self.schema = Some(text(meta)?),
            "title" => self.title = Some(text(meta)?),
            "secret" => self.is_secret = true,
            "deprecated" => self.more.push("\"deprecated\":true".to_owned()),
            "format" => self
                .more
                .push(format!("\"format\":{}", json::quoted(&text(meta)?.value()))),
            "example" => self.more.push(format!("\"examples\":[{}]", value(meta.value()?)?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `default`, `default = 5` or `default = function`. In `#[serde(…)]`, the function is a text.
fn default(dialect: Dialect, meta: &ParseNestedMeta<'_>) -> syn::Result<Default> {
    if !meta.input.peek(Token![=]) {
        return Ok(Default::OfType);
    }
    let input = meta.value()?;
    if dialect == Dialect::Serde {
        let function: Path = input.parse::<LitStr>()?.parse()?;
        return Ok(Default::Function(function.into_token_stream()));
    }
    if input.peek(syn::Ident) && !input.peek(syn::LitBool) || input.peek(Token![::]) {
        let function: Path = input.parse()?;
        return Ok(Default::Function(quote!(#function)));
    }
    value(input).map(Default::Json)
}

/// Calls `read` for every key. It returns whether it knows the key.
fn each(
    attributes: &[Attribute],
    mut read: impl FnMut(Dialect, &str, &ParseNestedMeta<'_>) -> syn::Result<bool>,
) -> syn::Result<()> {
    for attribute in attributes {
        let dialect = match attribute.path().get_ident() {
            Some(name) if name == "config" => Dialect::Config,
            Some(name) if name == "serde" => Dialect::Serde,
            _ => continue,
        };
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.to_token_stream().to_string();
            match read(dialect, &key, &meta)? {
                true => Ok(()),
                false => Err(meta.error(format!("`derive(Config)` does not support `{key}` here"))),
            }
        })?;
    }
    Ok(())
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

/// A regular expression that the SDK supports.
fn pattern(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let written = text(meta)?;
    match super::pattern::parse(&written.value()) {
        Ok(_) => Ok(written),
        Err(reason) => Err(syn::Error::new(written.span(), format!("the pattern has {reason}"))),
    }
}

/// A path, possibly in quotes.
fn path(meta: &ParseNestedMeta<'_>) -> syn::Result<Path> {
    let input = meta.value()?;
    match input.peek(LitStr) {
        true => input.parse::<LitStr>()?.parse(),
        false => input.parse(),
    }
}

/// The doc comment. Lines of one paragraph are joined.
fn description(attributes: &[Attribute]) -> String {
    let mut out = String::new();
    for attribute in attributes {
        if let Meta::NameValue(doc) = &attribute.meta
            && doc.path.is_ident("doc")
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(line), ..
            }) = &doc.value
        {
            let line = line.value();
            let line = line.trim();
            if line.is_empty() {
                out.push_str("\n\n");
            } else {
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push(' ');
                }
                out.push_str(line);
            }
        }
    }
    out.trim().to_owned()
}
