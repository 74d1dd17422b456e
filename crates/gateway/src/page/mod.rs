//! Pages for end users: server-rendered, no script, strict CSP, nothing loaded from elsewhere.

mod connections;
mod consent;
mod done;
mod error;
mod rejected;
mod test_sign_in;

use std::sync::LazyLock;

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use sha2::{Digest as _, Sha256};

pub(crate) use connections::{ConnectedApp, ConnectionsPage, SignInBy, connections};
pub(crate) use consent::{ConsentPage, Warning, consent};
pub(crate) use done::{DonePage, done};
pub(crate) use error::{ErrorPage, error};
pub(crate) use rejected::{RejectedPage, rejected};
pub(crate) use test_sign_in::{TestPage, test_report, test_sign_in};
pub use test_sign_in::{sentence, shown_value};

/// The one stylesheet, on the design tokens that the dashboard shares. It stands in every page, so that a page needs
/// nothing else.
const STYLE: &str = concat!(
    include_str!("../../assets/tokens.css"),
    include_str!("../../assets/page.css")
);

/// No script, no image, no frame, and the one style by its hash. There is no `form-action`: browsers apply it along
/// the whole redirect chain that follows a form, and that chain leads to identity providers and clients of any origin.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).expect("a hash in base64 is printable ASCII")
});

/// The headers of every page. `same-origin`, not `no-referrer`: the latter turns the `Origin` of the form into `null`.
fn headers() -> HeaderMap {
    let fixed = |value: &'static str| HeaderValue::from_static(value);
    HeaderMap::from_iter([
        (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (REFERRER_POLICY, fixed("same-origin")),
        (CACHE_CONTROL, fixed("no-store")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (X_FRAME_OPTIONS, fixed("DENY")),
    ])
}

fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, headers(), html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                headers(),
                "The page could not be shown. Please try again.",
            )
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_domain::reference::Reference;
    use http_body_util::BodyExt as _;

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn hostile() -> ErrorPage {
        ErrorPage {
            status: StatusCode::BAD_REQUEST,
            title: "<script>alert(1)</script>".to_owned(),
            explanation: "\"><img src=x onerror=alert(1)>".to_owned(),
            advice: "Go back.".to_owned(),
            reference: Reference::of(0x0123_4567_89ab_cdef),
        }
    }

    #[tokio::test]
    async fn what_a_page_shows_is_escaped_and_its_reference_is_there() {
        let page = text(error(&hostile())).await;
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("04HM-ASW9") && page.contains("Go back."));
        let done = text(done(&DonePage {
            title: "<b>Done</b>".to_owned(),
            explanation: "All is well.".to_owned(),
        }))
        .await;
        assert!(!done.contains("<b>") && done.contains("All is well."));
    }

    #[tokio::test]
    async fn the_style_in_the_page_is_the_one_its_policy_allows() {
        let response = error(&hostile());
        let policy = response.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .to_owned();
        let page = text(response).await;
        let style = page
            .split_once("<style>")
            .unwrap()
            .1
            .split_once("</style>")
            .unwrap()
            .0;
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
        assert!(!page.contains(" style=") && !page.contains("url(") && !page.contains("@import"));
    }
}
