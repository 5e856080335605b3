//! The OpenAPI document. That each answer is one that it promises is checked by the caller of all other tests.

use std::collections::BTreeSet;

use http::Method;

use crate::caller::Server;

/// Section 3 of the operation contract, and what stands in its text.
const CONTRACT: [(&str, &[&str]); 19] = [
    ("/api/integration", &["GET"]),
    ("/api/instances", &["GET", "POST"]),
    ("/api/instances/{id}", &["GET", "PUT", "DELETE"]),
    ("/api/instances/{id}/pause", &["POST"]),
    ("/api/instances/{id}/resume", &["POST"]),
    ("/api/instances/{id}/flows/{key}/test", &["POST"]),
    (
        "/api/instances/{id}/flows/{key}/keys",
        &["GET", "POST", "DELETE"],
    ),
    ("/api/executions", &["GET"]),
    ("/api/executions/{id}", &["GET"]),
    ("/api/executions/{id}/logs", &["GET"]),
    ("/api/logs/stream", &["GET"]),
    ("/api/executions/{id}/replay", &["POST"]),
    ("/api/executions/{id}/cancel", &["POST"]),
    ("/api/executions/replay", &["POST"]),
    ("/api/instances/{id}/state", &["GET", "DELETE"]),
    ("/api/openapi.json", &["GET"]),
    ("/healthz", &["GET"]),
    ("/readyz", &["GET"]),
    ("/metrics", &["GET"]),
];

#[tokio::test]
async fn every_row_of_the_contract_is_described() {
    let server = Server::start().await;
    let operations = server.document().operations();
    for (path, methods) in CONTRACT {
        for method in methods {
            let mut found = operations.iter();
            let found = found.any(|(ours, our, _)| *ours == path && our.as_str() == *method);
            assert!(found, "{method} {path} is missing");
        }
    }
}

#[tokio::test]
async fn what_is_described_is_answered_and_nothing_else_is() {
    let server = Server::start().await;
    let operations = server.document().operations();
    let paths: BTreeSet<&str> = operations.iter().map(|(path, _, _)| *path).collect();
    // The stream has no end; a test of its own reads it. The bulk replay is also the name of an execution.
    let apart = ["/api/logs/stream", "/api/executions/replay"];
    for path in paths.into_iter().filter(|path| !apart.contains(path)) {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            let mut known = operations.iter();
            let is_described = known.any(|(ours, our, _)| *ours == path && *our == method);
            let concrete = path.replace(['{', '}'], "");
            let answer = server.call(method.clone(), &concrete, None).await;
            let is_answered = answer.status != 405 && !answer.text.contains("nothing at this path");
            assert_eq!(
                is_answered, is_described,
                "{method} {path}: {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let server = Server::start().await;
    let document = server.document();
    assert_eq!(document.0["openapi"], "3.1.0");
    assert_eq!(document.0["info"]["version"], "1.2.3");
    for reference in document.references() {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.0.pointer(pointer).is_some(), "{reference}");
    }
    let mut names = BTreeSet::new();
    for (path, method, operation) in document.operations() {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{method} {path}: {name} is there twice");
        for variable in path.split('/').filter(|part| part.starts_with('{')) {
            let name = variable.trim_matches(['{', '}']);
            let mut parameters = operation["parameters"].as_array().unwrap().iter();
            let is_named = parameters.any(|known| known["name"] == name && known["in"] == "path");
            assert!(is_named, "{method} {path}: {name}");
        }
    }
}

#[tokio::test]
async fn each_parameter_that_is_described_is_known_and_no_other() {
    let server = Server::start().await;
    let id = server.deploy().await;
    for (path, method, operation) in server.document().operations() {
        let parameters = operation["parameters"].as_array();
        let queried: Vec<_> = parameters
            .into_iter()
            .flatten()
            .filter(|known| known["in"] == "query")
            .collect();
        let path = path.replace("{id}", &id).replace("{key}", "greet");
        if queried.is_empty() {
            continue;
        }
        for known in queried {
            let name = known["name"].as_str().unwrap();
            // Whatever the value is worth, the name must not be the fault; the second makes sure that nothing is done.
            let query = format!("{path}?{name}=1&colour=red");
            let answer = server.call(method.clone(), &query, None).await;
            let text = answer.refusal(400);
            assert!(
                !text.contains(&format!("unknown field `{name}`")),
                "{query}: {text}"
            );
        }
        let unknown = server
            .call(method, &format!("{path}?colour=red"), None)
            .await;
        assert!(unknown.refusal(400).contains("unknown field `colour`"));
    }
}

/// A client that is made from the document must not ask for what may be left out.
#[tokio::test]
async fn no_parameter_of_a_query_must_be_given() {
    let server = Server::start().await;
    for (path, method, operation) in server.document().operations() {
        for known in operation["parameters"].as_array().into_iter().flatten() {
            let must = known["required"] == true;
            let named = &known["name"];
            // Which key is deleted is the one thing without which nothing is meant.
            let is_the_key = method == Method::DELETE && path.ends_with("/keys");
            assert!(
                known["in"] == "path" || is_the_key || !must,
                "{method} {path}: {named}"
            );
        }
    }
    let bulk = server
        .document()
        .0
        .pointer("/components/schemas/BulkReplay");
    assert!(bulk.unwrap().get("required").is_none(), "{bulk:?}");
}
