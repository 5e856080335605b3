//! Deploys: a form made of the config schema of the integration.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::instance_view::MASKED;
use super::Console;
use super::answer::{Answer as _, plain};
use super::instances::api_path;
use super::layout;
use super::refused::Refused;

/// What somebody filled in, by name.
type Filled = BTreeMap<String, String>;

/// What stands before the name of a config variable in the form.
const CONFIG: &str = "config.";

/// Asks for what a new instance needs.
pub(super) async fn first(State(console): State<Arc<Console>>) -> Result<Markup, Refused> {
    let integration = console.api.get("/api/integration").await?;
    let content = html! {
        h1 { "Deploy an instance" }
        form.column method="post" action="/console/deploy" {
            label { "Customer id" input name="customer" required; }
            label { "Customer name" input name="customer_name"; }
            label { "Instance name" input name="name"; }
            (variables(&integration, &Value::Null))
            button { "Deploy" }
        }
    };
    Ok(layout::page("Deploy", &content))
}

/// Deploys a new instance.
pub(super) async fn make(
    State(console): State<Arc<Console>>,
    Form(filled): Form<Filled>,
) -> Result<Markup, Refused> {
    let integration = console.api.get("/api/integration").await?;
    // What was left empty is null, as if it were not said.
    let given = |name: &str| filled.get(name).filter(|text| !text.is_empty());
    let asked = json!({
        "name": given("name"),
        "customer": {"id": filled.get("customer"), "name": given("customer_name")},
        "config": config(&integration, &filled)?,
    });
    let deployed = console.api.post("/api/instances", &asked).await?;
    Ok(done(&deployed))
}

/// Asks for what is different at the next deploy.
pub(super) async fn again(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Markup, Refused> {
    let integration = console.api.get("/api/integration").await?;
    let instance = console.api.get(&api_path(&id)).await?;
    let path = layout::instance_path(&id);
    let content = html! {
        h1 { "Deploy " a href=(path) { (instance.text("/name")) } " again" }
        h2 { "With the values that it has" }
        (layout::action(&format!("{path}/redeploy"), "Deploy"))
        h2 { "With other values" }
        p.note { "All values are taken from here. Secrets are not shown; write them again." }
        form.column method="post" action=(format!("{path}/deploy")) {
            (variables(&integration, instance.pointer("/config").unwrap_or(&Value::Null)))
            button { "Deploy with these values" }
        }
    };
    Ok(layout::page("Deploy", &content))
}

/// Deploys an instance with the values that it has.
pub(super) async fn repeat(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Markup, Refused> {
    put(&console, &id, &json!({})).await
}

/// Deploys an instance with other values.
pub(super) async fn change(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Form(filled): Form<Filled>,
) -> Result<Markup, Refused> {
    let integration = console.api.get("/api/integration").await?;
    let asked = json!({ "config": config(&integration, &filled)? });
    put(&console, &id, &asked).await
}

async fn put(console: &Console, id: &str, asked: &Value) -> Result<Markup, Refused> {
    let deployed = console.api.call(Method::PUT, &api_path(id), asked).await?;
    Ok(done(&deployed))
}

fn done(deployed: &Value) -> Markup {
    let content = html! {
        h1 { "Deployed " a href=(layout::instance_path(deployed.text("/id"))) { (deployed.text("/name")) } }
        @if deployed.list("/functions").is_empty() {
            p.note { "The integration has no deploy functions." }
        } @else {
            (layout::functions(deployed.list("/functions")))
        }
    };
    layout::page("Deployed", &content)
}

/// Makes a field for each config variable; those that are no secret show what they hold.
fn variables(integration: &Value, values: &Value) -> Markup {
    let required = integration.list("/config_schema/required");
    html! {
        @for (name, schema) in integration.fields("/config_schema/properties") {
            @let is_required = required.iter().any(|required| required == name);
            @let before = values.get(name).or(schema.get("default")).filter(|value| **value != MASKED);
            label {
                (name) @if is_required { " *" }
                @if !schema.text("/description").is_empty() { span.note { (schema.text("/description")) } }
                (field(&format!("{CONFIG}{name}"), schema, before, is_required))
            }
        }
    }
}

fn field(name: &str, schema: &Value, before: Option<&Value>, is_required: bool) -> Markup {
    let text = before
        .map(|value| written(schema, value))
        .unwrap_or_default();
    let is_long = text.contains('\n') || !schema.text("/contentMediaType").is_empty();
    let words: Vec<&str> = match schema.text("/type") {
        "boolean" => vec!["true", "false"],
        _ => schema
            .list("/enum")
            .iter()
            .filter_map(Value::as_str)
            .collect(),
    };
    html! {
        @if !words.is_empty() {
            select name=(name) required[is_required] {
                option value="" {}
                @for word in words { option value=(word) selected[word == text] { (word) } }
            }
        } @else if schema.is("/writeOnly") && is_text(schema) {
            // A private key has lines.
            textarea.secret name=(name) rows="1" spellcheck="false" autocomplete="off" required[is_required] {}
        } @else if is_text(schema) && is_long {
            textarea name=(name) rows="8" spellcheck="false" required[is_required] { "\n" (text) }
        } @else if is_text(schema) {
            input name=(name) value=(text) required[is_required];
        } @else {
            textarea name=(name) rows="2" spellcheck="false" required[is_required] { (text) }
            span.note { "as JSON, or as text" }
        }
    }
}

/// Writes a value so that it is read as the same again.
fn written(schema: &Value, value: &Value) -> String {
    if is_text(schema) {
        plain(value)
    } else {
        value.to_string()
    }
}

fn is_text(schema: &Value) -> bool {
    matches!(schema.text("/type"), "string" | "number" | "integer")
}

/// Reads what was filled in by the type that each variable has; what was left empty is not given.
fn config(integration: &Value, filled: &Filled) -> Result<Map<String, Value>, Refused> {
    let mut config = Map::new();
    for (name, schema) in integration.fields("/config_schema/properties") {
        let typed = filled.get(&format!("{CONFIG}{name}")).map(String::as_str);
        let Some(typed) = typed.filter(|typed| !typed.is_empty()) else {
            continue;
        };
        config.insert(name.to_owned(), read(name, schema, typed)?);
    }
    Ok(config)
}

fn read(name: &str, schema: &Value, typed: &str) -> Result<Value, Refused> {
    let as_json = serde_json::from_str(typed);
    match schema.text("/type") {
        // Browsers send lines with the ends of another system.
        "string" => Ok(Value::from(typed.replace("\r\n", "\n"))),
        "number" | "integer" | "boolean" | "array" | "object" => as_json
            .map_err(|fault| Refused::typed(&format!("`{name}` cannot be read as JSON: {fault}"))),
        // It may be several types: a schedule is a text or an object.
        _ => Ok(as_json.unwrap_or_else(|_| Value::from(typed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(kind: &Value, text: &str) -> Result<Value, Refused> {
        read("x", &json!({ "type": kind }), text)
    }

    #[test]
    fn what_is_typed_is_read_by_the_type_of_its_variable() {
        assert_eq!(typed(&json!("string"), "5").unwrap(), json!("5"));
        assert_eq!(typed(&json!("string"), "a\r\nb").unwrap(), "a\nb");
        assert_eq!(typed(&json!("integer"), "5").unwrap(), json!(5));
        assert_eq!(typed(&json!("boolean"), "true").unwrap(), json!(true));
        assert_eq!(typed(&json!("array"), r#"["a"]"#).unwrap(), json!(["a"]));
        let either = json!(["string", "object"]);
        assert_eq!(
            typed(&either, "every 5 minutes").unwrap(),
            json!("every 5 minutes")
        );
        assert_eq!(
            typed(&either, r#"{"cron":"* * * * *"}"#).unwrap()["cron"],
            "* * * * *"
        );
        assert!(typed(&json!("number"), "five").is_err());
    }

    #[test]
    fn what_a_form_shows_is_read_as_the_same_again() {
        for (schema, value) in [
            (json!({"type": "string"}), json!("5")),
            (json!({"type": "number"}), json!(0.5)),
            (json!({}), json!("true")),
            (json!({}), json!({"a": [1, null]})),
            (
                json!({"type": ["string", "object"]}),
                json!("every 5 minutes"),
            ),
        ] {
            let shown = written(&schema, &value);
            assert_eq!(read("x", &schema, &shown).unwrap(), value, "{schema}");
        }
    }

    #[test]
    fn a_text_with_lines_keeps_them_and_what_is_masked_is_not_sent_back() {
        let integration = json!({"config_schema": {"properties": {
            "page": {"type": "string", "contentMediaType": "text/html"},
            "email": {"type": "string"},
        }}});
        let values = json!({"page": "<p>\n</p>", "email": MASKED});
        let form = variables(&integration, &values).into_string();
        assert!(
            form.contains("\n&lt;p&gt;\n&lt;/p&gt;</textarea>"),
            "{form}"
        );
        assert!(!form.contains(MASKED), "{form}");
    }

    #[test]
    fn what_is_left_empty_is_not_given() {
        let integration = json!({"config_schema": {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}});
        let filled = [("config.a", ""), ("config.b", "x"), ("config.c", "y")];
        let filled = filled.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let config = config(&integration, &filled.into_iter().collect()).unwrap();
        assert_eq!(Value::Object(config), json!({"b": "x"}));
    }
}
