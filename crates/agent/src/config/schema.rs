//! The JSON Schema of `senko.toml`, for editors, made of the fields that the reader knows.

use policy::{Field, Shape};
use serde_json::{Map, Value, json};

use super::{functions, interfaces, sets, settings};

/// The schema, of the 2020-12 dialect.
pub fn schema() -> Value {
    let mut properties = Map::new();
    let mut interface = table(interfaces::FIELDS);
    interface["required"] = json!(["name"]);
    interface["properties"]["name"]["pattern"] = json!(r"^[^/:\s]{1,15}$");
    properties.insert(
        "interface".into(),
        json!({
            "description": "The interfaces whose packets are judged.",
            "type": "array", "maxItems": abi::interface::MAX, "items": interface,
        }),
    );
    properties.insert("sets".into(), sets());
    for function in functions() {
        properties.insert(function.name().into(), described(function.about(), function.fields()));
    }
    properties.insert("metrics".into(), described("Answers Prometheus.", settings::METRICS));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "senko.toml",
        "description": "The configuration of senko's gateway.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": {
            "prefix": {
                "description": "192.0.2.0/24, 192.0.2.7, 2001:db8::/32 or 2001:db8::1",
                "type": "string", "pattern": format!("^{PREFIX}$"),
            },
            "source": {
                "description": "A prefix, an address, or all elements of a set: \"@office\"",
                "type": "string", "pattern": format!("^(@{SET}|{PREFIX})$"),
            },
        },
    })
}

const PREFIX: &str =
    "([0-9]{1,3}([.][0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?)";
const SET: &str = "[A-Za-z0-9._-]{1,64}";
const LISTEN: &str = r"^([0-9]{1,3}([.][0-9]{1,3}){3}|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$";

fn described(about: &str, fields: &[Field]) -> Value {
    let mut table = table(fields);
    table["description"] = json!(about);
    table
}

fn table(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.into(), property(field))).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn property(field: &Field) -> Value {
    let array = |items: Value| json!({ "type": "array", "items": items });
    let mut property = match field.shape {
        Shape::Choice(words) => choice(words),
        Shape::Choices(words) => array(choice(words)),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Count(most) => json!({ "type": "integer", "minimum": 1, "maximum": most }),
        Shape::Prefixes => array(json!({ "$ref": "#/$defs/source" })),
        Shape::Interfaces => array(json!({ "type": "string" })),
        Shape::Cables => {
            let mut pair = array(json!({ "type": "string" }));
            pair["minItems"] = json!(2);
            pair["maxItems"] = json!(2);
            array(pair)
        }
        Shape::Listen => json!({ "type": "string", "pattern": LISTEN }),
        Shape::Text => json!({ "type": "string" }),
        Shape::Texts => array(json!({ "type": "string" })),
    };
    property["description"] = json!(field.about);
    // Defaults are words, arrays of words, true or false: in JSON as they are in TOML.
    if let Ok(default) = serde_json::from_str::<Value>(field.default) {
        property["default"] = default;
    }
    property
}

/// With the aliases.
fn choice(words: &[&str]) -> Value {
    let words: Vec<&str> = words.iter().flat_map(|word| word.split('|')).collect();
    json!({ "enum": words })
}

fn sets() -> Value {
    let mut file = table(sets::FILE_FIELDS);
    file["required"] = json!(["file"]);
    json!({
        "description": "Prefixes under a name, which sections refer to as \"@name\".",
        "type": "object",
        "propertyNames": { "pattern": format!("^{SET}$") },
        "additionalProperties": {
            "anyOf": [{ "type": "array", "items": { "$ref": "#/$defs/prefix" } }, file],
        },
    })
}
