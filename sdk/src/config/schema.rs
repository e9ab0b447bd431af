//! [`Schema`]: a JSON Schema (draft 2020-12) as a constant.

mod keywords;

use super::text::Text;

/// A JSON Schema, built at compile time. Nothing of it remains at run time.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    kind: Kind,
    title: &'static str,
    description: &'static str,
    /// As JSON, like the bounds.
    default: &'static str,
    min: &'static str,
    max: &'static str,
    min_length: &'static str,
    max_length: &'static str,
    /// Further keywords, as JSON.
    extra: &'static str,
    is_nullable: bool,
}

/// The kind of values that a schema describes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any value.
    Any,
    /// A type, by its name in JSON Schema.
    Type(&'static str),
    /// An array of items with this schema.
    Array(&'static Schema),
    /// An object with any names, and values with this schema.
    Map(&'static Schema),
    /// An object with these members.
    Object {
        /// The members, in order.
        properties: &'static [Property],
        /// Whether other members are allowed.
        is_open: bool,
    },
    /// An object with these members and a tag that names its variant.
    Tagged {
        /// The name of the tag.
        tag: &'static str,
        /// The value of the tag.
        value: &'static str,
        /// The object without the tag.
        inner: &'static Schema,
    },
    /// One of these texts.
    Enum(&'static [EnumValue]),
    /// Exactly one of these schemas (`oneOf`).
    OneOf(&'static [Schema]),
    /// At least one of these schemas (`anyOf`).
    AnyOf(&'static [Schema]),
    /// The keywords of a schema, as JSON.
    Raw(&'static str),
}

/// A value of an enum, with its description.
#[derive(Debug, Clone, Copy)]
pub struct EnumValue {
    /// As it is written.
    pub name: &'static str,
    /// The description; may be empty.
    pub description: &'static str,
}

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// As it is written.
    pub name: &'static str,
    /// The schema of its value.
    pub schema: Schema,
    /// Whether it is required.
    pub is_required: bool,
}

impl Schema {
    /// A schema of this kind, without further keywords.
    pub const fn new(kind: Kind) -> Schema {
        Schema {
            kind,
            title: "",
            description: "",
            default: "",
            min: "",
            max: "",
            min_length: "",
            max_length: "",
            extra: "",
            is_nullable: false,
        }
    }

    /// Sets the title: the description of accepted values, as in error messages.
    pub const fn titled(mut self, title: &'static str) -> Schema {
        self.title = title;
        self
    }

    /// Sets the description. An empty one changes nothing.
    pub const fn described(mut self, description: &'static str) -> Schema {
        if !description.is_empty() {
            self.description = description;
        }
        self
    }

    /// The description.
    pub const fn description(&self) -> &'static str {
        self.description
    }

    /// Sets the default, as JSON; an empty text is none.
    pub const fn with_default(mut self, default: &'static str) -> Schema {
        self.default = default;
        self
    }

    /// Sets the bounds of the value, as JSON. An empty one changes nothing.
    pub const fn between(mut self, min: &'static str, max: &'static str) -> Schema {
        if !min.is_empty() {
            self.min = min;
        }
        if !max.is_empty() {
            self.max = max;
        }
        self
    }

    /// Sets the bounds of the length, as JSON; an empty text is none.
    pub const fn with_length(mut self, min: &'static str, max: &'static str) -> Schema {
        self.min_length = min;
        self.max_length = max;
        self
    }

    /// Sets further keywords, as JSON. An empty text changes nothing.
    pub const fn with(mut self, extra: &'static str) -> Schema {
        if !extra.is_empty() {
            self.extra = extra;
        }
        self
    }

    /// Allows `null`, too.
    pub const fn or_null(mut self) -> Schema {
        self.is_nullable = true;
        self
    }

    /// Writes it as JSON.
    pub const fn write<const N: usize>(&self, out: &mut Text<N>) {
        out.push("{");
        if self.is_nullable
            && matches!(
                self.kind,
                Kind::OneOf(_) | Kind::AnyOf(_) | Kind::Tagged { .. } | Kind::Raw(_)
            )
        {
            keywords::describe(out, self.title, self.description);
            out.comma();
            out.push("\"anyOf\":[{");
            self.kind.write(self, false, out);
            out.push("},{\"type\":\"null\"}]");
        } else {
            keywords::describe(out, self.title, self.description);
            self.kind.write(self, self.is_nullable, out);
        }
        out.member("default", self.default);
        out.push("}");
    }

    /// Writes the bounds, under their names for this kind.
    const fn write_bounds<const N: usize>(&self, out: &mut Text<N>) {
        let (min, max) = match self.kind {
            Kind::Array(_) => ("minItems", "maxItems"),
            Kind::Map(_) | Kind::Object { .. } => ("minProperties", "maxProperties"),
            _ => ("minLength", "maxLength"),
        };
        out.member(min, self.min_length);
        out.member(max, self.max_length);
        let (min, max) = match self.kind {
            // Durations and sizes are strings; their bounds have keywords of their own.
            Kind::Type(name) if same(name, "string") => ("formatMinimum", "formatMaximum"),
            _ => ("minimum", "maximum"),
        };
        out.member(min, self.min);
        out.member(max, self.max);
        if !self.extra.is_empty() {
            out.comma();
            out.push(self.extra);
        }
    }
}

impl Kind {
    const fn write<const N: usize>(&self, schema: &Schema, is_nullable: bool, out: &mut Text<N>) {
        match self {
            Kind::Any => {}
            Kind::Type(name) => keywords::typed(out, name, is_nullable),
            Kind::Array(item) => {
                keywords::typed(out, "array", is_nullable);
                out.push(",\"items\":");
                item.write(out);
            }
            Kind::Map(value) => {
                keywords::typed(out, "object", is_nullable);
                out.push(",\"additionalProperties\":");
                value.write(out);
            }
            Kind::Object { properties, is_open } => keywords::object(out, None, properties, *is_open, is_nullable),
            Kind::Tagged { tag, value, inner } => match inner.kind {
                Kind::Object { properties, is_open } => {
                    keywords::object(out, Some((tag, value)), properties, is_open, is_nullable);
                }
                Kind::Any | Kind::Map(_) => keywords::object(out, Some((tag, value)), &[], true, is_nullable),
                _ => panic!("the data of a tagged variant must be an object"),
            },
            Kind::Enum(values) => keywords::values(out, values, is_nullable),
            Kind::OneOf(schemas) => keywords::schemas(out, "oneOf", schemas),
            Kind::AnyOf(schemas) => keywords::schemas(out, "anyOf", schemas),
            Kind::Raw(members) => {
                if !members.is_empty() {
                    out.comma();
                    out.push(members);
                }
            }
        }
        schema.write_bounds(out);
    }
}

/// Whether two texts are equal, in a constant.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(schema: Schema) -> serde_json::Value {
        const MOST: usize = 4096;
        let mut text = Text::<MOST>::new();
        schema.write(&mut text);
        let length = text.length();
        serde_json::from_slice(&text.padded()[..length]).expect("JSON")
    }

    #[test]
    fn every_kind_is_json_also_when_it_is_nullable() {
        static ITEM: Schema = Schema::new(Kind::Type("string")).described("says \"hi\"\n\u{1}");
        static OBJECT: Schema = Schema::new(Kind::Object {
            properties: &[Property {
                name: "a",
                schema: ITEM,
                is_required: true,
            }],
            is_open: false,
        });
        let values = [
            EnumValue {
                name: "on",
                description: "",
            },
            EnumValue {
                name: "off",
                description: "",
            },
        ];
        let values: &'static [EnumValue] = Box::leak(Box::new(values));
        let kinds = [
            Kind::Any,
            Kind::Type("integer"),
            Kind::Array(&ITEM),
            Kind::Map(&ITEM),
            Kind::Tagged {
                tag: "kind",
                value: "x",
                inner: &OBJECT,
            },
            Kind::Enum(values),
            Kind::OneOf(Box::leak(Box::new([ITEM, OBJECT]))),
            Kind::Raw("\"type\":\"string\""),
        ];
        for kind in kinds {
            let schema = Schema::new(kind)
                .described("d")
                .with_default("1")
                .between("1", "2")
                .with_length("3", "4");
            let plain = text(schema.with("\"pattern\":\"^a\""));
            let nullable = text(schema.or_null());
            for json in [&plain, &nullable] {
                assert_eq!(json["description"], "d", "{kind:?}");
                assert_eq!(json["default"], 1, "{kind:?}");
            }
            assert!(
                nullable.to_string().contains("null") || matches!(kind, Kind::Any),
                "{nullable}"
            );
        }
        let tagged = text(Schema::new(kinds[4]));
        assert_eq!(tagged["properties"]["kind"]["const"], "x");
        assert_eq!(tagged["required"], serde_json::json!(["kind", "a"]));
        assert_eq!(tagged["properties"]["a"]["description"], "says \"hi\"\n\u{1}");
        assert_eq!(tagged["additionalProperties"], false);
    }
}
