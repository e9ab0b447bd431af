//! The keywords of a JSON Schema, written as text.

use super::{EnumValue, Property, Schema};
use crate::config::text::Text;

pub(super) const fn describe<const N: usize>(out: &mut Text<N>, title: &str, description: &str) {
    if !title.is_empty() {
        out.comma();
        out.push("\"title\":");
        out.quoted(title);
    }
    if !description.is_empty() {
        out.comma();
        out.push("\"description\":");
        out.quoted(description);
    }
}

pub(super) const fn typed<const N: usize>(out: &mut Text<N>, name: &str, is_nullable: bool) {
    out.comma();
    out.push("\"type\":");
    if is_nullable {
        out.push("[");
        out.quoted(name);
        out.push(",\"null\"]");
    } else {
        out.quoted(name);
    }
}

pub(super) const fn schemas<const N: usize>(out: &mut Text<N>, keyword: &str, schemas: &[Schema]) {
    out.comma();
    out.quoted(keyword);
    out.push(":[");
    let mut index = 0;
    while index < schemas.len() {
        out.comma();
        schemas[index].write(out);
        index += 1;
    }
    out.push("]");
}

/// Writes an enum: values without descriptions as `enum`, others as a `const` each, with the description for editors.
pub(super) const fn values<const N: usize>(out: &mut Text<N>, values: &[EnumValue], is_nullable: bool) {
    let mut is_plain = true;
    let mut index = 0;
    while index < values.len() {
        is_plain &= values[index].description.is_empty();
        index += 1;
    }
    out.comma();
    out.push(if is_plain { "\"enum\":[" } else { "\"oneOf\":[" });
    index = 0;
    while index < values.len() {
        out.comma();
        if is_plain {
            out.quoted(values[index].name);
        } else {
            out.push("{\"const\":");
            out.quoted(values[index].name);
            describe(out, "", values[index].description);
            out.push("}");
        }
        index += 1;
    }
    if is_nullable {
        out.comma();
        out.push(if is_plain { "null" } else { "{\"type\":\"null\"}" });
    }
    out.push("]");
}

pub(super) const fn object<const N: usize>(
    out: &mut Text<N>,
    tag: Option<(&str, &str)>,
    properties: &[Property],
    is_open: bool,
    is_nullable: bool,
) {
    typed(out, "object", is_nullable);
    out.push(",\"properties\":{");
    if let Some((tag, value)) = tag {
        out.quoted(tag);
        out.push(":{\"const\":");
        out.quoted(value);
        out.push("}");
    }
    let mut index = 0;
    while index < properties.len() {
        out.comma();
        out.quoted(properties[index].name);
        out.push(":");
        properties[index].schema.write(out);
        index += 1;
    }
    out.push("},\"required\":[");
    if let Some((tag, _)) = tag {
        out.quoted(tag);
    }
    index = 0;
    while index < properties.len() {
        if properties[index].is_required {
            out.comma();
            out.quoted(properties[index].name);
        }
        index += 1;
    }
    out.push(if is_open {
        "]"
    } else {
        "],\"additionalProperties\":false"
    });
}
