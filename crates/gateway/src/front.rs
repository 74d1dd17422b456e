//! What every request passes through before it reaches its handler: it gets its id and address, its log line and
//! metrics, headers that hold for every answer, and a 500 instead of a broken connection when a handler panics.
//! Requests to gateways, by far the most, go straight to their handler, and so do those for the metadata that every client
//! reads first; all others go through the router.

mod activity;
mod aside;
mod host;
mod traced;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::MatchedPath, response::Response};
use bytes::Bytes;
use futures_util::FutureExt as _;
use gatewright_core::recorded_body::HeldArguments;
use gatewright_domain::activity::{Activity, RequestKind};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower::{Layer, Service, ServiceExt as _};

pub use self::aside::AsideThreads;
use self::{
    activity::Watched,
    aside::{Aside, Stopped},
    host::names_one_host,
    traced::Trace,
};
use crate::{
    Gateways, authorization_server,
    date::DateHeader,
    problem::Kind,
    request::{RequestContext, TimelyBody, names_client_without_trust},
    resource_server,
    telemetry::{AskedFor, RequestRecord, Route},
};

/// The body of any request must be here within this time, whatever its handler also asks for.
const BODY_DEADLINE: Duration = Duration::from_mins(1);

/// The template of a gateway's own path, in logs and metrics.
const GATEWAY_ROUTE: &str = "/mcp/{slug}";

/// The whole server as one function from request to answer.
#[derive(Debug, Clone)]
pub struct Front {
    app: Arc<Gateways>,
    router: Router,
    aside: Aside,
    warns_of_proxy: Arc<AtomicBool>,
    date: Arc<DateHeader>,
}

impl Front {
    /// Before a router.
    pub fn new(app: Arc<Gateways>, router: Router) -> Self {
        // Without TLS in front there may be no proxy at all, and the header is what anyone likes to send.
        let warns_of_proxy = Arc::new(AtomicBool::new(app.config.public_url().starts_with("https:")));
        Self {
            app,
            router,
            aside: Aside::default(),
            warns_of_proxy,
            date: Arc::default(),
        }
    }

    /// Answers all requests but those to gateways and for metadata on these threads.
    #[must_use]
    pub fn with_threads(mut self, threads: &AsideThreads) -> Self {
        self.aside = Aside(threads.handle());
        self
    }

    /// Says once that a proxy is not trusted which seems to be the one in front.
    fn heed_proxy(&self, peer: IpAddr, headers: &HeaderMap) {
        let trusted = &self.app.config.server.trusted_proxies;
        if self.warns_of_proxy.load(Ordering::Relaxed)
            && names_client_without_trust(peer, headers, trusted)
            && self.warns_of_proxy.swap(false, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "a request came with X-Forwarded-For from an address that is not in server.trusted_proxies, so all users \
                 behind it share its limits and its place in the audit trail; if it is your reverse proxy, add its \
                 address there"
            );
        }
    }

    /// Answers one request from `peer` as it came over the network. One that does not name exactly one host is refused: what
    /// stands in front may have read another of them (RFC 9112 section 3.2).
    pub async fn receive<B>(&self, peer: IpAddr, request: Request<B>) -> Response<RecordedBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if names_one_host(&request) {
            return self.answer(peer, request).await;
        }
        let context = self.context(peer, &request);
        let line = Line::new(Arc::clone(&self.app), Arc::clone(context.record()));
        let detail =
            "The request must have exactly one Host header, which contains a host and, if needed, a port.";
        let mut response = Kind::BAD_REQUEST.respond(detail, context.id);
        self.add_headers(response.headers_mut());
        line.answered(response.map(|inner| AnswerBody::Routed { inner }))
    }

    /// Answers one request from `peer`.
    pub async fn answer<B>(&self, peer: IpAddr, request: Request<B>) -> Response<RecordedBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        self.heed_proxy(peer, request.headers());
        let context = self.context(peer, &request);
        let id = context.id;
        let line = Line::new(Arc::clone(&self.app), Arc::clone(context.record()));
        let answered = AssertUnwindSafe(self.handle(context, request))
            .catch_unwind()
            .await;
        let mut response = match answered {
            Ok(response) => response,
            Err(panic) => {
                let message = panic
                    .downcast_ref::<&str>()
                    .copied()
                    .or(panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(request_id = %id, panic = ?message, "a request handler panicked");
                let detail = "Something went wrong in this instance, not in your request.";
                Kind::INTERNAL
                    .respond(detail, id)
                    .map(|inner| AnswerBody::Routed { inner })
            }
        };
        self.add_headers(response.headers_mut());
        line.answered(response)
    }

    fn context<B>(&self, peer: IpAddr, request: &Request<B>) -> RequestContext {
        let trusted = &self.app.config.server.trusted_proxies;
        RequestContext::new(peer, request.method(), request.headers(), trusted)
    }

    /// The headers of every answer.
    fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(date) = self.date.at(self.app.now()) {
            headers.insert(header::DATE, date);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        // Answers are of one person and one moment unless their handler says otherwise.
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }

    async fn handle<B>(&self, context: RequestContext, request: Request<B>) -> Response<AnswerBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        // The path is shared memory: this copies no text.
        let uri = request.uri().clone();
        let record = context.record();
        if let Some(slug) = gateway_slug(uri.path()) {
            record.set_route(Route::Known(GATEWAY_ROUTE));
            let response = resource_server::answer(&self.app.resource_server, slug, record, request).await;
            return response.map(|inner| AnswerBody::Gateway { inner });
        }
        if request.method() == Method::GET
            && let Some((route, response)) =
                authorization_server::first_asked(&self.app.authorization_server, &context, uri.path())
        {
            record.set_route(Route::Known(route));
            return response.map(|inner| AnswerBody::Routed { inner });
        }
        let mut request = request.map(|body| Body::new(TimelyBody::new(body, BODY_DEADLINE)));
        let id = context.id;
        request.extensions_mut().insert(context);
        // Boxed, so that requests to gateways do not carry the room for it.
        let answering = Box::pin(self.aside.run(self.router.clone().oneshot(request)));
        let response = match answering.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(Stopped) => Kind::UNAVAILABLE.respond("This instance is stopping.", id),
        };
        response.map(|inner| AnswerBody::Routed { inner })
    }
}

/// Whether a request for this path is one for a gateway.
pub fn is_for_gateway(path: &str) -> bool {
    gateway_slug(path).is_some()
}

/// The one segment of a gateway's own path, with or without a slash behind it: people type it, and clients keep it. A slug
/// needs no percent-encoding, so encoded ones lead nowhere.
fn gateway_slug(path: &str) -> Option<&str> {
    path.strip_prefix("/mcp/")
        .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
        .filter(|slug| !slug.is_empty() && !slug.contains('/'))
}

/// Writes the log line when it is dropped: after the last byte of the answer, or when the client went away.
struct Line {
    app: Arc<Gateways>,
    record: Arc<RequestRecord>,
    status: Option<u16>,
    watched: Watched,
}

impl Line {
    fn new(app: Arc<Gateways>, record: Arc<RequestRecord>) -> Self {
        Self {
            app,
            record,
            status: None,
            watched: Watched::default(),
        }
    }

    fn answered(mut self, response: Response<AnswerBody>) -> Response<RecordedBody> {
        let status = response.status().as_u16();
        self.status = Some(status);
        self.count();
        self.watched = Watched::begin(self.record.notes(), response.headers());
        // Nothing is asked for of a body without content.
        self.watched.has_ended = response.body().is_end_stream();
        response.map(|inner| RecordedBody { inner, line: self })
    }

    /// Counts and logs that an answer broke after its head, when its status could not say so any more.
    fn broke(&mut self, reason: &'static str) {
        self.watched.broke = true;
        let server = self.record.server().map(|entry| &entry.server);
        self.app
            .telemetry
            .condition
            .count_broken(server.map(|server| server.id), reason);
        tracing::warn!(
            request_id = %self.record.id(),
            server = server.map(|server| &*server.slug),
            reason,
            "an answer of a server broke after its head"
        );
    }

    fn count(&self) {
        let duration = self.record.started().elapsed();
        self.app
            .telemetry
            .count_request(self.record.route(), self.status, duration);
    }
}

impl Line {
    /// Leaves what is known of a request, or of a message of a batch, for measures, traces and the activity.
    fn leave(&self, mut row: Activity, asked: Option<&AskedFor>, arguments: Option<HeldArguments>) {
        let app = &self.app;
        let trace = Trace::of(app, &self.record, asked);
        row.trace = trace.id();
        // Streams that only listen last for as long as their clients like.
        if row.kind != RequestKind::Listen {
            let took = Duration::from_micros(row.duration_us.try_into().unwrap_or(0));
            let (gateway, outcome) = (row.gateway_id, row.outcome);
            app.telemetry
                .count_gateway_request(gateway, outcome, took, trace.recorded());
        }
        if let Some(spans) = trace.spans(app, &row, asked, &self.record, self.status) {
            app.otlp.request(spans);
        }
        app.activity.record_with(row, arguments, &app.telemetry);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.count();
        }
        let (record, notes) = (&self.record, self.record.notes());
        if notes.project.get().is_some()
            && let Some(trace) = Trace::of(&self.app, record, notes.asked.get()).id()
        {
            let _ = notes.trace.set(trace);
        }
        record.log(self.status);
        let now = (self.app.now(), Instant::now());
        let write = |row, asked: Option<&AskedFor>, arguments| self.leave(row, asked, arguments);
        self.watched.rows(record, self.status, now, write);
    }
}

pin_project_lite::pin_project! {
    #[project = AnswerBodyProjection]
    enum AnswerBody {
        Gateway { #[pin] inner: resource_server::Answer },
        Routed { #[pin] inner: Body },
    }
}

impl AnswerBody {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Gateway { inner } => inner.is_end_stream(),
            Self::Routed { inner } => inner.is_end_stream(),
        }
    }
}

pin_project_lite::pin_project! {
    /// A body that ends with the log line of its request.
    pub struct RecordedBody {
        #[pin]
        inner: AnswerBody,
        line: Line,
    }
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        match this.inner.project() {
            AnswerBodyProjection::Gateway { mut inner } => {
                let frame = std::task::ready!(inner.as_mut().poll_frame(context));
                // With every frame: what comes last of an answer is not always the end of the body.
                if let Some(reason) = inner.take_fault() {
                    this.line.broke(reason);
                }
                let watched = &mut this.line.watched;
                match &frame {
                    Some(Ok(frame)) => {
                        if let Some(piece) = frame.data_ref() {
                            watched.passes(piece);
                        }
                        watched.has_ended = inner.is_end_stream();
                    }
                    Some(Err(_)) if !watched.broke => watched.was_cut = true,
                    Some(Err(_)) => {}
                    None => watched.has_ended = true,
                }
                Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)))
            }
            AnswerBodyProjection::Routed { inner } => inner.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            AnswerBody::Gateway { inner } => inner.size_hint(),
            AnswerBody::Routed { inner } => HttpBody::size_hint(inner),
        }
    }
}

/// Notes the route in the request's record, and gives a request that came past [`Front`] (as tests send them) the
/// context that handlers ask for.
#[derive(Debug, Clone, Copy)]
pub struct RouteLayer;

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> RouteService<S> {
        RouteService { inner }
    }
}

/// See [`RouteLayer`].
#[derive(Debug, Clone)]
pub struct RouteService<S> {
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
        if request.extensions().get::<RequestContext>().is_none() {
            let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let context = RequestContext::new(peer, request.method(), request.headers(), &[]);
            request.extensions_mut().insert(context);
        }
        let extensions = request.extensions();
        if let (Some(context), Some(path)) = (
            extensions.get::<RequestContext>(),
            extensions.get::<MatchedPath>(),
        ) {
            context.record().set_route(Route::Matched(path.clone()));
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests;
