//! A response that shows what happens while it happens: lines of JSON, one for each report of the server, and the page at the
//! end. The script of the page asks for it; without script the page comes at the end and shows all of it.

use std::{convert::Infallible, future::Future, pin::Pin, time::Duration};

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval},
};

use crate::resource_server::Report;

/// What such a response is.
const KIND: &str = "application/x-ndjson";
/// Reports that wait for the browser; what is beyond is only in the page.
const WAITING_MAX: usize = 64;
/// A stream that is silent for this long gets an empty line, so that proxies keep it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// No page is larger.
const PAGE_MAX: usize = 16 * 1024 * 1024;

/// Takes reports as they come.
pub(super) type Tell = mpsc::Sender<Report>;

/// What is left of a response.
struct Live {
    /// Makes the page.
    page: Pin<Box<dyn Future<Output = Response> + Send>>,
    told: mpsc::Receiver<Report>,
    signs: Interval,
}

/// Whether a request is for such a response.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accepted.is_some_and(|accept| accept.contains(KIND))
}

/// Streams reports while the page is rendered. Dropping the response stops the rendering.
pub(super) fn respond<F>(make: impl FnOnce(Tell) -> F) -> Response
where
    F: Future<Output = Response> + Send + 'static,
{
    let (tell, told) = mpsc::channel(WAITING_MAX);
    let live = Live {
        page: Box::pin(make(tell)),
        told,
        signs: tokio::time::interval_at(Instant::now() + SIGN_OF_LIFE, SIGN_OF_LIFE),
    };
    let lines = stream::unfold(Some(live), |left| async move {
        let (text, left) = left?.next().await;
        Some((Ok::<_, Infallible>(text), left))
    });
    let fixed = HeaderValue::from_static;
    let headers = [
        (CONTENT_TYPE, fixed(KIND)),
        (CACHE_CONTROL, fixed("no-store")),
        (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        // nginx holds back what it can.
        (HeaderName::from_static("x-accel-buffering"), fixed("no")),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

impl Live {
    /// The next lines, and what is left after them.
    async fn next(mut self) -> (Bytes, Option<Self>) {
        tokio::select! {
            biased;
            Some(report) = self.told.recv() => {
                self.signs.reset();
                (line(&of_report(&report)), Some(self))
            }
            page = &mut self.page => {
                let mut lines = Vec::new();
                while let Ok(report) = self.told.try_recv() {
                    lines.extend_from_slice(&line(&of_report(&report)));
                }
                lines.extend_from_slice(&line(&of_page(page).await));
                (lines.into(), None)
            }
            _ = self.signs.tick() => (Bytes::from_static(b"\n"), Some(self)),
        }
    }
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

fn of_report(report: &Report) -> Value {
    match report {
        Report::Progress {
            progress,
            total,
            message,
        } => json!({"progress": progress, "total": total, "message": message}),
        Report::Log { level, text } => json!({"level": level, "text": text}),
    }
}

async fn of_page(page: Response) -> Value {
    let body = to_bytes(page.into_body(), PAGE_MAX).await.unwrap_or_default();
    json!({"page": String::from_utf8_lossy(&body)})
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn next(body: &mut Body) -> Option<String> {
        let data = body.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn reports_arrive_as_they_are_sent_with_signs_of_life_between_them_and_the_page_last() {
        let (go_on, waits) = tokio::sync::oneshot::channel::<()>();
        let response = respond(|tell| async move {
            let log = Report::Log {
                level: "info".to_owned(),
                text: "</script>".to_owned(),
            };
            tell.send(log.clone()).await.unwrap();
            waits.await.unwrap();
            tell.send(log).await.unwrap();
            "<p>".into_response()
        });
        assert_eq!(response.headers()[CONTENT_TYPE], KIND);
        let mut body = response.into_body();
        let report = "{\"level\":\"info\",\"text\":\"</script>\"}\n";
        assert_eq!(next(&mut body).await.as_deref(), Some(report));
        assert_eq!(next(&mut body).await.as_deref(), Some("\n"));
        go_on.send(()).unwrap();
        let mut rest = String::new();
        while let Some(more) = next(&mut body).await {
            rest.push_str(&more);
        }
        assert_eq!(rest, format!("{report}{{\"page\":\"<p>\"}}\n"));
    }

    #[tokio::test]
    async fn what_makes_the_page_is_dropped_with_the_response() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let response = respond(|_| async move {
            let _held = held;
            std::future::pending().await
        });
        drop(response);
        assert!(dropped.await.is_err());
    }

    #[test]
    fn only_a_script_asks_for_it() {
        let accepts = |value| HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))]);
        assert!(is_wanted(&accepts("application/x-ndjson, text/html")));
        assert!(!is_wanted(&accepts("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
