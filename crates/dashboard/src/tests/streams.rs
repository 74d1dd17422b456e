//! Streams on the pages of the instance, and lists as files.

use super::bench::Bench;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATH: &str = "/instance/streams";

#[tokio::test]
async fn a_stream_is_created_changed_tested_switched_off_and_deleted() {
    let (_bench, mut ada, _) = Bench::with_ada().await;
    let empty = ada.get(PATH).await.expect(200);
    assert!(empty.has("No streams yet") && empty.has("/instance/streams/new?kind=syslog"));
    let new = format!("{PATH}/new");
    for (kind, field) in [
        ("webhook", "name=\"url\""),
        ("file", "name=\"file_name\""),
        ("syslog", "name=\"host\""),
    ] {
        let page = ada.get(&format!("{new}?kind={kind}")).await.expect(200);
        assert!(
            page.has(field) && page.has("All projects and the instance"),
            "{kind}"
        );
    }
    let wrong = [
        ("kind", "webhook"),
        ("name", "SIEM"),
        ("url", "siem"),
        ("secret", "canary-secret"),
    ];
    let refused = ada.post(&new, &wrong).await.expect(422);
    assert!(
        refused.has("id=\"url-error\"")
            && refused.has("id=\"secret-error\"")
            && refused.has("id=\"audit-error\"")
    );
    assert!(refused.has("value=\"SIEM\"") && !refused.has("canary-secret"));
    let fields = [
        ("kind", "webhook"),
        ("name", "SIEM <b>"),
        ("audit", "yes"),
        ("format", "ocsf"),
        ("url", "http://127.0.0.1:9/in"),
        ("secret", SECRET),
        ("batching", "lines"),
    ];
    let path = ada.post(&new, &fields).await.expect(303).location();
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("SIEM &#60;b&#62;") && !page.has("<b>") && !page.has("whsec_M"));
    assert!(page.has("value=\"ocsf\" checked") && page.has("value=\"lines\" checked") && page.has("Waiting"));
    let failed = ada.post(&format!("{path}/test"), &[]).await.expect(200);
    assert!(failed.has("The test event did not arrive") && failed.has("could not connect"));
    let version = page.between("name=\"version\" value=\"", "\"");
    let mut changed = fields.to_vec();
    changed.retain(|(name, _)| *name != "secret");
    changed.extend([("activity", "yes"), ("version", version.as_str())]);
    assert_eq!(ada.post(&path, &changed).await.expect(303).location(), path);
    let stale = ada.post(&path, &changed).await.expect(422);
    assert!(stale.has("Someone else saved first"));
    let status = format!("{path}/status");
    ada.post(&status, &[("status", "inactive")]).await.expect(303);
    let list = ada.get(PATH).await.expect(200);
    assert!(list.has("Inactive") && list.has("Audit events and requests") && list.has("127.0.0.1"));
    ada.post(&status, &[("status", "active")]).await.expect(303);
    assert_eq!(
        ada.post(&format!("{path}/delete"), &[])
            .await
            .expect(303)
            .location(),
        PATH
    );
    ada.get(&path).await.expect(404);
    let log = ada.get("/instance/audit").await.expect(200);
    assert!(log.has("stream") && !log.has("whsec_M"));
}

#[tokio::test]
async fn streams_are_for_administrators_of_the_instance_only() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut grace = bench
        .member(&mut ada, &project, "grace@example.com", "owner")
        .await;
    let fields = [
        ("kind", "syslog"),
        ("name", "Mine"),
        ("audit", "yes"),
        ("host", "syslog.example.com"),
        ("port", "6514"),
    ];
    let new = format!("{PATH}/new");
    grace.post(&new, &fields).await.expect(404);
    grace.get(PATH).await.expect(404);
    ada.post_from(&new, &fields, "cross-site").await.expect(403);
    let path = ada.post(&new, &fields).await.expect(303).location();
    for what in ["", "/test", "/status", "/delete"] {
        grace.post(&format!("{path}{what}"), &[]).await.expect(404);
    }
    assert!(
        ada.get(&path)
            .await
            .expect(200)
            .has("value=\"syslog.example.com\"")
    );
}

#[tokio::test]
async fn each_list_leads_to_its_files_with_the_filters_of_the_page() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let mut led = 0;
    for (page, export) in [
        ("/users?search=a%26b&status=blocked", "/users?search=a%26b&amp;"),
        (
            "/gateways?mode=headers",
            "/gateways?authentication_mode=headers&amp;",
        ),
        ("/servers", "/servers?"),
        ("/sign-ins?result=failed", "/sign-in-attempts?outcome=failed&amp;"),
        ("/incidents?status=open", "/incidents?status=open&amp;"),
        (
            "/audit?object_type=gateway",
            "/audit-events?object_type=gateway&amp;",
        ),
        (
            "/activity?outcome=refused&person=usr_1",
            "/activity?user_id=usr_1&amp;outcome=refused&amp;from=",
        ),
        ("/secrets", "/secrets?"),
        ("/members", "/members?"),
        ("/api-keys", "/api-keys?"),
        ("/user-sources", "/user-sources?"),
    ] {
        let shown = ada.get(&format!("{project}{page}")).await.expect(200);
        let href = format!("href=\"/api/v1{project}{export}");
        let leads = shown.has(&href) || shown.has(&href.replace("&amp;", "&#38;"));
        // Pages without a gateway, server or event of this kind show how to continue in the place of a list.
        assert!(
            leads || ["/gateways?mode=headers", "/servers", "/audit?object_type=gateway"].contains(&page),
            "{page}: {href}"
        );
        led += usize::from(leads);
    }
    assert!(led >= 8, "{led}");
    let empty = ada.get(PATH).await.expect(200);
    assert!(!empty.has("/api/v1/streams?"), "there is nothing to export yet");
    let fields = [
        ("kind", "syslog"),
        ("name", "Syslog"),
        ("audit", "yes"),
        ("host", "syslog.example.com"),
        ("port", "6514"),
    ];
    let made = ada.post(&format!("{PATH}/new"), &fields).await.expect(303);
    let page = ada.get(&made.location()).await.expect(200);
    assert!(page.has("0 records in all"));
    for (page, export) in [
        ("/projects", "/projects?"),
        ("/instance/accounts?search=a", "/accounts?search=a"),
        ("/instance/keys", "/api-keys?"),
        ("/instance/audit", "/audit-events?"),
        (PATH, "/streams?"),
    ] {
        let shown = ada.get(page).await.expect(200);
        assert!(shown.has(&format!("href=\"/api/v1{export}")), "{page}");
    }
}
