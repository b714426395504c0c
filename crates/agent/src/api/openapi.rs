//! The API's description, made of the types that the server reads and writes.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{ROUTES, Stop};
use crate::{
    daemon::State,
    edits::BlockRow,
    request::{Apply, Block, Refusal, Reply, SetEdit},
};

/// An OpenAPI 3.1 document.
pub fn openapi() -> Value {
    let mut generator = SchemaSettings::openapi3().with(|settings| {
        settings.meta_schema = None;
    });
    generator.definitions_path = "/components/schemas".into();
    let mut generator = generator.into_generator();
    let mut paths = Map::new();
    for route in ROUTES {
        let body = body(route.path, route.method, &mut generator);
        let (kind, answer) = answer(route.path, route.method, &mut generator);
        let mut operation = json!({
            "summary": route.about,
            "responses": {
                "200": { "description": "Done", "content": { kind: { "schema": answer } } },
                "default": {
                    "description": "Refused; nothing was changed",
                    "content": { "application/json": { "schema": of::<Refusal>(&mut generator) } },
                },
            },
        });
        if let Some(schema) = body {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        if route.path.contains("{name}") {
            operation["parameters"] = json!([
                { "name": "name", "in": "path", "required": true, "schema": { "type": "string" } },
            ]);
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation;
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "senko",
            "description": "The gateway of one network namespace, on the Unix socket /run/senko/KEY/api.sock.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn body(path: &str, method: &str, generator: &mut SchemaGenerator) -> Option<Value> {
    Some(match (path, method) {
        ("/v1/apply", _) => of::<Apply>(generator),
        ("/v1/sets/{name}", "post") => of::<SetEdit>(generator),
        ("/v1/blocks", "post") => of::<Block>(generator),
        ("/v1/unblock", _) => of::<Vec<String>>(generator),
        ("/v1/stop", _) => of::<Stop>(generator),
        _ => return None,
    })
}

fn answer(path: &str, method: &str, generator: &mut SchemaGenerator) -> (&'static str, Value) {
    let json = "application/json";
    match (path, method) {
        ("/v1/metrics", _) | ("/v1/sets/{name}", "get") => ("text/plain", json!({ "type": "string" })),
        ("/v1/blocks", "get") => (json, of::<Vec<BlockRow>>(generator)),
        // Their documents are described in docs/json.md.
        ("/v1/status", _) => (json, of::<State>(generator)),
        ("/v1/openapi.json" | "/v1/stats", _) => (json, json!({ "type": "object" })),
        _ => (json, of::<Reply>(generator)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `docs/openapi.json` is what the daemon serves.
    #[test]
    fn the_published_description_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let text = serde_json::to_string_pretty(&openapi()).expect("plain data") + "\n";
        if std::env::var_os("SENKO_WRITE_DOCS").is_some() {
            std::fs::write(path, &text).expect("the docs can be written");
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == text,
            "docs/openapi.json is old: run SENKO_WRITE_DOCS=1 cargo test -p agent openapi"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = openapi();
        let text = document.to_string();
        let mut found = 0;
        for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
            found += 1;
        }
        assert!(found > 8, "{found}");
    }
}
