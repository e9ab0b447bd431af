//! `docs/admin-api.md` says what the table of routes says. `make docs` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use lockgate_admin::error::ApiError;
use lockgate_admin::routes::{Content, Operation, ROUTES, Route};
use lockgate_http::problem::Malformed;
use serde_json::{Map, Value};

const HEAD: &str = "\
# Admin API

Generated from the code by `make docs`; a test keeps it current. The setting `admin.listen` opens the API on an address of its own. Responses
are JSON unless noted, with the headers `cache-control: no-store` and `x-request-id`. Where there is `GET`, there is `HEAD`.

**Access.** Open paths need no token. All other paths need `Authorization: Bearer TOKEN` with the token of `admin.token`. Without a configured
token they answer loopback clients only, and only requests whose `Host` is an IP address or `localhost`, and whose `Origin`, if there is
one, is `http://` and that `Host`.

";

#[test]
fn the_page_of_the_admin_api_has_every_path() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/admin-api.md");
    let page = page();
    if env::var_os("RECORD").is_some() {
        fs::write(file, page).expect("the page is writable");
        return;
    }
    let recorded = fs::read_to_string(file).unwrap_or_default();
    for (line, (recorded, generated)) in recorded.lines().zip(page.lines()).enumerate() {
        assert_eq!(
            recorded,
            generated,
            "line {}: `make docs` writes the page anew",
            line + 1
        );
    }
    assert_eq!(recorded.len(), page.len(), "`make docs` writes the page anew");
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| path | methods | access |\n|---|---|---|\n");
    for route in ROUTES {
        let methods: Vec<_> = route
            .operations
            .iter()
            .map(|operation| operation.method.as_str())
            .collect();
        let access = if route.is_open { "open" } else { "token" };
        row(&mut page, &[&code(route.path), &methods.join(", "), access]);
    }
    let mut objects = BTreeMap::new();
    for route in ROUTES {
        for operation in route.operations {
            operation_section(&mut page, &mut objects, route, operation);
        }
    }
    page.push_str("\n## Objects\n");
    for (name, object) in &objects {
        let _ = write!(page, "\n### `{name}`\n\n{}\n", description(&object.schema));
        fields(&mut page, object);
    }
    errors(&mut page);
    page
}

/// An object of a body, with the definitions that its fields refer to.
struct Object {
    schema: Value,
    definitions: Map<String, Value>,
}

fn operation_section(page: &mut String, objects: &mut BTreeMap<String, Object>, route: &Route, operation: &Operation) {
    let _ = write!(
        page,
        "\n## `{} {}`\n\n{}\n",
        operation.method, route.path, operation.summary
    );
    if !operation.query.is_empty() {
        page.push_str("\n| query | meaning |\n|---|---|\n");
        for parameter in operation.query {
            row(page, &[&code(parameter.name), parameter.meaning]);
        }
    }
    page.push('\n');
    if let Some(body) = operation.body {
        let name = add_objects(objects, body().as_value());
        let is_optional = body().as_value()["required"].as_array().is_none_or(Vec::is_empty);
        let absent = if is_optional {
            ", every field of which may be absent"
        } else {
            ""
        };
        let _ = writeln!(page, "Body: {name}{absent}.\n");
    }
    let response = match &operation.response {
        Content::Text(text) => format!("200, {text}"),
        Content::Json(schema) => format!("200, {}", add_objects(objects, schema().as_value())),
    };
    let _ = writeln!(page, "Response: {response}.");
    let failures = (operation.errors)();
    if !failures.is_empty() {
        page.push_str("\n| error | when |\n|---|---|\n");
        for (error, reason) in failures {
            row(
                page,
                &[&format!("{} `{}`", error.status().as_u16(), error.code()), reason],
            );
        }
    }
}

/// Adds the object of a schema, and those in it. Returns a link to its own table.
fn add_objects(objects: &mut BTreeMap<String, Object>, schema: &Value) -> String {
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    if let Some(item) = schema["items"]["$ref"].as_str() {
        let name = item.rsplit('/').next().unwrap_or(item);
        let definition = definitions.get(name).expect("a reference leads to a definition");
        let mut item = definition.clone();
        item["title"] = name.into();
        item["$defs"] = definitions.into();
        return format!("array of {}", add_objects(objects, &item));
    }
    let name = schema["title"].as_str().expect("the schema of a type has its name");
    let named = definitions.iter().map(|(name, definition)| (name.as_str(), definition));
    for (name, schema) in named.chain([(name, schema)]) {
        if schema["properties"].is_object() {
            let object = Object {
                schema: schema.clone(),
                definitions: definitions.clone(),
            };
            objects.insert(name.to_owned(), object);
        }
    }
    link(name)
}

fn fields(page: &mut String, object: &Object) {
    let fields = || object.schema["properties"].as_object().into_iter().flatten();
    let has_defaults = fields().any(|(_, field)| !field["default"].is_null());
    let (head, line) = if has_defaults { (" default |", "---|") } else { ("", "") };
    let _ = write!(page, "\n| field | type |{head} meaning |\n|---|---|{line}---|\n");
    for (name, field) in fields() {
        let mut cells = vec![code(name), kind(field, &object.definitions)];
        if has_defaults {
            cells.push(code(&field["default"].to_string()));
        }
        cells.push(description(field));
        row(page, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// The type of a field, in words.
fn kind(schema: &Value, definitions: &Map<String, Value>) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap_or(path);
        return match definitions.get(name) {
            Some(definition) if definition["properties"].is_object() => link(name),
            Some(definition) => kind(definition, definitions),
            None => name.to_owned(),
        };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let kinds: Vec<_> = choices.iter().map(|choice| kind(choice, definitions)).collect();
        return kinds.join(" or ");
    }
    if schema["title"] == "Period" || schema["pattern"].is_string() {
        return "duration".to_owned();
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any"],
    };
    let names = names.into_iter().map(|name| match name {
        "array" => format!("array of {}", kind(&schema["items"], definitions)),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"], definitions))
        }
        name => name.to_owned(),
    });
    names.collect::<Vec<_>>().join(" or ")
}

fn errors(page: &mut String) {
    page.push_str(
        "\n## Errors\n\nErrors are `application/problem+json` (RFC 9457) with `type` (`urn:lockgate:problem:CODE`), `title`, `status`, \
         `detail` and\n`request_id`.\n\n| status | code | detail |\n|---|---|---|\n",
    );
    let in_detail = || "the reason".to_owned();
    let all = [
        ApiError::Malformed(Malformed::HostMissing),
        ApiError::InvalidQuery(in_detail()),
        ApiError::InvalidBody(in_detail()),
        ApiError::Unauthorized,
        ApiError::Forbidden,
        ApiError::NotFound,
        ApiError::UnknownName(in_detail()),
        ApiError::MethodNotAllowed("GET, HEAD".to_owned()),
        ApiError::RequestTimeout,
        ApiError::Conflict(in_detail()),
        ApiError::BodyTooLarge,
        ApiError::Unprocessable(in_detail()),
        ApiError::Internal,
        ApiError::NotReady,
        ApiError::PluginNotStarted {
            worker: 0,
            plugin: "auth".to_owned(),
        },
    ];
    for error in all {
        // A new error does not compile here until it is listed above.
        let example = match error {
            ApiError::Malformed(_) => ", and the other codes of a [malformed request](operating.md#error-responses)",
            ApiError::InvalidQuery(_)
            | ApiError::InvalidBody(_)
            | ApiError::Unauthorized
            | ApiError::Forbidden
            | ApiError::NotFound
            | ApiError::UnknownName(_)
            | ApiError::MethodNotAllowed(_)
            | ApiError::RequestTimeout
            | ApiError::Conflict(_)
            | ApiError::BodyTooLarge
            | ApiError::Unprocessable(_)
            | ApiError::Internal
            | ApiError::NotReady
            | ApiError::PluginNotStarted { .. } => "",
        };
        let name = code(error.code()) + example;
        row(page, &[error.status().as_str(), &name, &error.detail()]);
    }
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn link(object: &str) -> String {
    format!("[`{object}`](#{})", object.to_lowercase())
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
