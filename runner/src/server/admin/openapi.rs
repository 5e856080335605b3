//! The OpenAPI document, made of the table that makes the router, and of the types that the handlers read and write.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Admin;
use super::failure::ErrorBody;
use super::route::{Content, Route};

/// Returns the document.
pub(super) async fn show(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(Value::clone(&admin.document))
}

/// Describes the routes of an integration.
pub(super) fn document(name: &str, version: &str, routes: &[Route]) -> Value {
    // What is read and what is written have schemas of their own: what may be left out differs.
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
    };
    let mut read = settings().for_deserialize().into_generator();
    let mut written = settings().for_serialize().into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            let method = route.method.as_str().to_ascii_lowercase();
            methods.insert(method, operation(route, &mut read, &mut written));
        }
    }
    let mut schemas = read.take_definitions(true);
    schemas.extend(written.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("Management API of {name}"),
            "version": version,
            "description": "Lists are paged: give the `next_cursor` of a page as `cursor` to get the next one. Errors are `{\"error\": \"…\"}`."
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        },
        "security": [{"token": []}]
    })
}

fn operation(route: &Route, read: &mut SchemaGenerator, written: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "responses": responses(route, written),
    });
    let Some(fields) = operation.as_object_mut() else {
        return operation;
    };
    let mut parameters = path_parameters(route.path);
    parameters.extend(
        route
            .query
            .iter()
            .flat_map(|query| query_parameters(&query(read))),
    );
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), Value::from(parameters));
    }
    if let Some(body) = route.body {
        let content = json!({"application/json": {"schema": body(read)}});
        fields.insert("requestBody".to_owned(), json!({"content": content}));
    }
    if route.is_open {
        fields.insert("security".to_owned(), json!([]));
    }
    operation
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
    });
    names.collect()
}

/// The fields of a struct are the parameters.
fn query_parameters(schema: &Schema) -> Vec<Value> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let parameter = |(name, schema): (&String, &Value)| {
        let is_required = required.contains(&name.as_str());
        let mut schema = schema.clone();
        let description = schema
            .as_object_mut()
            .and_then(|keys| keys.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": is_required,
            "description": description.unwrap_or_default(),
            "schema": schema,
        })
    };
    properties.into_iter().flatten().map(parameter).collect()
}

/// The refusals that every route with a token has.
const GUARDED: [StatusCode; 6] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::SERVICE_UNAVAILABLE,
];

fn responses(route: &Route, written: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let mut add = |status: StatusCode, content: Option<Value>| {
        let mut response = json!({"description": status.canonical_reason().unwrap_or_default()});
        if let (Some(content), Some(fields)) = (content, response.as_object_mut()) {
            fields.insert("content".to_owned(), content);
        }
        responses.insert(status.as_str().to_owned(), response);
    };
    for (status, content) in &route.answers {
        let content = match content {
            Content::Nothing => None,
            Content::Json(schema) => Some(json!({"application/json": {"schema": schema(written)}})),
            Content::Other(content_type) => {
                let mut content = Map::new();
                content.insert((*content_type).to_owned(), json!({}));
                Some(Value::Object(content))
            }
        };
        add(*status, content);
    }
    let everywhere = if route.is_open {
        &[StatusCode::SERVICE_UNAVAILABLE][..]
    } else {
        &GUARDED[..]
    };
    for status in everywhere.iter().chain(&route.refusals) {
        let schema = written.subschema_for::<ErrorBody>();
        add(
            *status,
            Some(json!({"application/json": {"schema": schema}})),
        );
    }
    Value::Object(responses)
}
