//! Activity by API: who can read it, how requests are found, and what a response shows of them.

use std::{sync::Arc, time::Duration};

use gatewright_domain::activity::{
    Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber, Rule, SessionMark, TraceId,
};
use serde_json::json;

use super::bench::{Bench, Tenant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A call at a gateway, which was refused.
fn refused(bench: &Bench, tenant: &Tenant, gateway: &str, person: &str) -> Activity {
    Activity {
        at: bench.now(),
        project_id: tenant.project(),
        gateway_id: gateway.parse().unwrap(),
        caller: Some(Arc::new(ActivityCaller {
            person: Some(person.into()),
            client: Some(ActivityClient::new("client-1", "Claude")),
        })),
        server_id: None,
        kind: RequestKind::Call,
        item: Some("search".into()),
        outcome: Outcome::Refused,
        rule: Some(Rule::NotOffered),
        duration_us: 1_234,
        upstream_us: None,
        bytes_in: 100,
        bytes_out: 200,
        request: RequestNumber(0xab),
        trace: TraceId::parse(TRACE),
        session: Some(SessionMark::of_key(&[0xcd; 16])),
    }
}

/// Records rows as requests do, and writes them.
async fn record(bench: &Bench, rows: impl IntoIterator<Item = Activity>) {
    let gateways = bench.app.gateways();
    for row in rows {
        gateways.activity.record(row, &gateways.telemetry);
    }
    let written = gateways.activity.flush(&gateways.store, &gateways.telemetry);
    written.await.unwrap();
}

async fn listed(bench: &Bench, key: &str, path: &str) -> Vec<String> {
    let answer = bench.get(key, path).await.expect(200);
    let items = answer.body["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_request_is_found_by_each_filter_and_shows_what_became_of_it() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let user = bench.user(&acme, &source, "ada").await;
    let first = refused(&bench, &acme, &gateway, &user.to_string());
    bench.clock.advance(Duration::from_mins(10));
    let second = Activity {
        outcome: Outcome::Ok,
        rule: None,
        item: Some("me://inbox".into()),
        kind: RequestKind::Resource,
        upstream_us: Some(900),
        ..refused(&bench, &acme, &gateway, "|ada@example.com")
    };
    let later = second.at.to_rfc3339();
    record(&bench, [first.clone(), second]).await;
    let path = acme.path("activity");
    let both = listed(&bench, &acme.viewer, &path).await;
    assert_eq!(both.len(), 2);
    let read = bench
        .get(&acme.viewer, &format!("{path}/{}", both[1]))
        .await
        .expect(200);
    let expected = json!({
        "id": both[1], "project_id": acme.project().to_string(), "at": first.at.to_rfc3339(),
        "gateway_id": gateway, "user_id": user.to_string(), "account_id": null, "header_user_id": null,
        "client_id": "client-1", "client_name": "Claude", "server_id": null, "kind": "call", "item": "search",
        "outcome": "refused", "rule": "not_offered", "duration_us": 1_234, "upstream_us": null,
        "request_bytes": 100, "response_bytes": 200, "request_id": "00000000000000ab", "trace_id": TRACE,
        "session": "cdcdcdcdcdcd", "recorded_arguments": null,
    });
    assert_eq!(read.body, expected);
    for (filter, expected) in [
        (format!("gateway_id={gateway}"), &both[..]),
        (format!("user_id={user}"), &both[1..]),
        ("header_user_id=ada%40example.com".to_owned(), &both[..1]),
        ("client_id=client-1".to_owned(), &both[..]),
        ("item=me://inbox".to_owned(), &both[..1]),
        ("kind=call".to_owned(), &both[1..]),
        ("outcome=ok".to_owned(), &both[..1]),
        ("rule=not_offered".to_owned(), &both[1..]),
        ("outcome=tool_error".to_owned(), &[]),
        (format!("trace_id={TRACE}"), &both[..]),
        ("request_id=00000000000000ab".to_owned(), &both[..]),
        ("session=cdcdcdcdcdcd".to_owned(), &both[..]),
        ("session=cdcdcdcdcdce".to_owned(), &[]),
        (format!("from={later}"), &both[..1]),
        (format!("to={later}"), &both[1..]),
        ("limit=1".to_owned(), &both[..1]),
        (format!("limit=1&cursor={}", both[0]), &both[1..]),
    ] {
        let found = listed(&bench, &acme.viewer, &format!("{path}?{filter}")).await;
        assert_eq!(found, expected, "{filter}");
    }
    for wrong in [
        "outcome=lost",
        "gateway_id=srv_1",
        "request_id=AB",
        "trace_id=1",
        "session=1",
        "cursor=evt_1",
        &format!("item={}", "x".repeat(257)),
        &format!("user_id={user}&header_user_id=ada"),
    ] {
        bench
            .get(&acme.viewer, &format!("{path}?{wrong}"))
            .await
            .expect(400);
    }
    let mut altered = both[0].clone();
    let digit = altered.remove(10);
    altered.insert(10, if digit == '0' { '1' } else { '0' });
    bench
        .get(&acme.viewer, &format!("{path}/{altered}"))
        .await
        .expect(404);
}

#[tokio::test]
async fn another_project_does_not_find_a_request() {
    let bench = Bench::new().await;
    let (acme, other) = (bench.tenant("Acme").await, bench.tenant("Other").await);
    let mut rows = Vec::new();
    for tenant in [&acme, &other] {
        let source = tenant.source(&bench, "Okta").await;
        let gateway = tenant.gateway_of(&bench, &source, "Agents", "active").await;
        rows.push(refused(&bench, tenant, &gateway, "|ada"));
    }
    record(&bench, rows).await;
    let path = |tenant: &Tenant, id: &str| tenant.path(&format!("activity/{id}"));
    for (one, another) in [(&acme, &other), (&other, &acme)] {
        let found = listed(&bench, &one.viewer, &one.path("activity?header_user_id=ada")).await;
        assert_eq!(found.len(), 1);
        bench.get(&one.viewer, &path(one, &found[0])).await.expect(200);
        bench.get(&another.owner, &path(one, &found[0])).await.expect(404);
        bench
            .get(&another.owner, &path(another, &found[0]))
            .await
            .expect(404);
        bench.get(&another.owner, &one.path("activity")).await.expect(404);
    }
}
