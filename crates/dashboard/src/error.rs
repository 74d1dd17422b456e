//! Why a page or a form could not be answered, shown on its own page.

use std::time::Duration;

use askama::Template;
use axum::response::{IntoResponse, Response};
use gatewright_store::StoreError;
use http::{
    HeaderValue, StatusCode,
    header::{LOCATION, RETRY_AFTER},
};

use super::page;
use crate::{
    request::{BodyError, RequestContext},
    service::ServiceError,
};

/// When to come back after a 503: a busy database is usually free again by then.
const RETRY_SECONDS: u64 = 5;

/// A page that could not be shown, or a form that was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// The person is not signed in: 303 to the sign-in page, and back to `next` after that.
    #[error("no one is signed in")]
    SignIn {
        /// A path of this instance, encoded for a query.
        next: Option<String>,
        /// Whether a script asked for a part of a page.
        is_part: bool,
    },
    /// It does not exist, or it belongs to a project to which the account has no access.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The account is not allowed to do this.
    #[error("{0}")]
    Forbidden(String),
    /// The form was posted from another site.
    #[error("the form was posted from another site")]
    CrossSite,
    /// The form did not come whole.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A link that works once or for a while is no longer valid.
    #[error("the link is used, expired or unknown")]
    DeadLink {
        /// What to do instead.
        advice: &'static str,
    },
    /// Too many attempts.
    #[error("too many attempts")]
    Limited(Duration),
    /// Something else is wrong, in the service's words.
    #[error(transparent)]
    Service(ServiceError),
}

impl From<ServiceError> for PageError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotFound { what, .. } => Self::NotFound(what),
            ServiceError::Forbidden(detail) => Self::Forbidden(detail),
            other => Self::Service(other),
        }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// What the page says. [`super::guard`] writes it, because it knows the reference of the request.
#[derive(Debug, Clone)]
pub(super) struct Message {
    status: StatusCode,
    title: &'static str,
    explanation: String,
    advice: String,
    way: Option<(&'static str, &'static str)>,
    retry_after: Option<u64>,
}

#[derive(Template)]
#[template(path = "dashboard/message.html")]
struct MessageTemplate<'a> {
    title: &'a str,
    explanation: &'a str,
    advice: &'a str,
    way: Option<(&'a str, &'a str)>,
    reference: Option<String>,
}

/// The way on from most pages that lead nowhere.
const HOME: Option<(&str, &str)> = Some(("/", "Go to the start page"));

impl Message {
    fn new(
        status: StatusCode,
        title: &'static str,
        explanation: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            status,
            title,
            explanation: explanation.into(),
            advice: advice.into(),
            way: HOME,
            retry_after: None,
        }
    }

    fn unavailable(explanation: &str, advice: &str) -> Self {
        Self {
            retry_after: Some(RETRY_SECONDS),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available right now",
                explanation,
                advice,
            )
        }
    }

    /// The page. Only an internal fault, or what looks like an attack, needs a reference.
    pub(super) fn render(&self, context: &RequestContext) -> Response {
        let is_worth_asking = self.status.is_server_error() || self.status == StatusCode::FORBIDDEN;
        page::show_with(
            self.status,
            &MessageTemplate {
                title: self.title,
                explanation: &self.explanation,
                advice: &self.advice,
                way: self.way,
                reference: is_worth_asking.then(|| context.id.to_string()),
            },
        )
    }
}

impl From<PageError> for Message {
    fn from(error: PageError) -> Self {
        message(error)
    }
}

fn message(error: PageError) -> Message {
    match error {
        PageError::SignIn { .. } => Message {
            way: Some(("/sign-in", "Sign in")),
            ..Message::new(
                StatusCode::UNAUTHORIZED,
                "Sign in first",
                "You are not signed in.",
                "",
            )
        },
        PageError::NotFound(what) => Message::new(
            StatusCode::NOT_FOUND,
            "There is nothing here",
            format!("There is no such {what}, or your account has no access to it."),
            "Check the address. If someone gave you the link, ask them to invite you to their project.",
        ),
        PageError::Forbidden(detail) => Message::new(
            StatusCode::FORBIDDEN,
            "Not open to you",
            detail,
            "Nothing was changed. Ask an owner of the project for another role, or to do it for you.",
        ),
        PageError::CrossSite => Message::new(
            StatusCode::FORBIDDEN,
            "We did not accept this form",
            "It did not come from a page of this dashboard, or your browser does not say where it came from. Nothing was changed.",
            "Open the page here and send the form again. If you did not send one, close this window.",
        ),
        PageError::Body(BodyError::TooLarge) => Message::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The form is too large",
            "It is larger than any form here can be. Nothing was changed.",
            "Go back and send less.",
        ),
        PageError::Body(BodyError::Timeout | BodyError::Broken) => Message::new(
            StatusCode::REQUEST_TIMEOUT,
            "The form did not arrive",
            "The connection was too slow or broke off. Nothing was changed.",
            "Go back and send it again.",
        ),
        PageError::DeadLink { advice } => Message {
            way: Some(("/sign-in", "Go to sign-in")),
            ..Message::new(
                StatusCode::NOT_FOUND,
                "This link does not work",
                "It was used already, it has expired, or part of it is missing.",
                advice,
            )
        },
        PageError::Limited(after) => Message {
            retry_after: Some(after.as_secs().max(1)),
            ..Message::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts",
                "Too many attempts came from your network in a short time.",
                "Wait a few minutes and try again.",
            )
        },
        PageError::Service(error) => service_message(error),
    }
}

fn service_message(error: ServiceError) -> Message {
    match error {
        ServiceError::Invalid(invalid) => {
            let details: Vec<_> = invalid
                .violations()
                .iter()
                .map(|one| one.detail.as_str())
                .collect();
            Message::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "This cannot be done",
                details.join(" "),
                "Nothing was changed.",
            )
        }
        ServiceError::Conflict(conflict) => Message::new(
            StatusCode::CONFLICT,
            "Something prevents it",
            conflict.detail,
            "Nothing was changed.",
        ),
        ServiceError::Stale => Message::new(
            StatusCode::CONFLICT,
            "Someone else saved first",
            "This has changed since you opened the page, so your change was not saved.",
            "Go back, reload the page and look before you change it again.",
        ),
        // Idempotency keys come with calls of the API only.
        ServiceError::KeyReused | ServiceError::Repeated => Message::new(
            StatusCode::CONFLICT,
            "This was done already",
            "This form was sent before. Nothing was changed now.",
            "Check that everything is as you want it.",
        ),
        ServiceError::NotConfirmed(cause) => {
            tracing::error!(
                error = &cause as &dyn std::error::Error,
                "a change is made but was not read back"
            );
            Message::unavailable(
                "The change is made, but could not be confirmed. It takes effect as soon as the database responds again.",
                "Look again in a moment before you repeat it.",
            )
        }
        ServiceError::TooManyAttempts { after } => message(PageError::Limited(after)),
        ServiceError::TooManyChecks { after } => Message {
            retry_after: Some(after.as_secs().max(1)),
            ..Message::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many checks",
                "You checked many providers in a short time. Nothing was changed.",
                "Wait a minute and try again.",
            )
        },
        ServiceError::TooManyChanges { after } => Message {
            retry_after: Some(after.as_secs().max(1)),
            ..Message::new(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many changes",
                "Too much is changed in this project at once. Your change was not made.",
                "Wait a minute and try again.",
            )
        },
        ServiceError::Overloaded => Message::unavailable(
            "Too many people are signing in right now. Nothing was changed.",
            "Try again in a moment.",
        ),
        ServiceError::Store(StoreError::Busy) => Message::unavailable(
            "The database is busy. Nothing was changed.",
            "Try again in a moment.",
        ),
        ServiceError::Store(cause) => {
            tracing::error!(error = &cause as &dyn std::error::Error, "the store failed");
            Message::unavailable(
                "The database did not answer as it should. Nothing was changed.",
                "Try again in a moment. If it happens again, tell the people who run this instance.",
            )
        }
        ServiceError::NotFound { what, .. } => message(PageError::NotFound(what)),
        ServiceError::Forbidden(detail) => message(PageError::Forbidden(detail)),
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        if let Self::SignIn { next, is_part } = self {
            let location = next.map_or_else(|| "/sign-in".to_owned(), |next| format!("/sign-in?next={next}"));
            let location = HeaderValue::try_from(location).expect("what stands in the query is encoded");
            // A script that asks for a part of a page gets the whole page reloaded, which then leads to the sign-in.
            let header = if is_part {
                [(
                    http::HeaderName::from_static("hx-refresh"),
                    HeaderValue::from_static("true"),
                )]
            } else {
                [(LOCATION, location)]
            };
            let status = if is_part {
                StatusCode::OK
            } else {
                StatusCode::SEE_OTHER
            };
            return (status, header).into_response();
        }
        let message = message(self);
        let mut response = message.status.into_response();
        if let Some(seconds) = message.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(message);
        response
    }
}
