//! What there is to see, for whom, and how heavy it is.

use super::{bench::Bench, people::People};
use crate::assets::ASSETS;

#[tokio::test]
async fn a_viewer_sees_every_page_and_no_form_that_changes_the_project() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    for rest in [
        "",
        "/activity",
        "/gateways",
        "/user-sources",
        "/servers",
        "/secrets",
        "/users",
        "/sign-ins",
        "/incidents",
        "/members",
        "/api-keys",
        "/audit",
        "/settings",
    ] {
        let page = viewer.get(&format!("{project}{rest}")).await.expect(200);
        let content = page.between("<main", "</main>");
        let forms = content.matches("method=\"post\"").count();
        // Leaving is the one thing a viewer may do.
        assert_eq!(forms, usize::from(rest == "/members"), "{rest}: {content}");
        assert!(page.has("aria-current=\"page\""), "{rest}");
    }
    for (rest, fields) in [
        ("/api-keys", [("name", "k"), ("role", "viewer")].as_slice()),
        ("/settings", &[("name", "Mine")]),
        ("/settings/delete", &[("confirm_name", "Acme")]),
    ] {
        let refused = viewer.post(&format!("{project}{rest}"), fields).await.expect(403);
        assert!(refused.has("Not open to you"), "{rest}");
    }
    assert!(
        ada.get(&format!("{project}/settings"))
            .await
            .has("value=\"Acme\"")
    );
}

#[tokio::test]
async fn every_link_of_every_page_leads_somewhere() {
    let People {
        bench: _bench,
        mut ada,
        project,
        ..
    } = {
        let people = People::new().await;
        let user = people.user("grace", "Grace Hopper").await;
        people.session(user, "Claude").await;
        people.attempt(Some(user), None);
        people.attempt(None, Some("the audience is another"));
        people
    };
    let new = serde_json::json!({"name": "Agents", "authentication_mode": "headers"});
    let gateway = ada.create(&format!("{project}/gateways"), new).await;
    let connect = format!("{project}/gateways/{gateway}/connect");
    let mut seen = std::collections::BTreeSet::new();
    let mut waiting = vec!["/".to_owned(), "/account".to_owned(), project, connect];
    let server = [
        ("slug", "dead"),
        ("url", "http://127.0.0.1:9/mcp"),
        ("timeout", "1"),
        ("retries", "0"),
    ];
    let new = format!("{}/servers/new", waiting[2]);
    waiting.push(ada.post(&new, &server).await.expect(303).location());
    let secret = [("name", "KEY"), ("value", "x"), ("origins", "http://127.0.0.1:9")];
    let new = format!("{}/secrets/new", waiting[2]);
    waiting.push(ada.post(&new, &secret).await.expect(303).location());
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = ada.get(&path).await;
        assert!(
            page.status.is_success() || page.status.is_redirection(),
            "{path}: {}",
            page.status
        );
        for link in page.body.split("href=\"").skip(1) {
            let link = link.split('"').next().unwrap().replace("&#38;", "&");
            if link.starts_with('/') {
                waiting.push(link);
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[tokio::test]
async fn the_first_page_ever_seen_is_light() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let page = ada.get(&format!("{project}/audit")).await.expect(200);
    for asset in [ASSETS.style(), ASSETS.script(), ASSETS.htmx(), ASSETS.icon()] {
        let file = ada.get(asset).await.expect(200);
        assert!(
            file.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
    let bytes = page.body.len() + ASSETS.weight();
    assert!(bytes < 100_000, "{bytes} bytes");
}

#[tokio::test]
async fn browsers_get_a_page_where_there_is_nothing_and_programs_a_problem() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    for path in ["/nothing", &format!("{project}/nothing"), "/account/nothing"] {
        let page = ada.get(path).await.expect(404);
        assert!(page.has("There is nothing here"), "{path}");
    }
    // What takes forms only leads to the page the form is on.
    assert_eq!(ada.get("/sign-out").await.expect(303).location(), "/");
    let program = http::Request::get("/nothing").header("accept", "application/json");
    let router = crate::router(bench.test.app.clone());
    let answer = tower::ServiceExt::oneshot(router, program.body(axum::body::Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
}
