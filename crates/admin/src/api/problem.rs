//! Errors of the API as `application/problem+json` (RFC 9457).

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use gatewright_core::problem::{self, Kind};
use gatewright_domain::{Invalid, Violation};
use gatewright_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use super::attempts;
use crate::{
    request::RequestContext,
    service::{ServiceError, error::Conflict},
};

/// When to come back after a 503: the writer's queue and a restarting database are usually done by then.
const RETRY_AFTER_SECONDS: &str = "5";

/// The kind of problem of a request that an identical one preceded.
const REPEATED: &str = "urn:gatewright:problem:repeated";

/// A refusal or failure on its way out. Boxed, because answers that succeed should not carry its size around.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Details>);

/// What went wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details {
    /// Which kind of problem it is; stays the same for a kind.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: String,
    /// The ID of this request, for finding it in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// When to retry, for the `Retry-After` header.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<Duration>,
    /// Everything that is wrong with the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<InputError>,
    /// The active gateways that prevent it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    active_gateways: Vec<Named>,
    /// The gateways that prevent it, active or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    gateways: Vec<Named>,
    /// The servers that prevent it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    servers: Vec<Named>,
}

/// One thing that is wrong with the input.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct InputError {
    /// Where: a JSON pointer into the request's body (RFC 6901).
    pointer: String,
    /// What is wrong, and what to enter.
    detail: String,
}

/// An object that prevents it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Named {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            retry_after: None,
            errors: Vec::new(),
            active_gateways: Vec::new(),
            gateways: Vec::new(),
            servers: Vec::new(),
        }))
    }

    /// A problem of a kind that other parts report too.
    fn of(kind: Kind, detail: impl Into<String>) -> Self {
        Self::new(kind.status, kind.uri, kind.title, detail)
    }

    /// The request has no usable credentials.
    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:gatewright:problem:unauthenticated",
            "No valid API key",
            detail,
        )
    }

    /// Nothing is at this path.
    pub(super) fn unknown_route() -> Self {
        Self::not_found("There is nothing at this path. `/api/openapi.json` lists every operation.")
    }

    /// Something does not exist.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::of(Kind::NOT_FOUND, detail)
    }

    /// The path exists, but not with this method.
    pub(super) fn method_not_allowed(method: &Method) -> Self {
        Self::of(
            Kind::METHOD_NOT_ALLOWED,
            format!("{method} is not supported here. The `Allow` header says which methods do."),
        )
    }

    /// The request cannot be read at all.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "urn:gatewright:problem:malformed",
            "The request cannot be read",
            detail,
        )
    }

    /// The body is too large.
    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:gatewright:problem:too-large",
            "The body is too large",
            format!(
                "The body is larger than {} MB ({limit} bytes), which no request here needs. Nothing changed: send less.",
                limit / (1024 * 1024)
            ),
        )
    }

    /// The body did not arrive in time.
    pub(super) fn too_slow(deadline: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "urn:gatewright:problem:too-slow",
            "The body arrived too slowly",
            format!(
                "The body did not arrive within {} seconds: send it again.",
                deadline.as_secs()
            ),
        )
    }

    /// Too many wrong keys came from the caller's network.
    pub(super) fn too_many_attempts() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:gatewright:problem:too-many-attempts",
            "Too many wrong keys",
            "Too many requests with unknown, revoked or expired API keys came from this network. Correct the key and wait \
             a minute.",
        )
    }

    /// The body does not claim to be JSON.
    pub(super) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "urn:gatewright:problem:media-type",
            "Not JSON",
            "The body must be JSON: send the header `Content-Type: application/json`.",
        )
    }

    /// The body is compressed.
    pub(super) fn unsupported_encoding() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "urn:gatewright:problem:content-encoding",
            "Compressed body",
            "The body has a `Content-Encoding`, which is not supported: send the body uncompressed and without that header.",
        )
    }

    /// The input can be read, and is wrong.
    pub(super) fn invalid(invalid: &Invalid) -> Self {
        let told = |violation: &Violation| InputError {
            pointer: violation.pointer.clone(),
            detail: violation.detail.clone(),
        };
        let errors: Vec<_> = invalid.violations().iter().map(told).collect();
        let detail = match errors.as_slice() {
            [only] => only.detail.clone(),
            _ => format!(
                "{} things are wrong with the input, each listed in `errors`. Nothing changed.",
                errors.len()
            ),
        };
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "urn:gatewright:problem:invalid",
            "The input is wrong",
            detail,
        );
        problem.0.errors = errors;
        problem
    }

    fn conflict(conflict: Conflict) -> Self {
        fn named<T: ToString>(items: Vec<(T, String)>) -> Vec<Named> {
            let named = |(id, name): (T, String)| Named {
                id: id.to_string(),
                name,
            };
            items.into_iter().map(named).collect()
        }
        let mut problem = Self::new(
            StatusCode::CONFLICT,
            "urn:gatewright:problem:conflict",
            "Something prevents it",
            conflict.detail,
        );
        problem.0.active_gateways = named(conflict.active_gateways);
        problem.0.gateways = named(conflict.gateways);
        problem.0.servers = named(conflict.servers);
        problem
    }

    fn unavailable(detail: &str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:gatewright:problem:unavailable",
            "Not available now",
            detail,
        )
    }

    pub(super) fn internal() -> Self {
        Self::of(
            Kind::INTERNAL,
            "This request failed because of a fault in Gatewright or its data. The log has the cause under this request's \
             ID.",
        )
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Invalid(invalid) => Self::invalid(&invalid),
            ServiceError::NotFound { what } => Self::not_found(format!(
                "There is no such {what} here, or this key has no access to it."
            )),
            ServiceError::Forbidden(detail) => Self::new(
                StatusCode::FORBIDDEN,
                "urn:gatewright:problem:forbidden",
                "Not open to this key",
                detail,
            ),
            ServiceError::Conflict(conflict) => Self::conflict(*conflict),
            ServiceError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:gatewright:problem:idempotency-key",
                "The Idempotency-Key was used for something else",
                "The header `Idempotency-Key` names a request to this path that had another body. Nothing changed: send \
                 a new key with a new request, and the same body with the same key.",
            ),
            ServiceError::Repeated => Self::new(
                StatusCode::CONFLICT,
                REPEATED,
                "The same request is under way",
                "Another request with the same `Idempotency-Key` was first. Repeat this one in a moment for its answer.",
            ),
            ServiceError::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "urn:gatewright:problem:stale",
                "Changed since it was read",
                "`If-Match` names another version than the present one. Read it again and repeat the change.",
            ),
            ServiceError::NotConfirmed(cause) => {
                tracing::error!(
                    error = &cause as &dyn std::error::Error,
                    "a change is made but was not read back"
                );
                Self::unavailable(
                    "The change is made, but could not be confirmed. It takes effect as soon as the database responds again; read \
                     the object before you repeat the change.",
                )
            }
            ServiceError::TooManyAttempts { after } => {
                let mut problem = Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "urn:gatewright:problem:too-many-attempts",
                    "Too many wrong passwords",
                    "Too many wrong passwords were sent for this account or from this network. Wait a while and try again.",
                );
                problem.0.retry_after = Some(after);
                problem
            }
            ServiceError::TooManyChecks { after } => {
                let mut problem = Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "urn:gatewright:problem:too-many-checks",
                    "Too many checks",
                    "Many providers were checked with this key or account in a short time. Wait a minute and try again.",
                );
                problem.0.retry_after = Some(after);
                problem
            }
            ServiceError::TooManyChanges { after } => {
                let mut problem = Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "urn:gatewright:problem:too-many-changes",
                    "Too many changes",
                    "Too much is changed in this project at once, or was with this key or account. Nothing changed; wait, and make \
                     fewer changes in a second.",
                );
                problem.0.retry_after = Some(after);
                problem
            }
            ServiceError::Overloaded => Self::unavailable(
                "Too many passwords are being checked at this moment. Nothing changed; try again in a moment.",
            ),
            ServiceError::Store(cause) => Self::of_store(&cause),
        }
    }
}

impl Problem {
    fn of_store(cause: &StoreError) -> Self {
        match cause {
            StoreError::Busy => {
                Self::unavailable("The database is busy. Nothing changed; try again in a moment.")
            }
            StoreError::Database(_) => {
                tracing::error!(error = cause as &dyn std::error::Error, "the store failed");
                Self::unavailable(
                    "The database did not answer as it should. Nothing changed; try again in a moment.",
                )
            }
            StoreError::ReadOnly | StoreError::FileGone { .. } => {
                tracing::error!(error = cause as &dyn std::error::Error, "the store failed");
                Self::unavailable("The database takes no changes now. Nothing changed; try again later.")
            }
            StoreError::Taken { field } => Self::invalid(&Invalid::one(
                format!("/{field}"),
                format!("This {field} is already taken: choose another."),
            )),
            StoreError::Migration(_)
            | StoreError::Corrupt { .. }
            | StoreError::OtherProject
            | StoreError::Refused(_) => {
                tracing::error!(error = cause as &dyn std::error::Error, "the store failed");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for Problem {
    /// Only the status and the problem itself: [`render`] writes the body, because it knows the request.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).expect("every problem is made with a status");
        let mut response = status.into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"Gatewright API\""),
                );
            }
            _ if self.0.kind == REPEATED => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(
                    header::RETRY_AFTER,
                    HeaderValue::from(self.0.retry_after.unwrap_or(attempts::WINDOW).as_secs()),
                );
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of every problem, with the id of the request.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let id = request
        .extensions()
        .get::<RequestContext>()
        .map(|context| context.id.to_string());
    let mut response = next.run(request).await;
    let Some(Problem(details)) = response.extensions_mut().remove() else {
        return response;
    };
    let details = Details {
        instance: id,
        ..*details
    };
    problem::write(response, &details)
}
