//! Tools tried out by administrators: for whom, what the server learns, and what stays in the trail.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde_json::{Value, json};

use super::bench::{Bench, Tenant};
use crate::resource_server::testing::{Upstream, upstream};

/// A project with a server that receives who calls, a gateway of a source, and a user of that.
pub(super) struct Place {
    pub(super) bench: Bench,
    pub(super) acme: Tenant,
    pub(super) upstream: Arc<Upstream>,
    /// Requests it got when it was saved.
    asked: usize,
    pub(super) source: String,
    gateway: String,
    pub(super) user: String,
}

impl Place {
    pub(super) async fn new() -> Self {
        let bench = Bench::new().await;
        let acme = bench.tenant("Acme").await;
        let (url, upstream) = upstream().await;
        let server = json!({"slug": "told", "name": "Told", "url": url, "identity": "assertion",
            "headers": [{"name": "x-team", "value": "canary-blue"}]});
        bench
            .post(&acme.admin, &acme.path("servers"), server)
            .await
            .expect(201);
        let asked = upstream.count();
        let source = acme.source(&bench, "Okta").await;
        let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
        let user = bench.user(&acme, &source, "ada").await.to_string();
        Self {
            bench,
            acme,
            upstream,
            asked,
            source,
            gateway,
            user,
        }
    }

    fn calls_of(&self, gateway: &str) -> String {
        self.acme.path(&format!("gateways/{gateway}/tool-calls"))
    }

    pub(super) fn calls(&self) -> String {
        self.calls_of(&self.gateway)
    }

    pub(super) fn call(&self) -> Value {
        json!({"tool": "tell", "arguments": {"text": "canary-argument", "count": 2}, "user": self.user})
    }
}

fn claims(headers: &HeaderMap) -> Value {
    let token = headers["gatewright-assertion"].to_str().unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_tool_is_called_for_a_user_and_the_server_learns_who_acts() {
    let place = Place::new().await;
    let (bench, acme) = (&place.bench, &place.acme);
    let answer = bench
        .post(&acme.admin, &place.calls(), place.call())
        .await
        .expect(200);
    assert_eq!(answer.body["result"]["content"][0]["text"], "told");
    assert_eq!(answer.body["error"], Value::Null);
    assert!(answer.body["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(answer.body["server"]["slug"], "told");
    assert_eq!(
        answer.body["told"]["headers"],
        json!(["gatewright-assertion", "x-team"])
    );

    let called = place.upstream.called();
    assert_eq!(
        called[0].1["params"]["arguments"],
        json!({"text": "canary-argument", "count": 2})
    );
    let told = claims(&called[0].0);
    assert_eq!(told, answer.body["told"]["claims"]);
    assert_eq!(
        (&told["sub"], &told["subject"]),
        (&json!(place.user), &json!("ada"))
    );
    assert_eq!(
        (&told["mode"], &told["user_source"]),
        (&json!("user_source"), &json!(place.source))
    );
    assert_eq!(told["project"], acme.id);
    assert!(told["act"]["sub"].as_str().unwrap().starts_with("key_"));
    assert_eq!(told["act"].as_object().unwrap().len(), 1);

    let events = bench
        .get(&acme.viewer, &acme.path("audit-events?action=gateway.tool_tried"))
        .await
        .expect(200);
    let [event] = events.body["items"].as_array().unwrap().as_slice() else {
        panic!("one call is one event: {:#}", events.body)
    };
    assert_eq!(event["object"]["id"], place.gateway);
    assert_eq!(event["actor"]["id"], told["act"]["sub"]);
    let fields: Vec<_> = event["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["field"], &one["after"]))
        .collect();
    assert_eq!(
        fields,
        [
            (&json!("tool"), &json!("tell")),
            (&json!("user"), &json!(place.user))
        ]
    );
    let everything = bench.everything_visible();
    assert!(!everything.contains("canary-argument") && !events.body.to_string().contains("told\""));
    assert!(
        !answer.body.to_string().contains("canary-blue"),
        "headers are told by name only"
    );
}

#[tokio::test]
async fn in_headers_mode_the_user_is_whom_a_client_would_name() {
    let place = Place::new().await;
    let (bench, acme) = (&place.bench, &place.acme);
    let new = json!({"name": "Batch", "authentication_mode": "headers"});
    let gateway = bench
        .post(&acme.admin, &acme.path("gateways"), new)
        .await
        .expect(201)
        .text("id");
    let call = json!({"tool": "tell", "user": "ada@example.com"});
    bench
        .post(&acme.owner, &place.calls_of(&gateway), call)
        .await
        .expect(200);
    let told = claims(&place.upstream.calls()[0]);
    assert_eq!(told["sub"], format!("{}|ada@example.com", acme.id));
    assert_eq!(told["mode"], "headers");
    for user in ["", " ", "a\u{0}b", &"x".repeat(256)] {
        let call = json!({"tool": "tell", "user": user});
        let refused = bench
            .post(&acme.owner, &place.calls_of(&gateway), call)
            .await
            .expect(422);
        assert_eq!(refused.pointers(), ["/user"], "{user:?}");
    }
    assert_eq!(place.upstream.calls().len(), 1);
}

#[tokio::test]
async fn only_administrators_of_the_project_call_and_only_for_its_own_users() {
    let place = Place::new().await;
    let (bench, acme) = (&place.bench, &place.acme);
    let other = bench.tenant("Other").await;
    let calls = place.calls();
    for key in [&acme.viewer, &acme.gateway, &bench.instance] {
        bench.post(key, &calls, place.call()).await.expect(403);
    }
    bench.post(&other.owner, &calls, place.call()).await.expect(404);
    let theirs = other.path(&format!("gateways/{}/tool-calls", place.gateway));
    bench.post(&other.owner, &theirs, place.call()).await.expect(404);

    let their_source = other.source(bench, "Okta").await;
    let their_gateway = other.gateway_of(bench, &their_source, "Theirs", "active").await;
    let theirs = other.path(&format!("gateways/{their_gateway}/tool-calls"));
    let refused = bench.post(&other.owner, &theirs, place.call()).await.expect(422);
    assert_eq!(
        refused.pointers(),
        ["/user"],
        "a user of another project is not there"
    );
    let mine = acme.source(bench, "Entra").await;
    let elsewhere = bench.user(acme, &mine, "bo").await.to_string();
    let refused = bench
        .post(&acme.admin, &calls, json!({"tool": "tell", "user": elsewhere}))
        .await
        .expect(422);
    assert_eq!(
        refused.pointers(),
        ["/user"],
        "a user of another source does not sign in here"
    );
    let refused = bench
        .post(&acme.admin, &calls, json!({"tool": "tell"}))
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/user"], "a key is nobody");
    let refused = bench
        .post(&acme.admin, &calls, json!({"tool": "", "user": place.user}))
        .await
        .expect(422);
    assert_eq!(refused.pointers(), ["/tool"]);
    assert_eq!(
        place.upstream.count(),
        place.asked,
        "no server heard of any of this"
    );
    assert!(
        !acme
            .actions(bench)
            .await
            .contains(&"gateway.tool_tried".to_owned())
    );
    bench.post(&acme.admin, &calls, place.call()).await.expect(200);
}

#[tokio::test]
async fn what_its_users_cannot_do_cannot_be_done_in_their_name() {
    let place = Place::new().await;
    let (bench, acme) = (&place.bench, &place.acme);
    let calls = place.calls();
    let user = acme.path(&format!("users/{}", place.user));
    bench
        .patch(&acme.admin, &user, json!({"status": "blocked"}))
        .await
        .expect(200);
    let refused = bench.post(&acme.admin, &calls, place.call()).await.expect(409);
    assert!(refused.text("detail").contains("This user is blocked"));
    bench
        .patch(&acme.admin, &user, json!({"status": "active"}))
        .await
        .expect(200);

    let gateway = acme.path(&format!("gateways/{}", place.gateway));
    bench
        .patch(&acme.admin, &gateway, json!({"status": "inactive"}))
        .await
        .expect(200);
    let refused = bench.post(&acme.admin, &calls, place.call()).await.expect(409);
    assert!(refused.text("detail").contains("This gateway is inactive"));
    bench
        .patch(&acme.admin, &gateway, json!({"status": "active"}))
        .await
        .expect(200);

    // A user under another subject claim would be another person.
    let source = acme.path(&format!("user-sources/{}", place.source));
    let change = json!({"subject_claim": "email", "skip_validation": true});
    bench.patch(&acme.admin, &source, change).await.expect(200);
    let refused = bench.post(&acme.admin, &calls, place.call()).await.expect(409);
    assert!(refused.text("detail").contains("earlier issuer or subject claim"));
    let change = json!({"subject_claim": "sub", "skip_validation": true});
    bench.patch(&acme.admin, &source, change).await.expect(200);
    assert_eq!(place.upstream.count(), place.asked);

    bench.post(&acme.admin, &calls, place.call()).await.expect(200);
    let allowed = json!({"allowed_tools": [{"server": acme_server(&place).await, "tool": "other"}]});
    bench.patch(&acme.admin, &gateway, allowed).await.expect(200);
    let answer = bench.post(&acme.admin, &calls, place.call()).await.expect(200);
    assert_eq!(
        answer.body["error"]["code"], -32602,
        "what the gateway does not offer is not there"
    );
    assert_eq!(answer.body["server"], Value::Null);
    assert_eq!(place.upstream.calls().len(), 1);
}

async fn acme_server(place: &Place) -> String {
    let servers = place
        .bench
        .get(&place.acme.viewer, &place.acme.path("servers"))
        .await
        .expect(200);
    servers.body["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn prompts_and_resources_are_requested_like_tools_and_recorded_in_the_trail() {
    let place = Place::new().await;
    place.upstream.has_more();
    let (bench, acme) = (&place.bench, &place.acme);
    let path = |rest: &str| acme.path(&format!("gateways/{}/{rest}", place.gateway));
    let prompt = json!({"prompt": "ask", "arguments": {"topic": "canary-argument"}, "user": place.user});
    let resource = json!({"uri": "me://inbox", "user": place.user});
    let got = bench
        .post(&acme.admin, &path("prompt-requests"), prompt.clone())
        .await
        .expect(200);
    assert_eq!(got.body["result"]["messages"][0]["content"]["text"], "got");
    let read = bench
        .post(&acme.admin, &path("resource-requests"), resource.clone())
        .await
        .expect(200);
    assert_eq!(read.body["result"]["contents"][0]["uri"], "me://inbox");
    for answer in [&got, &read] {
        assert_eq!(answer.body["server"]["slug"], "told");
        assert_eq!(answer.body["told"]["claims"]["sub"], json!(place.user));
        assert!(
            answer.body["told"]["claims"]["act"]["sub"]
                .as_str()
                .unwrap()
                .starts_with("key_")
        );
    }
    for (action, field, value) in [
        ("prompt_tried", "prompt", "ask"),
        ("resource_tried", "resource", "me://inbox"),
    ] {
        let query = acme.path(&format!("audit-events?action=gateway.{action}"));
        let events = bench.get(&acme.viewer, &query).await.expect(200);
        assert_eq!(events.body["items"].as_array().unwrap().len(), 1);
        let change = &events.body["items"][0]["changes"][0];
        assert_eq!(
            (&change["field"], &change["after"]),
            (&json!(field), &json!(value))
        );
    }
    assert!(!bench.everything_visible().contains("canary-argument"));

    let asked = place.upstream.count();
    for (rest, body, pointer) in [
        ("prompt-requests", json!({"user": place.user}), "/prompt"),
        ("resource-requests", json!({"user": place.user}), "/uri"),
        ("resource-requests", json!({"uri": "me://inbox"}), "/user"),
        (
            "resource-requests",
            json!({"uri": "x".repeat(2_049), "user": place.user}),
            "/uri",
        ),
    ] {
        let refused = bench.post(&acme.admin, &path(rest), body).await.expect(422);
        assert_eq!(refused.pointers(), [pointer], "{rest}");
    }
    bench
        .post(&acme.viewer, &path("prompt-requests"), prompt)
        .await
        .expect(403);
    bench
        .post(&acme.viewer, &path("resource-requests"), resource)
        .await
        .expect(403);
    assert_eq!(place.upstream.count(), asked, "no server heard of any of this");
}

#[tokio::test]
async fn what_a_server_reports_before_it_answers_is_passed_on() {
    let place = Place::new().await;
    place.upstream.reports();
    let answer = place
        .bench
        .post(&place.acme.admin, &place.calls(), place.call())
        .await
        .expect(200);
    assert_eq!(
        answer.body["reports"],
        json!([{"progress": 1.0, "total": 2.0, "level": null, "message": "Half <b>"},
            {"progress": null, "total": null, "level": "info", "message": "still here"}])
    );
}
