//! What each request to a gateway leaves in the activity.

mod recording;

use std::time::Duration;

use gatewright_domain::{
    activity::{Activity, Outcome, RequestKind, Rule},
    id::ProjectId,
};
use gatewright_store::{
    PageRequest,
    activity::{self, ActivityFilter},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::world::World;
use crate::resource_server::testing::Mood;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A request of the stateless era.
fn request(token: &str, method: &str, name: Option<&str>, params: Value) -> Request<String> {
    let mut params = params;
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let mut request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    request.body(body.to_string()).unwrap()
}

fn call(token: &str, name: &str) -> Request<String> {
    request(
        token,
        "tools/call",
        Some(name),
        json!({"name": name, "arguments": {}}),
    )
}

/// The rows of a project that a filter finds, the newest first.
async fn rows_of(world: &World, project: ProjectId, filter: ActivityFilter) -> Vec<Activity> {
    world
        .app
        .activity
        .flush(&world.app.store, &world.app.telemetry)
        .await
        .unwrap();
    let rows = world.app.store.activity();
    let page = rows.look(move |tx| {
        Box::pin(async move { activity::list(tx, project, &filter, &PageRequest::first(200)).await })
    });
    let page = page.await.unwrap();
    page.items.into_iter().map(|stored| stored.activity).collect()
}

async fn rows(world: &World) -> Vec<Activity> {
    rows_of(world, world.project, ActivityFilter::default()).await
}

/// The one row that was added since there were `before`.
async fn added(world: &World, before: usize) -> Activity {
    let mut rows = rows(world).await;
    assert_eq!(rows.len(), before + 1, "{rows:#?}");
    rows.swap_remove(0)
}

fn of(row: &Activity) -> (RequestKind, Option<&str>, Outcome, Option<Rule>) {
    (row.kind, row.item.as_deref(), row.outcome, row.rule)
}

#[tokio::test]
async fn a_call_leaves_who_what_where_and_how_long() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let mut sent = call(&ada.token, "tell");
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    sent.headers_mut().insert("traceparent", parent.parse().unwrap());
    let bytes_in = sent.body().len();
    let answer = world.send(sent).await;
    let row = added(&world, 0).await;
    assert_eq!(of(&row), (RequestKind::Call, Some("tell"), Outcome::Ok, None));
    assert_eq!(
        (row.project_id, row.gateway_id),
        (world.project, world.gateway_id("acme"))
    );
    let caller = row.caller.as_ref().unwrap();
    assert_eq!(caller.person.as_deref(), Some(&*ada.user.to_string()));
    let client = caller.client.as_ref().unwrap();
    assert_eq!((&*client.id, &*client.name), ("client-1", "Example"));
    let directory = world.app.directory.current().unwrap();
    let server = directory.gateway("acme").unwrap().servers[0].server.id;
    assert_eq!(row.server_id, Some(server));
    assert_eq!(row.bytes_in, i64::try_from(bytes_in).unwrap());
    assert_eq!(row.bytes_out, i64::try_from(answer.body.len()).unwrap());
    let upstream = row.upstream_us.unwrap();
    assert!(upstream > 0 && upstream < row.duration_us, "{row:?}");
    assert_eq!(row.trace.unwrap().to_string(), TRACE);
    assert_eq!(row.session, None);
}

#[tokio::test]
async fn each_outcome_of_a_call_is_told() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let tool_error = json!({"resultType": "complete", "isError": true, "content": []});
    for (mood, next, outcome) in [
        (Mood::Well, None, Outcome::Ok),
        (Mood::Well, Some(tool_error), Outcome::ToolError),
        (Mood::Refuses, None, Outcome::Error),
        (Mood::Fails, None, Outcome::Unavailable),
    ] {
        let before = rows(&world).await.len();
        world.upstream.feel(mood);
        if let Some(next) = next {
            world.upstream.answer_next(next);
        }
        world.send(call(&ada.token, "tell")).await;
        let row = added(&world, before).await;
        assert_eq!(of(&row), (RequestKind::Call, Some("tell"), outcome, None));
        assert!(row.server_id.is_some() && row.upstream_us.is_some(), "{row:?}");
    }
    for mood in [Mood::Breaks, Mood::BreaksEvents, Mood::Garbage] {
        let before = rows(&world).await.len();
        world.upstream.feel(mood);
        let mut body = world.open(call(&ada.token, "tell")).await.into_body();
        assert!(body.frame().await.unwrap().is_ok(), "{mood:?}");
        world.upstream.breaks.notify_one();
        let _ = body.collect().await;
        assert_eq!(added(&world, before).await.outcome, Outcome::Broken, "{mood:?}");
    }
    world.upstream.feel(Mood::Well);
    let before = rows(&world).await.len();
    let unknown = world.send(call(&ada.token, "nothing")).await;
    assert!(unknown.body.contains("Unknown tool"), "{}", unknown.body);
    let row = added(&world, before).await;
    assert_eq!(
        of(&row),
        (
            RequestKind::Call,
            Some("nothing"),
            Outcome::Refused,
            Some(Rule::NotOffered)
        )
    );
    assert_eq!((row.server_id, row.upstream_us), (None, None));
}

#[tokio::test]
async fn a_client_that_leaves_has_cancelled() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    world.send(call(&ada.token, "tell")).await;
    world.upstream.reports_and_waits();
    // In the middle of its answer, after a report of progress.
    let params = json!({"name": "tell", "arguments": {}, "_meta": {"progressToken": 1}});
    let reported = request(&ada.token, "tools/call", Some("tell"), params);
    let mut body = world.open(reported).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    let row = added(&world, 1).await;
    assert_eq!(
        of(&row),
        (RequestKind::Call, Some("tell"), Outcome::Cancelled, None)
    );
    // Before there is one.
    let held = world.upstream.hold.write().await;
    let given_up = tokio::time::timeout(Duration::ZERO, world.open(call(&ada.token, "tell")));
    assert!(given_up.await.is_err());
    drop(held);
    let row = added(&world, 2).await;
    assert_eq!(
        of(&row),
        (RequestKind::Call, Some("tell"), Outcome::Cancelled, None)
    );
}

#[tokio::test]
async fn each_kind_of_request_is_told() {
    let world = World::new().await;
    world.upstream.has_more();
    let ada = world.sign_in("acme", "ada").await;
    let reference = json!({"ref": {"type": "ref/prompt", "name": "ask"},
        "argument": {"name": "topic", "value": "x"}});
    for (method, name, params, kind, item) in [
        ("tools/list", None, json!({}), RequestKind::List, None),
        ("server/discover", None, json!({}), RequestKind::Begin, None),
        (
            "prompts/get",
            Some("ask"),
            json!({"name": "ask"}),
            RequestKind::Prompt,
            Some("ask"),
        ),
        (
            "resources/read",
            Some("me://inbox"),
            json!({"uri": "me://inbox"}),
            RequestKind::Resource,
            Some("me://inbox"),
        ),
        (
            "completion/complete",
            None,
            reference,
            RequestKind::Completion,
            Some("ask"),
        ),
    ] {
        let before = rows(&world).await.len();
        let answer = world.send(request(&ada.token, method, name, params)).await;
        assert!(answer.body.contains("\"result\""), "{method}: {}", answer.body);
        let row = added(&world, before).await;
        assert_eq!(of(&row), (kind, item, Outcome::Ok, None), "{method}");
        assert_eq!(row.upstream_us.is_some(), item.is_some(), "{method}");
    }
    let before = rows(&world).await.len();
    let answer = world.send(request(&ada.token, "no/such", None, json!({}))).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
    let row = added(&world, before).await;
    assert_eq!(
        of(&row),
        (
            RequestKind::Other,
            None,
            Outcome::Refused,
            Some(Rule::UnknownMethod)
        )
    );
}

/// A message within a session of this version.
async fn within(world: &World, token: &str, session: Option<&str>, body: &Value) -> super::world::Answer {
    let mut request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json");
    if let Some(session) = session {
        request = request
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-03-26");
    }
    world.send(request.body(body.to_string()).unwrap()).await
}

#[tokio::test]
async fn a_session_is_told_apart_and_each_request_of_a_batch_has_its_row() {
    let world = World::new().await;
    let ada = world.sign_in("acme", "ada").await;
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-03-26",
        "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let begun = within(&world, &ada.token, None, &body).await;
    let session = begun.header("mcp-session-id").to_owned();
    assert_eq!(
        of(&added(&world, 0).await),
        (RequestKind::Begin, None, Outcome::Ok, None)
    );
    world
        .upstream
        .answer_next(json!({"resultType": "complete", "content": [], "isError": true}));
    let call = |id: Value, name: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": {}}});
    let batch = json!([
        call(json!("a"), "tell"),
        call(json!(2), "nothing"),
        {"jsonrpc": "2.0", "id": 3, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"}
    ]);
    let answer = within(&world, &ada.token, Some(&session), &batch).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let rows = rows(&world).await;
    let batch: Vec<_> = rows[..3].iter().map(of).collect();
    assert_eq!(
        batch,
        [
            (RequestKind::Other, None, Outcome::Ok, None),
            (
                RequestKind::Call,
                Some("nothing"),
                Outcome::Refused,
                Some(Rule::NotOffered)
            ),
            (RequestKind::Call, Some("tell"), Outcome::ToolError, None),
        ]
    );
    assert_eq!(rows.len(), 4);
    let marks: Vec<_> = rows[..3].iter().map(|row| row.session).collect();
    assert!(
        marks[0].is_some() && marks.iter().all(|mark| *mark == marks[0]),
        "{marks:?}"
    );
    assert!(!session.contains(&marks[0].unwrap().to_string()));
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let lost = within(&world, &ada.token, Some("nothing"), &ping).await;
    assert_eq!(lost.status, StatusCode::NOT_FOUND);
    assert_eq!(
        of(&added(&world, 4).await),
        (RequestKind::Other, None, Outcome::Refused, Some(Rule::NoSession))
    );
}

#[tokio::test]
async fn what_is_refused_says_by_which_rule() {
    let world = World::with(|config| config.limits.running_per_person = 1).await;
    let ada = world.sign_in("acme", "ada").await;
    world.send(call(&ada.token, "tell")).await;
    let held = world.upstream.hold.write().await;
    let first = world.open(call(&ada.token, "tell"));
    let meanwhile = async {
        let refused = world.send(call(&ada.token, "tell")).await;
        drop(held);
        refused.status
    };
    let (_, refused) = tokio::join!(biased; first, meanwhile);
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
    let refused = ActivityFilter {
        outcome: Some(Outcome::Refused),
        ..ActivityFilter::default()
    };
    let busy = rows_of(&world, world.project, refused.clone()).await;
    assert_eq!(busy.len(), 1);
    assert_eq!(of(&busy[0]).3, Some(Rule::PersonBusy));
    let mut foreign = call(&ada.token, "tell");
    foreign
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    let mut typed = call(&ada.token, "tell");
    typed
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let deleted = Request::put("/mcp/acme")
        .header("authorization", format!("Bearer {}", ada.token))
        .body(String::new())
        .unwrap();
    for (request, rule) in [
        (foreign, Rule::ForeignOrigin),
        (call("nonsense", "tell"), Rule::BadCredentials),
        (
            Request::post("/mcp/acme").body(String::new()).unwrap(),
            Rule::NotSignedIn,
        ),
        (typed, Rule::Malformed),
        (deleted, Rule::Malformed),
    ] {
        let before = rows(&world).await.len();
        world.send(request).await;
        let row = added(&world, before).await;
        assert_eq!((row.outcome, row.rule), (Outcome::Refused, Some(rule)));
        let is_known = !matches!(
            rule,
            Rule::ForeignOrigin | Rule::BadCredentials | Rule::NotSignedIn
        );
        assert_eq!(row.caller.is_some(), is_known, "{rule:?}");
    }
    // What names no gateway leaves nothing.
    let before = rows(&world).await.len();
    world
        .send(Request::post("/mcp/nobody").body(String::new()).unwrap())
        .await;
    assert_eq!(rows(&world).await.len(), before);
}
