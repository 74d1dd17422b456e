//! How an allowed request continues: it is answered immediately, or the person signs in at the identity provider of the
//! gateway first. Sending them there is not for the authorization server, so it hands the request on.

use std::sync::Arc;

use axum::response::Response;
use gatewright_domain::{
    authorization::ConsentedRequest, client::short_id, reference::Reference, user_source::UserSource,
};
use http::StatusCode;

use super::{authorize::limited_page, limits::Limited};
use crate::{
    directory::GatewayEntry,
    page::{self, ErrorPage},
    sign_in_trace::BeforeAllow,
};

/// How long a request of a client may be as JSON. Packed it is never longer; with the rest of a sign-in and sealed it stays
/// below what browsers keep of one cookie, 4,096 bytes (RFC 6265 section 6.1).
const MAX_REQUEST_BYTES: usize = 2_200;

/// The outcome of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// This answer.
    Answered(Response),
    /// A sign-in at an identity provider.
    Departs(Box<Departure>),
}

/// A sign-in that is to begin at an identity provider.
#[derive(Debug)]
pub(crate) struct Departure {
    /// The gateway.
    pub entry: Arc<GatewayEntry>,
    /// Its User Source.
    pub source: Arc<UserSource>,
    /// What the client asked for, as the person allowed it.
    pub request: ConsentedRequest,
    /// What happened before.
    pub before: BeforeAllow,
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Self {
        Self::Answered(response)
    }
}

/// A request as it is carried through a sign-in: with the short form of the client, which is all that is needed from *Allow*
/// on.
pub(crate) fn carried(request: ConsentedRequest) -> ConsentedRequest {
    ConsentedRequest {
        client_id: short_id(&request.client_id),
        ..request
    }
}

/// Whether a sign-in for this request fits into a cookie.
pub(crate) fn fits(request: &ConsentedRequest) -> bool {
    let plain = serde_json::to_vec(&carried(request.clone()));
    plain.is_ok_and(|plain| plain.len() <= MAX_REQUEST_BYTES)
}

/// The page for a person whose sign-in cannot begin at the provider now; `is_limited` if it gets too many requests at the
/// same time.
pub(crate) fn no_departure_page(is_limited: bool, reference: Reference) -> Response {
    if is_limited {
        return limited_page(Limited::AT_PROVIDER, reference);
    }
    page::error(&ErrorPage {
        status: StatusCode::BAD_GATEWAY,
        title: "Signing in is not possible right now".to_owned(),
        explanation:
            "The sign-in service of your organization does not respond correctly. No access was granted."
                .to_owned(),
        advice:
            "Wait a minute and reload this page. If the problem remains, tell the people who run the gateway."
                .to_owned(),
        reference,
    })
}
