//! `Idempotency-Key`: a creation that is sent again, because its answer was lost, gets the same answer and makes nothing. The
//! caller is asked again what they may do, and a credential is in the first answer only: it is not kept.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts as _, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    authenticate::{Caller, Known},
    input::read_whole,
    problem::Problem,
};
use crate::{
    Admin,
    service::once::{self, Once},
};

/// The header of requests.
pub(super) const HEADER: &str = "idempotency-key";
/// The header of responses that were sent before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// A UUID has 36 characters, so this is more than enough.
pub(super) const MAX_CHARACTERS: usize = 255;
/// The parts of a response's head that are sent again.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// The document's mark for a member that is a credential and is in one response only.
pub(super) const SHOWN_ONCE: &str = "x-shown-once";
/// The member of a repeated response that says why another one is null.
const NOTICE: &str = "notice";

/// What this layer needs to know.
#[derive(Clone)]
pub(super) struct Creations {
    app: Arc<Admin>,
    /// The paths at which POST creates something, with the members of the answer that are shown once.
    paths: Arc<HashMap<String, Vec<String>>>,
}

impl Creations {
    /// The creations of the document: every POST that returns 201.
    pub(super) fn of(app: Arc<Admin>, document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let paths = paths
            .filter(|(_, operations)| creates(&operations["post"]))
            .map(|(path, operations)| (path.clone(), shown_once(document, &operations["post"], "201")))
            .collect();
        Self {
            app,
            paths: Arc::new(paths),
        }
    }
}

/// Whether an operation of the document creates something.
pub(super) fn creates(operation: &Value) -> bool {
    operation["responses"].get("201").is_some()
}

/// The members of an operation's answer that are credentials: by the document, in which each is marked.
pub(super) fn shown_once(document: &Value, operation: &Value, status: &str) -> Vec<String> {
    let mut members = Vec::new();
    let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
    collect_shown_once(document, schema, &mut members);
    members
}

fn collect_shown_once(document: &Value, schema: &Value, members: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let referenced = document.pointer(reference.trim_start_matches('#'));
        return referenced
            .into_iter()
            .for_each(|schema| collect_shown_once(document, schema, members));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect_shown_once(document, part, members);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        if member[SHOWN_ONCE] == Value::Bool(true) {
            members.push(name.clone());
        }
    }
}

/// A response, as it is stored.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    head: Vec<(String, String)>,
    body: String,
}

/// Repeats the response of a creation that was done before, and stores the response of one that is done now.
pub(super) async fn layer(State(creations): State<Creations>, request: Request, next: Next) -> Response {
    let has_key = request.method() == Method::POST && request.headers().contains_key(HEADER);
    let shown_once = request
        .extensions()
        .get::<MatchedPath>()
        .filter(|_| has_key)
        .and_then(|path| creations.paths.get(path.as_str()))
        .cloned();
    let Some(shown_once) = shown_once else {
        return next.run(request).await;
    };
    create_once(&creations.app, &shown_once, request, next)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn create_once(
    app: &Arc<Admin>,
    shown_once: &[String],
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    // A request without credentials learns nothing else.
    let Caller(authority) = Caller::from_request_parts(&mut parts, app).await?;
    let key = key_of(&parts.headers)?;
    let body = read_whole(body).await?;
    let once = Arc::new(Once::new(authority.actor(), parts.uri.path(), &key, &body));
    // Whether the answer is known or not, the service is asked: it refuses anyone who may no longer do this, and stops with
    // the others before anything is made.
    once::recognise(app, &once).await?;
    parts
        .extensions
        .insert(Known(authority.for_once(Arc::clone(&once))));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        // The twin that was first has finished in the meantime, or this one would still be waiting for it.
        if once.came_late()
            && let Some(answer) = once::look_up(app, &once).await?
        {
            return replayed(&answer, shown_once);
        }
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = read_whole(body).await?;
    let answer = kept(head.status, &head.headers, &body, shown_once);
    once::finish(app, &once, &answer).await?;
    Ok(Response::from_parts(head, Body::from(body)))
}

fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let key = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let is_key = |key: &&str| {
        (1..=MAX_CHARACTERS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    key.filter(is_key).map(str::to_owned).ok_or_else(|| {
        Problem::malformed(format!(
            "The header `Idempotency-Key` must be there once, with 1 to {MAX_CHARACTERS} visible ASCII characters, such as \
             a UUID."
        ))
    })
}

fn kept(status: StatusCode, headers: &HeaderMap, body: &[u8], shown_once: &[String]) -> Vec<u8> {
    let head = KEPT.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    let answer = Answer {
        status: status.as_u16(),
        head: head.collect(),
        body: without(shown_once, String::from_utf8_lossy(body).into_owned()),
    };
    serde_json::to_vec(&answer).expect("an answer is plain data")
}

/// The body without its credentials, and with a notice about them.
fn without(shown_once: &[String], body: String) -> String {
    if shown_once.is_empty() {
        return body;
    }
    // A response that cannot be read is left out: better nothing than a credential.
    let mut members: Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
    let mut gone = Vec::new();
    for name in shown_once {
        match members.get_mut(name) {
            Some(value) if !value.is_null() => {
                *value = Value::Null;
                gone.push(format!("`{name}`"));
            }
            _ => {}
        }
    }
    if !gone.is_empty() {
        let notice = format!(
            "This was created by the first request with this `Idempotency-Key`. Only its answer contained {}, which is not \
             stored. If you did not receive it, delete or revoke what was created, and create it again with another \
             `Idempotency-Key`.",
            gone.join(" and ")
        );
        members.insert(NOTICE.to_owned(), Value::String(notice));
    }
    Value::Object(members).to_string()
}

fn replayed(answer: &[u8], shown_once: &[String]) -> Result<Response, Problem> {
    let response = || {
        let answer: Answer = serde_json::from_slice(answer).ok()?;
        let mut response = Response::builder().status(answer.status).header(REPLAYED, "true");
        for (name, value) in answer.head {
            response = response.header(name, HeaderValue::from_str(&value).ok()?);
        }
        // Answers that another version has stored may still have them.
        let body = without(shown_once, answer.body);
        response.body(Body::from(body)).ok()
    };
    response().ok_or_else(Problem::internal)
}
