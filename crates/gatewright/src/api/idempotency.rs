//! `Idempotency-Key`: a creation that is sent again, because its answer was lost, gets the same answer and makes nothing.

use std::{collections::HashSet, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts as _, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    authenticate::{Caller, Known},
    input::read_whole,
    problem::Problem,
};
use crate::{
    app::App,
    service::once::{self, Once},
};

/// The header of requests.
pub(super) const HEADER: &str = "idempotency-key";
/// The header of answers that were given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// A UUID has 36 characters; nobody needs more than this.
pub(super) const MAX_CHARACTERS: usize = 255;
/// What of an answer's head is given again.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// What this layer needs to know.
#[derive(Clone)]
pub(super) struct Creations {
    app: Arc<App>,
    /// The paths at which POST creates something.
    paths: Arc<HashSet<String>>,
}

impl Creations {
    /// The creations of the document: whatever answers 201 to POST.
    pub(super) fn of(app: Arc<App>, document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let paths = paths
            .filter(|(_, operations)| creates(&operations["post"]))
            .map(|(path, _)| path.clone())
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

/// An answer, as it is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    head: Vec<(String, String)>,
    body: String,
}

/// Gives a creation that was done before the same answer again, and keeps the answer of one that is done now.
pub(super) async fn layer(State(creations): State<Creations>, request: Request, next: Next) -> Response {
    let is_creation = request.method() == Method::POST
        && request.headers().contains_key(HEADER)
        && request
            .extensions()
            .get::<MatchedPath>()
            .is_some_and(|path| creations.paths.contains(path.as_str()));
    if !is_creation {
        return next.run(request).await;
    }
    create_once(&creations.app, request, next)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn create_once(app: &Arc<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    // A request without credentials learns nothing else.
    let Caller(authority) = Caller::from_request_parts(&mut parts, app).await?;
    let key = key_of(&parts.headers)?;
    let body = read_whole(body).await?;
    let once = Arc::new(Once::new(authority.actor(), parts.uri.path(), &key, &body));
    if let Some(answer) = once::look_up(app, &once).await? {
        return replayed(&answer);
    }
    parts
        .extensions
        .insert(Known(authority.for_once(Arc::clone(&once))));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        // The twin that was first has finished meanwhile, or this one would still be waiting for it.
        if once.came_late()
            && let Some(answer) = once::look_up(app, &once).await?
        {
            return replayed(&answer);
        }
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = read_whole(body).await?;
    once::finish(app, &once, &kept(head.status, &head.headers, &body)).await?;
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

fn kept(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let head = KEPT.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    let answer = Answer {
        status: status.as_u16(),
        head: head.collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    serde_json::to_vec(&answer).expect("an answer is plain data")
}

fn replayed(answer: &[u8]) -> Result<Response, Problem> {
    let response = || {
        let answer: Answer = serde_json::from_slice(answer).ok()?;
        let mut response = Response::builder().status(answer.status).header(REPLAYED, "true");
        for (name, value) in answer.head {
            response = response.header(name, HeaderValue::from_str(&value).ok()?);
        }
        response.body(Body::from(answer.body)).ok()
    };
    response().ok_or_else(Problem::internal)
}
