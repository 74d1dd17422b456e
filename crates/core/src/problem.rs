//! Errors as `application/problem+json` (RFC 9457): the kinds that more than one part reports, and how any is written.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::request::RequestId;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The status of its responses.
    pub status: StatusCode,
    /// `type`: stays the same for a kind.
    pub uri: &'static str,
    /// `title`: the kind in words.
    pub title: &'static str,
}

impl Kind {
    /// Nothing is there.
    pub const NOT_FOUND: Self = Self::new(
        StatusCode::NOT_FOUND,
        "urn:gatewright:problem:not-found",
        "Not found",
    );
    /// The path exists, but not with this method.
    pub const METHOD_NOT_ALLOWED: Self = Self::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "urn:gatewright:problem:method-not-allowed",
        "Method not allowed",
    );
    /// A fault of this program or its data.
    pub const INTERNAL: Self = Self::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "urn:gatewright:problem:internal",
        "Internal error",
    );
    /// The instance cannot answer now (RFC 9457 section 4.2.1: the status says all).
    pub const UNAVAILABLE: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "about:blank",
        "Service Unavailable",
    );
    /// A request that HTTP itself does not allow, about which the status says all (RFC 9457 section 4.2.1).
    pub const BAD_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, "about:blank", "Bad Request");

    /// A kind with this status, `type` and `title`.
    pub const fn new(status: StatusCode, uri: &'static str, title: &'static str) -> Self {
        Self { status, uri, title }
    }

    /// The response to the request with this ID. `detail` says what happened and what to do.
    pub fn respond(self, detail: &str, id: RequestId) -> Response {
        #[derive(Serialize)]
        struct Members<'a> {
            r#type: &'static str,
            title: &'static str,
            status: u16,
            detail: &'a str,
            instance: String,
        }
        let members = Members {
            r#type: self.uri,
            title: self.title,
            status: self.status.as_u16(),
            detail,
            instance: id.to_string(),
        };
        write(self.status.into_response(), &members)
    }
}

/// Writes the members of a problem as the body of a response, which keeps its status and headers.
///
/// # Panics
/// If the members are not plain data.
pub fn write(mut response: Response, members: &impl Serialize) -> Response {
    let body = serde_json::to_vec(members).expect("a problem is plain data");
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    *response.body_mut() = Body::from(body);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_problem_has_its_kind_detail_and_request() {
        let response = Kind::NOT_FOUND.respond("There is nothing.", RequestId::known(0xabc));
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            body,
            r#"{"type":"urn:gatewright:problem:not-found","title":"Not found","status":404,"detail":"There is nothing.","instance":"0000000000000abc"}"#
        );
    }
}
