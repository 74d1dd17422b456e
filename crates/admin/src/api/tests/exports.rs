//! Every list as a file.

use std::{sync::Arc, time::Duration};

use axum::http::{Method, header};
use gatewright_domain::{
    activity::{Activity, Outcome, RequestKind, RequestNumber},
    id::GatewayId,
};
use gatewright_store::activity;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{
    bench::{Bench, Tenant},
    document::{document, operations},
    everything::Everything,
};

/// The lines of a file of JSON Lines.
async fn lines(bench: &Bench, key: &str, path: &str) -> Vec<Value> {
    let (text, headers) = bench.lines(key, path).await;
    assert_eq!(headers[header::CONTENT_TYPE], "application/jsonl");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn every_list_is_a_file_too_with_the_same_objects() {
    let bench = Bench::new().await;
    let all = Everything::make(&bench).await;
    let mut lists = 0;
    for (method, path, operation) in operations(&document(&bench).await) {
        let parameters = operation["parameters"].as_array().unwrap();
        let pages = parameters.iter().any(|parameter| parameter["name"] == "cursor");
        let exports = parameters.iter().any(|parameter| parameter["name"] == "format");
        let content = operation["responses"]["200"]["content"].as_object();
        let has_csv = content.is_some_and(|content| content.contains_key("text/csv"));
        assert_eq!(
            (exports, has_csv),
            (pages && method == Method::GET, exports),
            "{method} {path}"
        );
        let Some(filled) = all.path(&path).filter(|_| exports) else {
            continue;
        };
        lists += 1;
        let key = all.master(&bench, &path);
        let items = bench
            .get(key, &format!("{filled}?limit=200"))
            .await
            .expect(200)
            .body["items"]
            .clone();
        let items = items.as_array().unwrap();
        for of_a_page in ["limit=1", "cursor=x"] {
            let refused = bench.get(key, &format!("{filled}?format=csv&{of_a_page}")).await;
            refused.expect(400);
        }
        let found = lines(&bench, key, &format!("{filled}?format=jsonl")).await;
        assert!(found.ends_with(items), "{path}");
        let (csv, headers) = bench.lines(key, &format!("{filled}?format=csv")).await;
        let head = csv.split("\r\n").next().unwrap();
        assert!(csv.ends_with("\r\n") && head.contains(','), "{path}: {head}");
        assert!(csv.matches("\r\n").count() > items.len(), "{path}");
        assert_eq!(
            headers[header::CONTENT_TYPE],
            "text/csv; charset=utf-8; header=present"
        );
        let name = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(
            name.starts_with("attachment; filename=\"") && name.ends_with(".csv\""),
            "{name}"
        );
    }
    assert!(lists > 15, "only {lists} lists");
}

#[tokio::test]
async fn an_export_is_open_to_who_may_read_the_list_and_leaves_an_event() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let source = acme.source(&bench, "Okta").await;
    for subject in ["ada", "grace"] {
        bench.user(&acme, &source, subject).await;
    }
    let users = acme.path("users?format=jsonl&search=grace");
    let found = lines(&bench, &acme.viewer, &users).await;
    assert_eq!(found.len(), 1, "the filters of the list apply");
    lines(&bench, &acme.viewer, &users).await;
    bench.get(&acme.gateway, &users).await.expect(403);
    bench.get(&other.owner, &users).await.expect(404);
    bench.get("gwk_nothing", &users).await.expect(401);
    bench.get(&acme.viewer, "/api-keys?format=csv").await.expect(403);
    for wrong in [
        "users?format=xml",
        "users?format=csv&format=csv",
        "users?format=csv&serach=a",
    ] {
        let refused = bench.get(&acme.viewer, &acme.path(wrong)).await.expect(400);
        assert_eq!(
            refused.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{wrong}"
        );
    }
    let one = acme.path(&format!("user-sources/{source}?format=csv"));
    bench.get(&acme.viewer, &one).await.expect(200);
    let events = bench
        .get(&acme.viewer, &acme.path("audit-events?object_type=export"))
        .await
        .expect(200);
    let [event] = events.body["items"].as_array().unwrap().as_slice() else {
        panic!("{:#}", events.body);
    };
    assert_eq!(
        (&event["action"], &event["occurrences"]),
        (&"export.started".into(), &2.into())
    );
    assert_eq!(event["object"]["name"], "users");
    let text = event["changes"].to_string();
    assert!(
        text.contains("jsonl") && text.contains("search") && !text.contains("grace"),
        "{text}"
    );
    // One of the whole list has its own event.
    lines(&bench, &acme.viewer, &acme.path("users?format=jsonl")).await;
    let path = acme.path("audit-events?object_type=export");
    let events = bench.get(&acme.viewer, &path).await.expect(200);
    let filters: Vec<_> = events.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["changes"][1]["after"])
        .collect();
    assert_eq!(filters, [&json!([]), &json!(["search"])]);
}

#[tokio::test]
async fn a_file_breaks_off_when_its_key_is_revoked_or_expires() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    record(&bench, &acme, 450).await;
    let keys = acme.path("api-keys");
    let soon = bench.app.now().plus(Duration::from_mins(1)).to_string();
    let mut begun = Vec::new();
    for (format, more) in [
        ("csv", json!({})),
        ("jsonl", json!({})),
        ("csv", json!({"expires_at": soon})),
    ] {
        let mut new = json!({"name": "export", "role": "viewer"});
        new.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let made = bench.post(&acme.owner, &keys, new).await.expect(201);
        let bearer = format!("Bearer {}", made.text("key"));
        let path = acme.path(&format!("activity?kind=call&format={format}"));
        let answer = bench.begun(&path, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let head = usize::from(format == "csv");
        assert_eq!(String::from_utf8_lossy(&first).lines().count(), 200 + head);
        begun.push((made.text("id"), body));
    }
    let (_, mut expiring) = begun.pop().unwrap();
    for (id, mut body) in begun {
        bench
            .delete(&acme.owner, &format!("{keys}/{id}"))
            .await
            .expect(204);
        assert!(body.frame().await.unwrap().is_err(), "its end is missing");
    }
    assert!(expiring.frame().await.unwrap().is_ok(), "the others continue");
    bench.clock.advance(Duration::from_mins(1));
    assert!(expiring.frame().await.unwrap().is_err());
}

async fn record(bench: &Bench, tenant: &Tenant, count: u64) {
    let (project_id, at) = (tenant.project(), bench.now());
    let row = |number| Activity {
        at,
        project_id,
        gateway_id: GatewayId::of_number(1),
        caller: None,
        server_id: None,
        kind: RequestKind::Call,
        item: Some("=cmd".into()),
        outcome: Outcome::Ok,
        rule: None,
        duration_us: 1,
        upstream_us: None,
        bytes_in: 1,
        bytes_out: 1,
        request: RequestNumber(number),
        trace: None,
        session: None,
    };
    let rows: Arc<Vec<_>> = Arc::new((0..count).map(row).collect());
    let store = bench.app.core().store.activity();
    let written = store.transact(move |tx| Box::pin(async move { activity::write_batch(tx, &rows).await }));
    written.await.unwrap();
}

#[tokio::test]
async fn ten_thousand_rows_come_page_by_page_and_no_text_is_a_formula() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    for _ in 0..10 {
        record(&bench, &acme, 1_000).await;
    }
    let (csv, _) = bench
        .lines(&acme.viewer, &acme.path("activity?format=csv&kind=call"))
        .await;
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(
        rows.len(),
        10_002,
        "the head, the rows, and nothing behind the last"
    );
    assert!(rows[0].starts_with("id,account_id,at,"));
    assert!(
        rows[1].contains(",'=cmd,") && !csv.contains(",=cmd"),
        "{}",
        rows[1]
    );
    let ids: std::collections::BTreeSet<&str> = rows[1..10_001]
        .iter()
        .map(|row| row.split(',').next().unwrap())
        .collect();
    assert_eq!(ids.len(), 10_000);
}
