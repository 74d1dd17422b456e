//! What the OpenAPI document says about every operation alike: security, path parameters, and how they fail.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, ToSchema as _, openapi::OpenApi};

use super::{
    export, idempotency,
    problem::{Details, InputError, Named},
};

const DESCRIPTION: &str = "Everything an administrator does with Gatewright. Errors are `application/problem+json` (RFC \
     9457); each violation of the input names its place with a JSON pointer. `PATCH` merges (RFC 7396): what is left out \
     stays, `null` resets to the default, where there is one. Lists come in pages: pass `next_cursor` as `cursor` to go on.";

/// The tags of objects that have their own version.
const VERSIONED: [&str; 13] = [
    "Members",
    "Accounts",
    "Account",
    "Projects",
    "User Sources",
    "Gateways",
    "Pre-registered clients",
    "Servers",
    "Secrets",
    "Users",
    "API keys",
    "Instance",
    "Streams",
];

/// What is below these has none: events never change, a chain of them only grows, a grant only ends, and recorded arguments are
/// deleted whatever there is.
const UNVERSIONED: [&str; 9] = [
    "/managed-objects",
    "/recorded-arguments",
    "/streams/{stream}/test",
    "/audit-events",
    "/audit-chain",
    "/grants",
    "/sessions",
    "/password",
    "/memberships",
];

/// The account that is signed in: an API key is not one.
const OWN: &str = "/api/v1/account";
/// All accounts.
const ALL: &str = "/api/v1/accounts";

/// What only a signed-in administrator of the instance can do: it hands out credentials or rights of people.
const IN_PERSON: [(&str, &str); 2] = [
    ("patch", "/api/v1/accounts/{account}"),
    ("post", "/api/v1/accounts/{account}/password-link"),
];

/// Completes the document made from the operations.
pub(super) fn finish(document: OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("the document is plain data");
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Gatewright API",
        "version": env!("CARGO_PKG_VERSION"),
        "description": DESCRIPTION,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    });
    document["security"] = either();
    document["components"]["securitySchemes"] = json!({"session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-gatewright-session",
        "description": "The session of an account, for pages of the dashboard only: a change must come with `Sec-Fetch-Site: \
                        same-origin` or our `Origin`. On loopback without TLS the name has no `__Host-`.",
    }, "api_key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "gwk_…",
        "description": "A key of the project, or of the instance for operations on projects. Keys of role `gateway` open nothing here.",
    }});
    let schemas = &mut document["components"]["schemas"];
    for (name, schema) in [
        (Details::name(), Details::schema()),
        (InputError::name(), InputError::schema()),
        (Named::name(), Named::schema()),
    ] {
        schemas[name.as_ref()] = serde_json::to_value(schema).expect("a schema is plain data");
    }
    let schemas = json!({"components": {"schemas": document["components"]["schemas"].clone()}});
    let paths = document["paths"].as_object_mut().expect("a document has paths");
    for (path, item) in paths {
        let operations = item.as_object_mut().expect("a path is an object");
        for (method, operation) in operations {
            finish_operation(path, method, operation);
            export::describe(&schemas, operation);
        }
    }
    document
}

/// The credentials for most operations.
fn either() -> Value {
    json!([{"api_key": []}, {"session": []}])
}

fn finish_operation(path: &str, method: &str, operation: &mut Value) {
    let is_own = path.starts_with(OWN) && !path.starts_with(ALL);
    operation["security"] = if is_own || IN_PERSON.contains(&(method, path)) {
        json!([{"session": []}])
    } else {
        either()
    };
    let has_body = operation.get("requestBody").is_some();
    if has_body {
        operation["requestBody"]["required"] = json!(true);
    }
    let mut parameters = path_parameters(path);
    let own = operation
        .get("parameters")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let is_list = own.iter().any(|parameter| parameter["in"] == "query");
    parameters.extend(own);
    let is_versioned = is_versioned(path, operation);
    // A rotation that is repeated by mistake would end the secret that is still in its overlap.
    let starts_from_a_version =
        is_versioned && (matches!(method, "patch" | "delete") || path.ends_with("/rotate-secret"));
    if starts_from_a_version {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The `ETag` of the version the change starts from. Another version answers 412.",
        }));
    }
    let creates = method == "post" && idempotency::creates(operation);
    if creates {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "pattern": format!("^[!-~]{{1,{}}}$", idempotency::MAX_CHARACTERS)},
            "description": "Makes the creation safe to repeat: the same key with the same body gets the same response for 24 \
                            hours, with `Idempotency-Replayed: true`, and creates nothing again. A key, link or secret is \
                            in the first response only: later it is null, and `notice` says so. A caller that can no longer \
                            create this gets 403 or 404 instead. Another body answers 422. The last 1,000 answers of a caller are \
                            remembered.",
        }));
    }
    operation["parameters"] = Value::Array(parameters);
    let members = operation.as_object_mut().expect("an operation is an object");
    let responses = members.entry("responses").or_insert_with(|| json!({}));
    let responses = responses.as_object_mut().expect("responses are an object");
    for response in responses.values_mut() {
        // The specification asks for a description of every response.
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!("Done.");
        }
    }
    let is_one = method != "get" || path.ends_with('}');
    if is_versioned && is_one {
        tag_successes(responses);
    }
    let mut problems = vec![
        ("401", "There is no valid API key or session."),
        ("403", "This is not open to the key or account."),
        ("404", "There is no such object, or it is in another project."),
        (
            "429",
            "Too many wrong keys came from this network, or too many changes were made with this key or account; `Retry-After` \
             says when to come back.",
        ),
        ("500", "Internal error."),
        ("503", "The database is not responding."),
    ];
    if is_list || has_body || creates {
        problems.push(("400", "The query or the body cannot be read."));
    }
    if has_body {
        problems.push(("408", "The body arrived too slowly."));
        problems.push(("413", "The body is too large."));
        problems.push(("415", "The body is not JSON."));
        problems.push((
            "422",
            "The input is wrong; `errors` says where, and what to enter.",
        ));
    }
    if method != "get" {
        problems.push((
            "409",
            "Something prevents it; the problem says what, and what to do.",
        ));
    }
    if starts_from_a_version {
        problems.push(("412", "`If-Match` names another version than the present one."));
    }
    for (status, description) in problems {
        responses.entry(status).or_insert_with(|| {
            json!({
                "description": description,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            })
        });
    }
}

fn is_versioned(path: &str, operation: &Value) -> bool {
    let tag = operation["tags"][0].as_str().unwrap_or_default();
    VERSIONED.contains(&tag) && !UNVERSIONED.iter().any(|place| path.contains(place))
}

fn tag_successes(responses: &mut Map<String, Value>) {
    for (status, response) in responses {
        if status == "200" || status == "201" {
            response["headers"]["ETag"] = json!({
                "schema": {"type": "string"},
                "description": "The version, for `If-Match`.",
            });
        }
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let prefix = match name {
                "project" => "prj",
                "user_source" => "src",
                "test_sign_in" => "tst",
                "gateway" => "gw",
                "preregistered_client" => "cli",
                "client_block" => "blk",
                "server" => "srv",
                "secret" => "sec",
                "account" => "acc",
                "session" => "ses",
                "invitation" => "inv",
                "user" => "usr",
                "grant" => "grt",
                "api_key" => "key",
                "audit_event" => "evt",
                "sign_in_attempt" => "att",
                "activity" => "act",
                "incident" => "inc",
                "stream" => "str",
                other => unreachable!("a path has the parameter {other}, which is not described here"),
            };
            json!({
                "name": name, "in": "path", "required": true,
                "description": format!("The id, like `{prefix}_0192f0c1a2b37c4d8e5f60718293a4b5`."),
                "schema": {"type": "string", "pattern": format!("^{prefix}_[0-9a-f]{{32}}$")},
            })
        })
        .collect()
}
