//! The OpenAPI document, and what holds it against the handlers: every answer of every test.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Map, Value};

pub(crate) struct Document(pub(crate) Value);

impl Document {
    /// Returns every operation: path, method, and what is said of it.
    pub(crate) fn operations(&self) -> Vec<(&str, Method, &Value)> {
        let mut operations = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (name, operation) in methods.as_object().unwrap() {
                let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes()).unwrap();
                operations.push((path.as_str(), method, operation));
            }
        }
        operations
    }

    /// Checks that an answer is one that the document promises.
    pub(crate) fn check(&self, method: &Method, path: &str, status: StatusCode, json: &Value) {
        // A fixed path goes before one with a variable.
        let found = self
            .operations()
            .into_iter()
            .filter(|(template, ours, _)| ours == method && fits(template, path))
            .min_by_key(|(template, _, _)| template.matches('{').count());
        let Some((template, _, operation)) = found else {
            let refused = [401, 403, 404, 405, 421, 429].contains(&status.as_u16());
            assert!(
                refused,
                "{method} {path} is answered {status}, but not described"
            );
            return;
        };
        let response = &operation["responses"][status.as_str()];
        assert!(
            response.is_object(),
            "{method} {template} answers {status}, which is not described: {json}"
        );
        let schema = &response["content"]["application/json"]["schema"];
        if !schema.is_null() {
            let mut faults = Vec::new();
            self.misfits(schema, json, "", &mut faults);
            assert!(
                faults.is_empty(),
                "{method} {template} {status}: {faults:?}: {json}"
            );
        }
    }

    /// Says where a value is not what a schema says: as much of JSON Schema as this document uses. Every field must be described.
    fn misfits(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.strip_prefix("#/components/schemas/").unwrap();
            let schema = &self.0["components"]["schemas"][name];
            assert!(!schema.is_null(), "there is no schema `{name}`");
            return self.misfits(schema, value, at, faults);
        }
        let choices = ["anyOf", "oneOf"]
            .iter()
            .find_map(|word| schema[word].as_array());
        if let Some(choices) = choices {
            let fits = |choice: &Value| {
                let mut faults = Vec::new();
                self.misfits(choice, value, at, &mut faults);
                faults.is_empty()
            };
            if !choices.iter().any(fits) {
                faults.push(format!("{at}: no choice fits {value}"));
            }
            return;
        }
        let words = schema["enum"].as_array();
        let only = schema.get("const");
        if words.is_some_and(|words| !words.contains(value))
            || only.is_some_and(|only| only != value)
        {
            faults.push(format!("{at}: {value} is another word"));
        }
        if let Some(types) = types(schema)
            && !types.iter().any(|kind| is_of(kind, value))
        {
            faults.push(format!("{at}: {value} is none of {types:?}"));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(items) = schema.get("items") {
                self.misfits(items, item, &format!("{at}/{index}"), faults);
            }
        }
        if let Some(fields) = value.as_object()
            && schema.get("type").is_some()
        {
            self.misfits_of_fields(schema, fields, at, faults);
        }
    }

    fn misfits_of_fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                faults.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, field) in fields {
            let at = format!("{at}/{name}");
            let known = schema["properties"].get(name);
            match known.or(schema.get("additionalProperties")) {
                Some(schema) => self.misfits(schema, field, &at, faults),
                None => faults.push(format!("{at}: is not described")),
            }
        }
    }

    /// Returns every schema that something points to.
    pub(crate) fn references(&self) -> BTreeSet<&str> {
        fn collect<'a>(value: &'a Value, names: &mut BTreeSet<&'a str>) {
            match value {
                Value::Object(fields) => {
                    names.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|field| collect(field, names));
                }
                Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
                _ => {}
            }
        }
        let mut names = BTreeSet::new();
        collect(&self.0, &mut names);
        names
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let same = |(our, their): (&&str, &&str)| our.starts_with('{') || our == their;
    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(same)
}

fn types(schema: &Value) -> Option<Vec<&str>> {
    match &schema["type"] {
        Value::String(only) => Some(vec![only.as_str()]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document uses the type `{other}`"),
    }
}
