//! The document says what the router does, and the router does nothing that the document does not say.

use std::collections::{BTreeSet, HashSet};

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::Value;

use super::{
    bench::{Bench, REQUEST_ID},
    everything::Everything,
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document as it is served.
pub(super) async fn document(bench: &Bench) -> Value {
    let request = Request::get("/api/openapi.json").body(Body::empty()).unwrap();
    bench.raw(request).await.expect(200).body
}

/// Every operation: method, path, and the operation itself.
pub(super) fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            operations.push((method, path.clone(), operation.clone()));
        }
    }
    operations
}

/// A path with ids of the right kinds in it, of things that do not exist.
pub(super) fn with_ids(path: &str, operation: &Value, project: &str) -> String {
    let mut path = path.to_owned();
    for parameter in operation["parameters"].as_array().unwrap() {
        if parameter["in"] != "path" {
            continue;
        }
        let name = parameter["name"].as_str().unwrap();
        let pattern = parameter["schema"]["pattern"].as_str().unwrap();
        let prefix = pattern.trim_start_matches('^').split("[0-9").next().unwrap();
        let id = format!("{prefix}0192f0c1a2b37c4d8e5f60718293a4b5");
        let id = if name == "project" { project } else { &id };
        path = path.replace(&format!("{{{name}}}"), id);
    }
    assert!(
        !path.contains('{'),
        "a parameter of {path} is not in the document"
    );
    path
}

#[tokio::test]
async fn every_operation_exists_and_needs_credentials() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() > 40, "only {} operations", operations.len());
    for (method, path, operation) in operations {
        let path = with_ids(&path, &operation, "prj_0192f0c1a2b37c4d8e5f60718293a4b5");
        for authorization in [None, Some("Basic Zm9v"), Some("Bearer gwk_wrong")] {
            let mut request = Request::builder().method(method.clone()).uri(&path);
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            let answer = bench.raw(request.body(Body::empty()).unwrap()).await.expect(401);
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
            assert!(
                answer.headers.contains_key(header::WWW_AUTHENTICATE),
                "{method} {path}"
            );
            assert_eq!(answer.body["instance"], REQUEST_ID);
        }
        let by_key = operation["security"][0]["api_key"] == serde_json::json!([]);
        let is_own_account = path.starts_with("/api/v1/account") && !path.starts_with("/api/v1/accounts");
        let id = operation["operationId"].as_str().unwrap();
        let in_person = ["update_account", "make_password_link"].contains(&id);
        assert!(by_key != (is_own_account || in_person), "{method} {path}");
    }
}

/// Routes that are not operations: the document itself, and the 404.
const NO_OPERATIONS: [&str; 4] = ["/api", "/api/", "/api/openapi.json", "/api/{*path}"];

#[tokio::test]
async fn every_route_is_in_the_document() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    // What a router prints of itself are its routes, among other things.
    let printed = format!("{:?}", super::super::routes(&bench.app));
    let routes: BTreeSet<&str> = printed
        .split('"')
        .filter(|text| text.starts_with("/api"))
        .collect();
    let paths = document["paths"].as_object().unwrap().keys().map(String::as_str);
    assert_eq!(routes, paths.chain(NO_OPERATIONS).collect());
}

/// Changes that name no version: a grant, a block, a session and an invitation only end.
const WITHOUT_VERSION: [&str; 9] = [
    "delete_recorded_arguments",
    "end_grant",
    "end_grants",
    "end_member_grant",
    "end_member_grants",
    "end_other_sessions",
    "end_session",
    "revoke_invitation",
    "unblock_client",
];

#[tokio::test]
async fn every_change_takes_a_version_and_every_creation_a_key() {
    let bench = Bench::new().await;
    let all = Everything::make(&bench).await;
    let mut without = Vec::new();
    for (method, path, operation) in operations(&document(&bench).await) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        let parameters = operation["parameters"].as_array().unwrap();
        let takes = |header: &str| parameters.iter().any(|parameter| parameter["name"] == header);
        let creates = method == Method::POST && operation["responses"].get("201").is_some();
        assert_eq!(takes("Idempotency-Key"), creates, "{id}");
        if !matches!(method, Method::PATCH | Method::DELETE) {
            continue;
        }
        if !takes("If-Match") {
            without.push(id);
            continue;
        }
        let Some(filled) = all.path(&path) else { continue };
        let key = all.master(&bench, &path);
        let body = operation.get("requestBody").map(|_| serde_json::json!({}));
        let headers = [("if-match", "\"1\"")];
        let answer = bench
            .with(method.clone(), &filled, Some(key), &headers, body)
            .await;
        assert_eq!(answer.status.as_u16(), 412, "{id}: {:#}", answer.body);
    }
    without.sort();
    assert_eq!(without, WITHOUT_VERSION);
}

#[tokio::test]
async fn nothing_else_answers() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let (method, operation) = item.as_object().unwrap().iter().next().unwrap();
        assert!(METHODS.contains(&method.as_str()));
        let filled = with_ids(path, operation, "prj_0192f0c1a2b37c4d8e5f60718293a4b5");
        for method in METHODS.iter().filter(|method| item.get(**method).is_none()) {
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = Request::builder()
                .method(method)
                .uri(&filled)
                .body(Body::empty())
                .unwrap();
            let answer = bench.raw(request).await.expect(405);
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(answer.body["instance"], REQUEST_ID);
            assert!(answer.headers.contains_key(header::ALLOW));
        }
        let beyond = Request::get(format!("{filled}/nothing-here"))
            .body(Body::empty())
            .unwrap();
        let status = bench.raw(beyond).await.status.as_u16();
        assert!(matches!(status, 401 | 404 | 405), "{path}: {status}");
    }
    for path in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/projects",
        "/api/v1/members",
        "/api/v1/projects/",
    ] {
        let answer = bench
            .raw(Request::get(path).body(Body::empty()).unwrap())
            .await
            .expect(404);
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{path}"
        );
        assert_eq!(answer.body["instance"], REQUEST_ID);
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    let mut ids = HashSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(ids.insert(id.clone()), "{id} is there twice");
        assert!(
            operation["summary"].is_string() && operation["tags"][0].is_string(),
            "{id}"
        );
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{id} never succeeds"
        );
        for (status, response) in responses {
            assert!(
                response["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{id} {status}"
            );
        }
        for status in ["401", "403", "404", "503"] {
            let schema = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
        }
        if operation.get("requestBody").is_some() {
            assert!(
                responses.contains_key("422") && responses.contains_key("415"),
                "{id}"
            );
        }
    }
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 15);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn answers_have_the_members_of_their_schema() {
    let bench = Bench::new().await;
    let document = document(&bench).await;
    let tenant = bench.tenant("Acme").await;
    let source = tenant.source(&bench, "Okta").await;
    let gateway = tenant.gateway_of(&bench, &source, "Agents", "active").await;
    for (path, schema) in [
        (format!("/projects/{}", tenant.id), "Project"),
        (tenant.path(&format!("user-sources/{source}")), "UserSource"),
        (tenant.path(&format!("gateways/{gateway}")), "Gateway"),
    ] {
        let answer = bench.get(&tenant.viewer, &path).await.expect(200);
        let schema = &document["components"]["schemas"][schema];
        let names = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(names(&answer.body), names(&schema["properties"]), "{path}");
    }
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                references.insert(reference.to_owned());
            }
            members
                .values()
                .for_each(|member| collect_references(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
