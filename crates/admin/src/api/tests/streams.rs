//! Streams by the API.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::bench::{Answer, Bench, Tenant};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn webhook(url: &str) -> Value {
    json!({"name": "SIEM", "kind": "webhook", "url": url, "secret": SECRET})
}

async fn create(bench: &Bench, new: Value) -> Answer {
    bench.post(&bench.instance, "/streams", new).await
}

/// Accepts one request; its URL.
async fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in/path-token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}]") {
            request.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    });
    url
}

#[tokio::test]
async fn a_project_sees_when_a_stream_of_its_own_becomes_one_of_another_or_of_all() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let mut new = webhook("http://127.0.0.1:9/in");
    new["project_id"] = json!(acme.id);
    let path = format!("/streams/{}", create(&bench, new).await.expect(201).text("id"));
    let seen = async |tenant: &Tenant| {
        let path = tenant.path("audit-events?object_type=stream");
        let trail = bench.get(&tenant.viewer, &path).await.expect(200).body;
        let events = trail["items"].as_array().unwrap().clone();
        let actions: Vec<_> = events.iter().map(|event| event["action"].to_string()).collect();
        (actions, trail.to_string())
    };
    for project in [json!(other.id), json!(acme.id), Value::Null] {
        let change = json!({"project_id": project});
        bench.patch(&bench.instance, &path, change).await.expect(200);
    }
    let (actions, text) = seen(&acme).await;
    let expected = ["updated", "updated", "deleted", "created"];
    assert_eq!(actions, expected.map(|verb| format!("\"stream.{verb}\"")));
    assert!(!text.contains(&other.id) && text.contains("127.0.0.1"), "{text}");
    let (actions, text) = seen(&other).await;
    assert_eq!(
        actions,
        ["deleted", "updated"].map(|verb| format!("\"stream.{verb}\""))
    );
    assert!(!text.contains(&acme.id), "{text}");
    // One of all projects leaves events of the instance only.
    bench
        .patch(&bench.instance, &path, json!({"format": "ocsf"}))
        .await
        .expect(200);
    assert_eq!(seen(&acme).await.0.len(), 4);
}

#[tokio::test]
async fn a_stream_is_created_shown_changed_tested_and_deleted_and_the_trail_says_so() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let mut new = webhook(&receiver().await);
    new["project_id"] = json!(acme.id);
    let made = create(&bench, new.clone()).await.expect(201);
    assert_eq!(
        made.headers["location"],
        format!("/api/v1/streams/{}", made.text("id"))
    );
    assert_eq!(
        (&made.body["audit"], &made.body["activity"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&made.body["batching"], &made.body["host"]),
        (&json!("array"), &Value::Null)
    );
    assert_eq!(
        made.body["state"]["waiting"], 1,
        "its own creation, in the trail of the project"
    );
    let path = format!("/streams/{}", made.text("id"));
    let listed = bench.get(&bench.instance, "/streams").await.expect(200);
    assert_eq!(listed.body["items"], json!([made.body]));
    let tested = bench
        .post(&bench.instance, &format!("{path}/test"), json!({}))
        .await
        .expect(200);
    assert_eq!(tested.body, json!({"delivered": true, "error": null}));
    let refused = bench
        .post(&bench.instance, &format!("{path}/test"), json!({}))
        .await
        .expect(200);
    assert_eq!(refused.body["delivered"], false);
    assert!(
        refused.body["error"]
            .as_str()
            .unwrap()
            .contains("could not connect")
    );
    let change = json!({"url": "http://127.0.0.1:9/in/another-token", "activity": true, "format": "ocsf"});
    let changed = bench.patch(&bench.instance, &path, change).await.expect(200);
    assert_eq!(
        (&changed.body["format"], &changed.body["activity"]),
        (&json!("ocsf"), &json!(true))
    );
    let kept = bench
        .patch(&bench.instance, &path, json!({"secret": null}))
        .await
        .expect(422);
    assert_eq!(kept.pointers(), ["/secret"]);
    let again = create(&bench, new).await.expect(422);
    assert_eq!(again.pointers(), ["/name"]);
    let trails = [
        bench
            .get(&bench.instance, "/audit-events?object_type=stream")
            .await,
        bench
            .get(&acme.viewer, &acme.path("audit-events?object_type=stream"))
            .await,
    ];
    for trail in trails {
        let trail = trail.expect(200);
        let actions: Vec<_> = trail.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["action"])
            .collect();
        assert!(actions.contains(&&json!("stream.created")) && actions.contains(&&json!("stream.updated")));
        let text = trail.body.to_string();
        assert!(
            text.contains("127.0.0.1") && !text.contains("token") && !text.contains("whsec"),
            "{text}"
        );
    }
    for answer in [&made.body, &changed.body, &listed.body] {
        assert!(!answer.to_string().contains("whsec"), "{answer}");
    }
    assert!(!bench.everything_visible().contains(SECRET));
    bench.delete(&bench.instance, &path).await.expect(204);
    bench.get(&bench.instance, &path).await.expect(404);
    let trail = bench
        .get(&acme.viewer, &acme.path("audit-events?action=stream.deleted"))
        .await
        .expect(200);
    assert_eq!(trail.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_by_its_place() {
    let bench = Bench::new().await;
    for (new, places) in [
        (json!({}), vec!["/kind"]),
        (
            json!({"name": "", "kind": "webhook"}),
            vec!["/name", "/secret", "/url"],
        ),
        (
            json!({"name": "a", "kind": "webhook", "url": "https://siem.example.com", "secret": "short", "host": "x", "file_name": "y"}),
            vec!["/file_name", "/host", "/secret"],
        ),
        (
            json!({"name": "a", "kind": "syslog", "host": "tcp://x", "port": 0, "authorities": "none"}),
            vec!["/host", "/port", "/authorities"],
        ),
        (
            json!({"name": "a", "kind": "syslog", "host": "syslog.example.com", "audit": false}),
            vec!["/audit"],
        ),
        (
            json!({"name": "a", "kind": "syslog", "host": "syslog.example.com",
                   "project_id": "prj_0192f0c1a2b37c4d8e5f60718293a4b5"}),
            vec!["/project_id"],
        ),
    ] {
        let refused = create(&bench, new.clone()).await.expect(422);
        let mut found = refused.pointers();
        let mut places = places;
        found.sort_unstable();
        places.sort_unstable();
        assert_eq!(found, places, "{new}");
    }
    for number in 0..20 {
        let new = json!({"name": format!("s{number}"), "kind": "syslog", "host": "syslog.example.com"});
        create(&bench, new).await.expect(201);
    }
    let new = json!({"name": "one too many", "kind": "syslog", "host": "syslog.example.com"});
    create(&bench, new).await.expect(409);
    let page = bench.get(&bench.instance, "/streams?limit=15").await.expect(200);
    let cursor = page.body["next_cursor"].as_str().unwrap().to_owned();
    let rest = bench
        .get(&bench.instance, &format!("/streams?limit=15&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 5);
    assert_eq!(rest.body["next_cursor"], Value::Null);
}

#[tokio::test]
async fn files_need_a_folder_of_the_configuration_and_no_two_streams_share_one() {
    let file = |name: &str, file: &str| json!({"name": name, "kind": "file", "file_name": file});
    let bench = Bench::new().await;
    let refused = create(&bench, file("a", "a.jsonl")).await.expect(422);
    assert_eq!(refused.pointers(), ["/kind"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let bench = Bench::with_config(|config| config.streams.directory = Some(path)).await;
    create(&bench, file("a", "a.jsonl")).await.expect(201);
    let refused = create(&bench, file("b", "a.jsonl")).await.expect(422);
    assert_eq!(refused.pointers(), ["/file_name"]);
    let refused = create(&bench, file("b", "../b.jsonl")).await.expect(422);
    assert_eq!(refused.pointers(), ["/file_name"]);
    let made = create(&bench, file("b", "b.jsonl")).await.expect(201);
    let tested = bench
        .post(
            &bench.instance,
            &format!("/streams/{}/test", made.text("id")),
            json!({}),
        )
        .await
        .expect(200);
    assert_eq!(tested.body["delivered"], true);
    let written = std::fs::read_to_string(folder.path().join("b.jsonl")).unwrap();
    assert!(written.contains("\"type\":\"test\"") && written.ends_with('\n'));
}

#[tokio::test]
async fn a_stream_leads_nowhere_that_an_administrator_may_not_configure() {
    let bench =
        Bench::with_config(|config| config.server.public_url = "https://gateway.example".to_owned()).await;
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:9/",
        "ftp://siem.example.com",
    ] {
        let refused = create(&bench, webhook(url)).await.expect(422);
        assert_eq!(refused.pointers(), ["/url"], "{url}");
    }
    // A name or an address of syslog is checked whenever it is dialled.
    let new = json!({"name": "Syslog", "kind": "syslog", "host": "169.254.169.254", "transport": "tcp"});
    let made = create(&bench, new).await.expect(201);
    let tested = bench
        .post(
            &bench.instance,
            &format!("/streams/{}/test", made.text("id")),
            json!({}),
        )
        .await
        .expect(200);
    assert_eq!(tested.body["delivered"], false);
    assert!(
        tested.body["error"].as_str().unwrap().contains("169.254.169.254"),
        "{}",
        tested.body
    );
}

#[tokio::test]
async fn a_stream_whose_folder_or_project_is_gone_can_be_deactivated_and_not_activated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let bench = Bench::with_config(|config| config.streams.directory = Some(path)).await;
    let project = bench
        .post(&bench.instance, "/projects", json!({"name": "Gone"}))
        .await
        .expect(201);
    let new = json!({"name": "a", "kind": "file", "file_name": "a.jsonl", "project_id": project.text("id")});
    let made = create(&bench, new).await.expect(201);
    let stream = format!("/streams/{}", made.text("id"));
    let delete = format!("/projects/{}?confirm_name=Gone", project.text("id"));
    bench.delete(&bench.instance, &delete).await.expect(204);
    let set = async |change: Value| bench.patch(&bench.instance, &stream, change).await;
    set(json!({"status": "inactive", "name": "b"})).await.expect(200);
    let refused = set(json!({"status": "active"})).await.expect(422);
    assert_eq!(refused.pointers(), ["/project_id"]);
    set(json!({"status": "active", "project_id": null}))
        .await
        .expect(200);
    let bench = bench.restarted(|config| config.streams.directory = None).await;
    let set = async |change: Value| bench.patch(&bench.instance, &stream, change).await;
    set(json!({"status": "inactive"})).await.expect(200);
    let refused = set(json!({"status": "active"})).await.expect(422);
    assert_eq!(refused.pointers(), ["/kind"]);
}
