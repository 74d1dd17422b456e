//! What is sent, to a collector that is there, is not there, or refuses.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, routing::post};
use gatewright_domain::{
    Clock as _,
    activity::{Activity, ActivityCaller, Outcome, RequestKind, RequestNumber},
    id::{GatewayId, ProjectId},
    trace_context::TraceContext,
};
use http::{HeaderMap, StatusCode, header};

use super::*;
use crate::{telemetry::Sending, testing::TestCore};

type Answers = Vec<(StatusCode, Vec<u8>)>;
type Received = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

#[derive(Clone)]
struct Collector {
    received: Received,
    answers: Arc<Mutex<Answers>>,
}

/// A collector on loopback that first answers like this, and then accepts everything; its URL, and what it received.
async fn collector(answers: &[(u16, &[u8])]) -> (String, Received) {
    let state = Collector {
        received: Arc::default(),
        answers: Arc::new(Mutex::new(
            answers
                .iter()
                .rev()
                .map(|(status, body)| (StatusCode::from_u16(*status).unwrap(), body.to_vec()))
                .collect(),
        )),
    };
    let received = Arc::clone(&state.received);
    let take = async |State(state): State<Collector>, uri: Uri, headers: HeaderMap, body: Bytes| {
        let came = (uri.path().to_owned(), headers, body);
        state.received.lock().unwrap().push(came);
        let answer = state.answers.lock().unwrap().pop();
        let (status, body) = answer.unwrap_or((StatusCode::OK, Vec::new()));
        (status, [(header::RETRY_AFTER, "7")], body)
    };
    let router = Router::new().route("/v1/{signal}", post(take)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

/// An instance that is not loopback itself, which sends to a collector.
async fn sending_to(url: &str) -> TestCore {
    let url = url.to_owned();
    TestCore::with(move |config| {
        config.server.public_url = "https://gateway.example".to_owned();
        config.otlp.endpoint = Some(url);
        config.otlp.headers = vec![gatewright_domain::secret::Secret::new(
            "authorization=Bearer canary",
        )];
        config.otlp.gzip = false;
    })
    .await
}

fn request(test: &TestCore, number: u64, is_known: bool) -> RequestSpans {
    let named = TraceContext::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let caller = ActivityCaller {
        person: Some("usr_1".into()),
        client: None,
    };
    RequestSpans {
        activity: Activity {
            at: test.clock.now(),
            project_id: ProjectId::of_number(1),
            gateway_id: GatewayId::of_number(2),
            caller: is_known.then(|| Arc::new(caller)),
            server_id: None,
            kind: RequestKind::Call,
            item: Some("add".into()),
            outcome: Outcome::Ok,
            rule: None,
            duration_us: 1_500,
            upstream_us: Some(500),
            bytes_in: 1,
            bytes_out: 2,
            request: RequestNumber(number),
            trace: None,
            session: None,
        },
        traced: test.core.otlp.tracer().unwrap().request(number, named),
        state: Some("a=1".into()),
        status: Some(200),
        route: "/mcp/{slug}",
        sending: Sending {
            method: Some("tools/call"),
            version: Some("2026-07-28"),
            failure: None,
            span: Some(SpanId::of_number(8)),
        },
        message_id: None,
        server: None,
    }
}

async fn round(test: &TestCore, signal: Signal) -> Result<(), RoundError> {
    let core = &test.core;
    core.otlp.round(signal, &core.fetch, &core.telemetry).await
}

fn measured(core: &TestCore, series: &str) -> u64 {
    let text = core.core.telemetry.encode().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

#[tokio::test]
async fn a_user_whom_the_holder_of_a_key_named_has_that_name() {
    let (url, received) = collector(&[]).await;
    let test = sending_to(&url).await;
    let mut spans = request(&test, 7, true);
    spans.activity.caller = Some(Arc::new(ActivityCaller {
        person: Some("|ada".into()),
        client: None,
    }));
    test.core.otlp.request(spans);
    round(&test, Signal::Traces).await.unwrap();
    let received = received.lock().unwrap();
    let body = String::from_utf8_lossy(&received[0].2).into_owned();
    assert!(body.contains("ada") && !body.contains("|ada"), "{body}");
}

#[tokio::test]
async fn spans_reach_a_collector_on_loopback_with_the_configured_headers() {
    let (url, received) = collector(&[]).await;
    let test = sending_to(&url).await;
    round(&test, Signal::Traces).await.unwrap();
    assert!(received.lock().unwrap().is_empty(), "nothing waits");
    test.core.otlp.request(request(&test, 7, true));
    round(&test, Signal::Traces).await.unwrap();
    let received = received.lock().unwrap();
    let [(path, headers, body)] = &received[..] else {
        panic!("{received:?}")
    };
    assert_eq!(path, "/v1/traces");
    assert_eq!(headers[header::AUTHORIZATION], "Bearer canary");
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-protobuf");
    for text in [
        "tools/call add",
        "execute_tool",
        "service.instance.id",
        "2026-07-28",
    ] {
        assert!(
            body.windows(text.len()).any(|window| window == text.as_bytes()),
            "{text}"
        );
    }
    assert!(!body.windows(6).any(|window| window == b"canary"));
    assert_eq!(
        measured(&test, "gatewright_otlp_sent_total{signal=\"traces\"}"),
        2
    );
}

#[tokio::test]
async fn what_fails_in_passing_is_kept_and_what_is_refused_is_dropped() {
    let partial = {
        let mut answer = wire::Message::default();
        answer.message(1, |partial| partial.number(1, 1));
        answer.into_bytes()
    };
    let (url, received) = collector(&[(503, b""), (200, &partial), (400, b"")]).await;
    let test = sending_to(&url).await;
    test.core.otlp.request(request(&test, 7, true));
    let error = round(&test, Signal::Traces).await.unwrap_err();
    assert_eq!(error.pause, Duration::from_secs(7));
    assert!(error.to_string().contains("HTTP 503"), "{error}");
    round(&test, Signal::Traces).await.unwrap();
    {
        let received = received.lock().unwrap();
        assert_eq!(received[0].2, received[1].2, "the same request is sent again");
    }
    assert_eq!(
        measured(&test, "gatewright_otlp_sent_total{signal=\"traces\"}"),
        1
    );
    let dropped = |reason: &str| {
        measured(
            &test,
            &format!("gatewright_otlp_dropped_total{{signal=\"traces\",reason=\"{reason}\"}}"),
        )
    };
    assert_eq!(dropped("rejected"), 1);
    test.core.otlp.request(request(&test, 8, true));
    round(&test, Signal::Traces).await.unwrap_err();
    assert_eq!(dropped("refused"), 2);
    round(&test, Signal::Traces).await.unwrap();
    assert_eq!(received.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_counted_spans_and_no_memory() {
    let test = sending_to("http://127.0.0.1:9").await;
    for number in 0..20_000 {
        test.core.otlp.request(request(&test, number, true));
    }
    for attempt in 1..=ATTEMPTS {
        let error = round(&test, Signal::Traces).await.unwrap_err();
        let doubled = Duration::from_secs(1 << (attempt - 1).min(10));
        assert_eq!(error.pause, doubled.min(Duration::from_mins(1)), "{attempt}");
    }
    let dropped = |reason: &str| {
        measured(
            &test,
            &format!("gatewright_otlp_dropped_total{{signal=\"traces\",reason=\"{reason}\"}}"),
        )
    };
    assert_eq!(dropped("full"), 20_000 - WAITING_MAX as u64);
    assert_eq!(dropped("failed"), 2 * BATCH as u64);
}

#[tokio::test]
async fn requests_without_a_known_caller_leave_room_for_others() {
    let test = sending_to("http://127.0.0.1:9").await;
    for number in 0..10_000 {
        test.core.otlp.request(request(&test, number, false));
    }
    test.core.otlp.request(request(&test, 1, true));
    assert_eq!(test.core.otlp.finished.take(usize::MAX).len(), STRANGERS + 1);
}

#[tokio::test]
async fn metrics_are_sent_and_without_an_endpoint_nothing_is() {
    let (url, received) = collector(&[(503, b"")]).await;
    let test = sending_to(&url).await;
    round(&test, Signal::Metrics).await.unwrap_err();
    round(&test, Signal::Metrics).await.unwrap();
    let (path, _, body) = received.lock().unwrap().pop().unwrap();
    assert_eq!(path, "/v1/metrics");
    let name = b"gatewright_otlp_dropped";
    assert!(body.windows(name.len()).any(|window| window == name));
    let off = TestCore::new().await;
    assert!(off.core.otlp.tracer().is_none());
    for signal in Signal::ALL {
        round(&off, signal).await.unwrap();
    }
}
