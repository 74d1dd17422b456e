//! Incidents, from the first observation to the message about it.

use std::{collections::VecDeque, time::Duration};

use gatewright_domain::{Clock as _, secret::Secret};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use super::bench::{Bench, Tenant};
use crate::{
    config::Config,
    operator::watch::{look, round, send},
    testing::servers::TestServer,
};

const MINUTE: Duration = Duration::from_mins(1);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver that answers with these statuses in turn, then with 204; what it received.
async fn receiver(statuses: &[u16]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    let mut statuses = VecDeque::from(statuses.to_vec());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // A message ends with the braces of data and payload.
            while !request.ends_with(b"]}}") {
                request.push(stream.read_u8().await.unwrap());
            }
            sender.send(String::from_utf8(request).unwrap()).unwrap();
            let status = StatusCode::from_u16(statuses.pop_front().unwrap_or(204)).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, received)
}

fn telling(url: String) -> impl FnOnce(&mut Config) {
    move |config| {
        config.notifications.webhook_url = Some(url);
        config.notifications.webhook_secret = Some(Secret::new(SECRET));
    }
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let line = request.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim_start_matches(": ")
}

/// Lets time pass.
async fn later(bench: &Bench, duration: Duration) {
    bench.clock.advance(duration);
    bench.app.refresh_directory().await.unwrap();
}

/// A server of the tenant, and its ID.
async fn server(bench: &Bench, tenant: &Tenant, server: &TestServer) -> String {
    let new = json!({"slug": "weather", "name": "Weather", "url": server.url});
    let made = bench.post(&tenant.admin, &tenant.path("servers"), new).await;
    made.expect(201).text("id")
}

async fn check(bench: &Bench, tenant: &Tenant, id: &str) {
    let path = tenant.path(&format!("servers/{id}/check"));
    bench.post(&tenant.admin, &path, json!({})).await.expect(200);
}

async fn incidents(bench: &Bench, tenant: &Tenant, query: &str) -> Vec<Value> {
    let listed = bench
        .get(&tenant.viewer, &tenant.path(&format!("incidents{query}")))
        .await;
    listed.expect(200).body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_server_that_fails_is_an_incident_until_it_answers_again_without_anyone_asking() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let weather = TestServer::with(json!([])).await;
    let id = server(&bench, &acme, &weather).await;
    look(&bench.app).await.unwrap();
    assert_eq!(incidents(&bench, &acme, "").await, [] as [Value; 0]);

    weather.answer_with(503);
    later(&bench, MINUTE).await;
    check(&bench, &acme, &id).await;
    look(&bench.app).await.unwrap();
    let [open] = &incidents(&bench, &acme, "?status=open").await[..] else {
        panic!()
    };
    assert_eq!(
        (open["kind"].as_str(), open["subject_id"].as_str()),
        (Some("server_unavailable"), Some(&*id))
    );
    assert!(open["what"].as_str().unwrap().contains("HTTP 503"), "{open}");
    assert!(open["is_grave"] == true && open["recovered_at"].is_null());
    let path = acme.path(&format!("incidents/{}", open["id"].as_str().unwrap()));
    assert_eq!(bench.get(&acme.viewer, &path).await.expect(200).body, *open);
    let attention = bench.get(&acme.viewer, &acme.path("attention")).await.expect(200);
    assert_eq!(attention.body["items"][0]["kind"], "server_unavailable");
    assert_eq!(incidents(&bench, &other, "").await, [] as [Value; 0]);

    later(&bench, MINUTE).await;
    round(&bench.app).await.unwrap();
    assert_eq!(incidents(&bench, &acme, "?status=open").await.len(), 1);
    weather.answer_with(200);
    later(&bench, MINUTE * 2).await;
    round(&bench.app).await.unwrap();
    let [over] = &incidents(&bench, &acme, "").await[..] else {
        panic!()
    };
    assert!(
        over["status"] == "recovered" && over["id"] == open["id"],
        "{over}"
    );
    assert_eq!(incidents(&bench, &acme, "?status=open").await, [] as [Value; 0]);
    let attention = bench.get(&acme.viewer, &acme.path("attention")).await.expect(200);
    assert!(
        !attention.body.to_string().contains("server_unavailable"),
        "{:#}",
        attention.body
    );
}

#[tokio::test]
async fn what_begins_and_ends_is_told_once_each_signed_and_again_until_it_arrives() {
    let (url, mut received) = receiver(&[500]).await;
    let bench = Bench::with_config(telling(url)).await;
    let acme = bench.tenant("Acme").await;
    let weather = TestServer::with(json!([])).await;
    let id = server(&bench, &acme, &weather).await;
    weather.answer_with(503);
    check(&bench, &acme, &id).await;
    look(&bench.app).await.unwrap();
    round(&bench.app).await.unwrap();
    send(&bench.app).await.unwrap();
    assert!(received.try_recv().is_err(), "it may be over in a moment");

    later(&bench, MINUTE).await;
    round(&bench.app).await.unwrap();
    send(&bench.app).await.unwrap();
    let first = received.try_recv().unwrap();
    send(&bench.app).await.unwrap();
    assert!(received.try_recv().is_err(), "it comes again after a pause");
    later(&bench, MINUTE).await;
    send(&bench.app).await.unwrap();
    let again = received.try_recv().unwrap();
    assert_eq!(header(&first, "webhook-id"), header(&again, "webhook-id"));
    assert!(header(&again, "webhook-signature").starts_with("v1,"));
    let told = body(&again);
    let [begun] = &told["data"]["begun"].as_array().unwrap()[..] else {
        panic!("{told}")
    };
    assert_eq!(
        (
            begun["subject"]["name"].as_str(),
            begun["project"]["name"].as_str()
        ),
        (Some("Weather"), Some("Acme"))
    );
    assert!(begun["what"].as_str().unwrap().contains("HTTP 503") && told["data"]["recovered"] == json!([]));

    weather.answer_with(200);
    for _ in 0..5 {
        later(&bench, MINUTE).await;
        round(&bench.app).await.unwrap();
        send(&bench.app).await.unwrap();
        assert!(received.try_recv().is_err(), "it has not settled");
    }
    later(&bench, MINUTE).await;
    round(&bench.app).await.unwrap();
    send(&bench.app).await.unwrap();
    let over = body(&received.try_recv().unwrap());
    assert_eq!(over["data"]["recovered"][0]["id"], begun["id"]);
    assert_eq!(over["data"]["begun"], json!([]));
    later(&bench, MINUTE * 10).await;
    round(&bench.app).await.unwrap();
    send(&bench.app).await.unwrap();
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_storm_is_one_message() {
    let (url, mut received) = receiver(&[]).await;
    let bench = Bench::with_config(telling(url)).await;
    let acme = bench.tenant("Acme").await;
    for name in ["one", "two", "three"] {
        let soon = bench.clock.now().plus(Duration::from_hours(24 * 7)).to_rfc3339();
        let new = json!({"name": name, "role": "viewer", "expires_at": soon});
        bench
            .post(&acme.owner, &acme.path("api-keys"), new)
            .await
            .expect(201);
    }
    round(&bench.app).await.unwrap();
    assert_eq!(incidents(&bench, &acme, "?kind=api_key_expires").await.len(), 3);
    later(&bench, MINUTE * 2).await;
    let (one, other) = tokio::join!(round(&bench.app), round(&bench.app));
    one.and(other).unwrap();
    let (one, other) = tokio::join!(send(&bench.app), send(&bench.app));
    one.and(other).unwrap();
    assert_eq!(
        body(&received.try_recv().unwrap())["data"]["begun"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_client_secret_that_expires_is_told_at_thirty_days_at_seven_and_when_it_has() {
    const DAY: Duration = Duration::from_hours(24);
    let (url, mut received) = receiver(&[]).await;
    let bench = Bench::with_config(telling(url)).await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let source = acme.source(&bench, "Entra").await;
    let path = acme.path(&format!("user-sources/{source}"));
    let ends = bench.clock.now().plus(DAY * 40);
    let dated = json!({"client_secret_expires_at": ends.to_rfc3339()});
    let shown = bench.patch(&acme.admin, &path, dated).await.expect(200);
    assert_eq!(shown.body["client_secret_expires_at"], json!(ends.to_rfc3339()));
    // What one round and the next say, some minutes later.
    let told = async |received: &mut mpsc::UnboundedReceiver<String>| {
        for _ in 0..2 {
            later(&bench, MINUTE * 2).await;
            round(&bench.app).await.unwrap();
            send(&bench.app).await.unwrap();
        }
        let mut messages = Vec::new();
        while let Ok(message) = received.try_recv() {
            messages.push(body(&message)["data"].clone());
        }
        messages
    };
    let kind = async || {
        let attention = bench.get(&acme.viewer, &acme.path("attention")).await.expect(200);
        let items = attention.body["items"].as_array().unwrap().clone();
        let found = items
            .into_iter()
            .find(|item| item["kind"] == "client_secret_expires");
        found.map(|item| item["what"].as_str().unwrap().to_owned())
    };
    assert_eq!(told(&mut received).await, [] as [Value; 0]);
    assert_eq!(kind().await, None);
    for (days, words, shown) in [
        (11, "expires within 29 days", "The client secret expires soon"),
        (23, "expires within 6 days", "The client secret expires soon"),
        (6, "has expired", "The client secret has expired"),
    ] {
        later(&bench, DAY * days).await;
        let messages = told(&mut received).await;
        let [message] = messages.as_slice() else {
            panic!("one message for {words}: {messages:?}");
        };
        let begun = &message["begun"][0];
        assert_eq!(begun["kind"], "client_secret_expires");
        assert!(begun["what"].as_str().unwrap().contains(words), "{begun}");
        assert_eq!(told(&mut received).await, [] as [Value; 0]);
        assert_eq!(kind().await.as_deref(), Some(shown));
    }
    assert_eq!(incidents(&bench, &acme, "").await.len(), 1);
    assert_eq!(incidents(&bench, &other, "").await, [] as [Value; 0]);

    // Another secret without a date ends it.
    let rotated = json!({"client_secret": "another-secret-0123456789", "skip_validation": true});
    let rotated = bench.patch(&acme.admin, &path, rotated).await.expect(200);
    assert_eq!(rotated.body["client_secret_expires_at"], Value::Null);
    assert_eq!(kind().await, None);
    later(&bench, MINUTE * 2).await;
    round(&bench.app).await.unwrap();
    later(&bench, MINUTE * 6).await;
    let messages = told(&mut received).await;
    assert_eq!(
        messages[0]["recovered"][0]["kind"], "client_secret_expires",
        "{messages:?}"
    );
}

#[tokio::test]
async fn a_date_that_has_passed_is_not_entered_and_one_that_passes_stays() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Entra").await;
    let path = acme.path(&format!("user-sources/{source}"));
    let at = |time: gatewright_domain::Timestamp| json!({"client_secret_expires_at": time.to_rfc3339()});
    let past = bench
        .patch(&acme.admin, &path, at(bench.clock.now()))
        .await
        .expect(422);
    assert_eq!(past.pointers(), ["/client_secret_expires_at"]);
    let soon = bench.clock.now().plus(MINUTE);
    bench.patch(&acme.admin, &path, at(soon)).await.expect(200);
    later(&bench, MINUTE * 2).await;
    let same = json!({"client_secret_expires_at": soon.to_rfc3339(), "description": "For the staff"});
    bench.patch(&acme.admin, &path, same).await.expect(200);
    let cleared = json!({"client_secret_expires_at": null});
    let cleared = bench.patch(&acme.admin, &path, cleared).await.expect(200);
    assert_eq!(cleared.body["client_secret_expires_at"], Value::Null);
}

#[tokio::test]
async fn what_is_not_a_kind_or_status_is_refused() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    for query in ["?kind=nothing", "?status=closed", "?cursor=evt_1"] {
        bench
            .get(&acme.viewer, &acme.path(&format!("incidents{query}")))
            .await
            .expect(400);
    }
    bench
        .get(&acme.gateway, &acme.path("incidents"))
        .await
        .expect(403);
    bench
        .get(
            &acme.viewer,
            &acme.path("incidents/inc_0192f0c1a2b37c4d8e5f60718293a4b5"),
        )
        .await
        .expect(404);
}
