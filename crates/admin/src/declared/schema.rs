//! The JSON Schema (2020-12) of a declaration, for editors. It is made from the model, so that it says what is read.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema, openapi::RefOr};

use super::model::Project;

/// The words of a field, as a part of the schema to which the field adds its description.
macro_rules! words {
    ($($name:ident = $words:ident;)+) => {
        pub(super) mod words {
            use utoipa::{PartialSchema, ToSchema, openapi::{RefOr, schema::Schema}};

            $(
                pub(crate) struct $name;

                impl PartialSchema for $name {
                    fn schema() -> RefOr<Schema> {
                        crate::schema::$words().into()
                    }
                }

                impl ToSchema for $name {}
            )+
        }
    };
}

words! {
    AuthenticationMode = mode;
    CallbackChoice = callback;
    ClientAuthentication = client_authentication;
    ClientMethod = client_method;
    Identity = identity;
    KeyRoleWord = role;
    MemberRole = member_role;
    PrefixChoice = prefix_mode;
    Protocol = protocol;
    Status = status;
}

/// Its address. It is a name; nothing is fetched from there.
const ID: &str = "https://gatewright.dev/schemas/project-1.json";

/// The schema.
pub fn schema() -> Value {
    let mut parts = Vec::new();
    Project::schemas(&mut parts);
    let definitions: Map<String, Value> = parts
        .iter()
        .map(|(name, part)| (name.clone(), plain(part)))
        .collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "A project of Gatewright",
    });
    if let (Value::Object(all), Value::Object(own)) = (&mut schema, plain(&Project::schema())) {
        all.extend(own);
    }
    schema["$defs"] = Value::Object(definitions);
    finish(&mut schema);
    schema
}

fn plain(part: &RefOr<utoipa::openapi::schema::Schema>) -> Value {
    serde_json::to_value(part).expect("a schema is plain data")
}

/// References point into this document, and objects have no other fields.
fn finish(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/$defs/");
            }
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            fields.values_mut().for_each(finish);
        }
        Value::Array(items) => items.iter_mut().for_each(finish),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `GATEWRIGHT_WRITE_SCHEMA=1` writes the file.
    #[test]
    fn the_published_schema_is_the_one_of_the_model() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gatewright.schema.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("GATEWRIGHT_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(published, text, "run this test with GATEWRIGHT_WRITE_SCHEMA=1");
    }

    #[test]
    fn every_reference_of_the_schema_leads_somewhere_and_every_field_is_described() {
        fn visit(schema: &Value, value: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(target)) = fields.get("$ref") {
                        let pointer = target.strip_prefix('#').unwrap();
                        assert!(schema.pointer(pointer).is_some(), "{target}");
                    }
                    if let Some(Value::Object(properties)) = fields.get("properties") {
                        for (name, property) in properties {
                            assert!(property.to_string().contains("description"), "{name}");
                        }
                    }
                    fields.values().for_each(|inner| visit(schema, inner));
                }
                Value::Array(items) => items.iter().for_each(|inner| visit(schema, inner)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let schema = schema();
        visit(&schema, &schema);
        assert_eq!(schema["required"], json!(["version", "project"]));
    }
}
