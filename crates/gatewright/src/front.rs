//! What every request passes through before it reaches the router: it gets its id and address, its log line and
//! metrics, headers that hold for every answer, and a 500 instead of a broken connection when a handler panics.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::MatchedPath,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower::{Layer, Service, ServiceExt as _};

use crate::{
    app::App,
    request::{RequestContext, TimelyBody},
    telemetry::RequestRecord,
};

/// The body of any request must be here within this time, whatever its handler asks for besides.
const BODY_DEADLINE: Duration = Duration::from_mins(1);

/// The whole server as one function from request to answer.
#[derive(Debug, Clone)]
pub struct Front {
    app: Arc<App>,
    router: Router,
}

impl Front {
    /// Before the router of an app.
    pub fn new(app: Arc<App>) -> Self {
        let router = crate::router::router(Arc::clone(&app));
        Self { app, router }
    }

    /// Before another router, for tests.
    #[cfg(test)]
    pub(crate) fn before(app: Arc<App>, router: Router) -> Self {
        Self { app, router }
    }

    /// Answers one request from `peer`.
    pub async fn answer<B>(&self, peer: IpAddr, request: Request<B>) -> Response<RecordedBody>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let mut request = request.map(|body| Body::new(TimelyBody::new(body, BODY_DEADLINE)));
        let context = RequestContext::new(peer, request.headers(), &self.app.config.server.trusted_proxies);
        let record = Arc::new(RequestRecord::new(
            context.id.clone(),
            request.method().clone(),
            peer,
        ));
        let line = Line::new(Arc::clone(&self.app), Arc::clone(&record));
        let id = context.id.clone();
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(record);
        let answered = AssertUnwindSafe(self.router.clone().oneshot(request))
            .catch_unwind()
            .await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => {
                let message = panic
                    .downcast_ref::<&str>()
                    .copied()
                    .or(panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(request_id = id, panic = ?message, "a request handler panicked");
                problem(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong in this instance, not in your request.",
                    &id,
                )
            }
        };
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        // Answers are of one person and one moment unless their handler says otherwise.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        line.answered(response)
    }
}

/// An error as `application/problem+json` (RFC 9457), for answers that no handler gives.
pub fn problem(status: StatusCode, detail: &str, request_id: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "request_id": request_id,
    });
    let kind = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

/// Writes the log line when it is dropped: after the last byte of the answer, or when the client went away.
struct Line {
    app: Arc<App>,
    record: Arc<RequestRecord>,
    status: Option<u16>,
}

impl Line {
    fn new(app: Arc<App>, record: Arc<RequestRecord>) -> Self {
        Self {
            app,
            record,
            status: None,
        }
    }

    fn answered(mut self, response: Response) -> Response<RecordedBody> {
        let status = response.status().as_u16();
        self.status = Some(status);
        self.count();
        response.map(|inner| RecordedBody { inner, _line: self })
    }

    fn count(&self) {
        let duration = self.record.started().elapsed();
        self.app
            .telemetry
            .count_request(self.record.route(), self.status, duration);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.count();
        }
        self.record.log(self.status);
    }
}

pin_project_lite::pin_project! {
    /// A body that ends with the log line of its request.
    pub struct RecordedBody {
        #[pin]
        inner: Body,
        _line: Line,
    }
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().inner.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.inner)
    }
}

/// Notes the route in the request's record, and gives a request that came past [`Front`] (as tests send them) the
/// extensions that handlers ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteLayer;

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> RouteService<S> {
        RouteService { inner }
    }
}

/// See [`RouteLayer`].
#[derive(Debug, Clone)]
pub(crate) struct RouteService<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for RouteService<S>
where
    S: Service<Request<Body>, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        if request.extensions().get::<Arc<RequestRecord>>().is_none() {
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let context = RequestContext::new(peer, request.headers(), &[]);
            let record = RequestRecord::new(context.id.clone(), request.method().clone(), peer);
            if request.extensions().get::<RequestContext>().is_none() {
                request.extensions_mut().insert(context);
            }
            request.extensions_mut().insert(Arc::new(record));
        }
        let extensions = request.extensions();
        if let (Some(record), Some(path)) = (
            extensions.get::<Arc<RequestRecord>>(),
            extensions.get::<MatchedPath>(),
        ) {
            record.set_route(path);
        }
        self.inner.call(request)
    }
}
