//! Servers: registered, looked at, changed and deleted in pages.

use serde_json::json;

use super::bench::{Bench, Browser};
use crate::testing::servers::{TestServer, dead_url};

/// A form as the browser sends it: every field of it.
pub(super) fn typed<'a>(slug: &'a str, url: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("url", url),
        ("slug", slug),
        ("name", ""),
        ("identity", "none"),
        ("header_name", ""),
        ("header_value", ""),
        ("header_secret", ""),
        ("timeout", "60"),
        ("retries", "1"),
    ]
}

/// Adds a server; the path of its page.
pub(super) async fn add(browser: &mut Browser, project: &str, slug: &str, url: &str) -> String {
    let path = format!("{project}/servers/new");
    browser
        .post(&path, &typed(slug, url))
        .await
        .expect(303)
        .location()
}

async fn shelf() -> TestServer {
    TestServer::with(json!([
        {"name": "find_book", "title": "Find a book", "description": "Looks for <script>alert(1)</script> a book.",
            "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
        {"name": "burn_book", "description": "x\u{202e}y", "inputSchema": {"type": "object"},
            "annotations": {"destructiveHint": true}},
    ]))
    .await
}

#[tokio::test]
async fn one_is_singular_on_the_page_of_a_server() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let server = TestServer::with(json!([{"name": "find_book", "inputSchema": {"type": "object"}}])).await;
    let mut fields = typed("shelf", &server.url);
    fields.retain(|(name, _)| *name != "timeout");
    fields.push(("timeout", "1"));
    let new = format!("{project}/servers/new");
    let path = ada.post(&new, &fields).await.expect(303).location();
    let page = ada.get(&format!("{path}?tool=burn")).await.expect(200);
    for text in ["<dd>1 second</dd>", "Its one tool does not have this"] {
        assert!(page.has(text), "{text}: {}", page.body);
    }
}

#[tokio::test]
async fn a_server_is_asked_when_it_is_added_and_its_page_shows_what_it_said() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    let asked = server.received().len();
    assert!(asked > 0);
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("The server is added.") && page.has("Answers"));
    assert!(page.has("MCP 2026-07-28") && page.has("Shelf &#60;b&#62; 3.1"));
    assert!(page.has("find_book") && page.has("Only reads") && page.has("May destroy"));
    assert!(page.has("&#60;script&#62;") && !page.has("<script>alert"));
    assert!(page.has("x?y"), "nothing turns the direction of text");
    assert_eq!(server.received().len(), asked, "a page asks nobody by itself");
    let found = ada.get(&format!("{path}?tool=BURN")).await.expect(200);
    assert!(found.has("burn_book") && !found.has("find_book"));
    // A viewer sees the same and may change nothing.
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let seen = viewer.get(&path).await.expect(200);
    assert!(seen.has("find_book") && !seen.between("<main", "</main>").contains("method=\"post\""));
    for rest in ["/edit", "/delete"] {
        viewer.get(&format!("{path}{rest}")).await.expect(403);
    }
    viewer.post(&format!("{path}/check"), &[]).await.expect(403);
    viewer
        .post(&format!("{path}/edit"), &typed("mine", &server.url))
        .await
        .expect(403);
    viewer
        .post(&format!("{path}/delete"), &[("confirm_slug", "shelf")])
        .await
        .expect(403);
    assert_eq!(server.received().len(), asked);
    assert!(ada.get(&path).await.has("<code>shelf</code>"));
}

#[tokio::test]
async fn the_page_of_a_server_shows_its_prompts_resources_and_templates_and_what_it_declares() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let resources: Vec<_> = (0..60)
        .map(|number| json!({"uri": format!("file:///{number:02}"), "name": "n", "mimeType": "text/plain"}))
        .collect();
    let server = TestServer::having(json!({
        "tools": [{"name": "find_book", "inputSchema": {"type": "object"}}],
        "prompts": [{"name": "recommend", "description": "<i>Asks</i> for a book.",
            "arguments": [{"name": "genre", "required": true}]}, {"title": "without a name"}],
        "resources": resources,
        "resourceTemplates": [{"uriTemplate": "book://{isbn}", "name": "books"}],
    }))
    .await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("<dd>tools, prompts, resources</dd>") && page.has("find_book"));
    assert!(page.has("recommend") && page.has("genre") && page.has("&#60;i&#62;Asks") && !page.has("<i>"));
    assert!(page.has("One entry of this list cannot be used"));
    assert!(page.has("1 to 50 of 61") && page.has("file:///49") && !page.has("file:///50"));
    let next = ada.get(&format!("{path}?resources_from=50")).await.expect(200);
    assert!(next.has("file:///50") && next.has("book://{isbn}") && next.has(">Template<"));
    let bare = shelf().await;
    let path = add(&mut ada, &project, "bare", &bare.url).await;
    let page = ada.get(&path).await.expect(200);
    assert!(!page.has("id=\"prompts\"") && !page.has("id=\"resources\""));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_saved_and_its_page_says_so() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let path = add(&mut ada, &project, "dead", &dead_url().await).await;
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("The server cannot be reached") && page.has("Does not answer"));
    let list = ada.get(&format!("{project}/servers")).await.expect(200);
    assert!(list.has("Does not answer") && list.has(&path));
}

#[tokio::test]
async fn checking_now_sees_that_a_server_failed_and_that_it_came_back() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    for (status, told) in [
        (500, "answered with an error (HTTP 500)"),
        (401, "refused Gatewright (HTTP 401)"),
        (404, "it is not MCP"),
    ] {
        server.answer_with(status);
        ada.post(&format!("{path}/check"), &[]).await.expect(303);
        let page = ada.get(&path).await.expect(200);
        assert!(page.has(told), "{status}: {}", page.body);
    }
    server.answer_with(200);
    ada.post(&format!("{path}/check"), &[]).await.expect(303);
    assert!(ada.get(&path).await.has("find_book"));
}

#[tokio::test]
async fn a_page_asks_a_server_only_on_request_and_not_at_every_reload() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    // What was seen is in memory only, and a process that was just started has seen nothing.
    let other = bench.test.another().await.unwrap();
    let mut fresh = ada.on(crate::router(other));
    let asked = server.received().len();
    let page = fresh.get(&path).await.expect(200);
    assert!(page.has("Not asked yet") && page.has("?ask=yes") && !page.has("find_book"));
    let list = fresh.get(&format!("{project}/servers")).await.expect(200);
    assert!(list.has("Not asked yet"));
    assert_eq!(server.received().len(), asked);
    for _ in 0..3 {
        let page = fresh.get(&format!("{path}?ask=yes")).await.expect(200);
        assert!(page.has("find_book"));
    }
    assert_eq!(
        server.received().len(),
        asked * 2,
        "three looks within seconds ask once"
    );
    let list = fresh.get(&format!("{project}/servers?ask=yes")).await.expect(200);
    assert!(list.has("Answers"));
    assert_eq!(
        server.received().len(),
        asked * 2,
        "and what is known is not asked for"
    );
}

#[tokio::test]
async fn what_is_wrong_is_shown_and_what_was_entered_stays() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let path = format!("{project}/servers/new");
    let mut fields = typed("Not An Id", "stdio://x");
    fields.extend([
        ("header_name", "X-Kept"),
        ("header_value", "as typed"),
        ("header_secret", ""),
    ]);
    let refused = ada.post(&path, &fields).await.expect(422);
    assert!(refused.has("id=\"url-error\"") && refused.has("id=\"slug-error\""));
    assert!(refused.has("value=\"Not An Id\"") && refused.has("value=\"as typed\""));
    fields.retain(|(name, _)| *name != "timeout");
    fields.push(("timeout", "soon"));
    let refused = ada.post(&path, &fields).await.expect(422);
    assert!(refused.has("id=\"timeout_ms-error\"") && refused.has("value=\"soon\""));
    // Adding a row is not an attempt to save.
    fields.push(("more", "row"));
    let more = ada.post(&path, &fields).await.expect(200);
    assert!(more.has("value=\"X-Kept\"") && !more.has("-error\"") && more.has("header-name-2"));
    assert!(ada.get(&format!("{project}/servers")).await.has("No server yet"));
}

#[tokio::test]
async fn a_secret_does_not_follow_a_server_to_another_origin() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let (home, elsewhere) = (shelf().await, shelf().await);
    let secret = [
        ("name", "TOKEN"),
        ("value", "canary-token-value"),
        ("origins", home.origin()),
    ];
    let secrets = format!("{project}/secrets");
    let secret = ada
        .post(&format!("{secrets}/new"), &secret)
        .await
        .expect(303)
        .location();
    let mut fields = typed("shelf", &home.url);
    fields.extend([
        ("header_name", "Authorization"),
        ("header_value", "Bearer"),
        ("header_secret", "TOKEN"),
    ]);
    let path = ada
        .post(&format!("{project}/servers/new"), &fields)
        .await
        .expect(303)
        .location();
    let last = home.received().pop().unwrap();
    assert_eq!(last["authorization"], "Bearer canary-token-value");
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("Authorization: Bearer ${secret:TOKEN}") && !page.has("canary"));

    let edit = ada.get(&format!("{path}/edit")).await.expect(200);
    assert!(edit.has("value=\"Bearer ${secret:TOKEN}\"") && !edit.has("canary"));
    let version = edit.between("name=\"version\" value=\"", "\"");
    let mut moved = typed("shelf", &elsewhere.url);
    moved.push(("version", &version));
    moved.extend([
        ("header_name", "Authorization"),
        ("header_value", "Bearer ${secret:TOKEN}"),
        ("header_secret", ""),
    ]);
    let refused = ada.post(&format!("{path}/edit"), &moved).await.expect(422);
    assert!(refused.has("may not be sent to") && refused.has(&elsewhere.url));
    assert!(elsewhere.received().is_empty(), "nothing was sent there");
    // The way out: its own page, with the origin filled in.
    let way = refused.between("<ul class=\"ways\"><li><a href=\"", "\"");
    assert!(way.starts_with(&secret), "{way}");
    let allow = ada.get(&way).await.expect(200);
    assert!(allow.has("needs it") && allow.has(&format!("\n{}</textarea>", elsewhere.origin())));
    let version = allow.between("name=\"version\" value=\"", "\"");
    let origins = format!("{}\n{}", home.origin(), elsewhere.origin());
    let without = [
        ("version", version.as_str()),
        ("origins", &origins),
        ("value", ""),
    ];
    let refused = ada.post(&secret, &without).await.expect(422);
    assert!(refused.has("id=\"value-error\"") && refused.has(elsewhere.origin()));
    let with = [
        ("version", version.as_str()),
        ("origins", &origins),
        ("value", "canary-again"),
    ];
    ada.post(&secret, &with).await.expect(303);
    ada.post(&format!("{path}/edit"), &moved).await.expect(303);
    assert_eq!(
        elsewhere.received().pop().unwrap()["authorization"],
        "Bearer canary-again"
    );
}

#[tokio::test]
async fn the_slower_person_keeps_what_they_entered_and_undoes_nothing() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    let edit = format!("{path}/edit");
    let version = ada.get(&edit).await.between("name=\"version\" value=\"", "\"");
    let save = async |browser: &mut Browser, name: &str, version: &str| {
        let mut fields = typed("shelf", &server.url);
        fields.retain(|(field, _)| *field != "name");
        fields.extend([("name", name), ("version", version)]);
        browser.post(&edit, &fields).await
    };
    bench.test.clock.advance(std::time::Duration::from_secs(1));
    save(&mut ada, "First", &version).await.expect(303);
    let slower = save(&mut ada, "Second", &version).await.expect(422);
    assert!(slower.has("Someone else saved first") && slower.has("value=\"Second\""));
    assert!(ada.get(&path).await.has("<bdi>First</bdi>"));
    let version = slower.between("name=\"version\" value=\"", "\"");
    save(&mut ada, "Second", &version).await.expect(303);
    assert!(ada.get(&path).await.has("<bdi>Second</bdi>"));
}

#[tokio::test]
async fn a_server_that_a_gateway_names_stays_and_the_gateway_is_named() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    let gateway = ada
        .api(
            "POST",
            &format!("/api/v1{project}/gateways"),
            json!({"name": "Readers", "authentication_mode": "headers", "servers": [id]}),
        )
        .await
        .expect(201)
        .between("\"id\":\"", "\"");
    let link = format!("{project}/gateways/{gateway}");
    let page = ada.get(&path).await.expect(200);
    assert!(page.has(&link) && page.has("Readers"));
    let delete = format!("{path}/delete");
    let asked = ada.get(&delete).await.expect(200);
    assert!(asked.has(&link) && asked.has("A gateway names it"));
    let wrong = ada.post(&delete, &[("confirm_slug", "shelve")]).await.expect(422);
    assert!(wrong.has("id=\"confirm_slug-error\""));
    let refused = ada.post(&delete, &[("confirm_slug", "shelf")]).await;
    assert!(
        refused.status.is_client_error() && refused.has(&link),
        "{}",
        refused.body
    );
    ada.get(&path).await.expect(200);
    let second = add(&mut ada, &project, "unused", &server.url).await;
    let gone = ada
        .post(&format!("{second}/delete"), &[("confirm_slug", "unused")])
        .await
        .expect(303);
    assert_eq!(gone.location(), format!("{project}/servers"));
    ada.get(&second).await.expect(404);
}

#[tokio::test]
async fn servers_are_found_by_a_text_and_none_of_another_project() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let shelf = add(&mut ada, &project, "shelf", &server.url).await;
    add(&mut ada, &project, "archive", &server.url).await;
    let found = ada
        .get(&format!("{project}/servers?search=SHE"))
        .await
        .expect(200);
    assert!(found.has(&shelf) && !found.has("archive"));
    let none = ada
        .get(&format!("{project}/servers?search=%22%3E%3Cb%3E"))
        .await
        .expect(200);
    assert!(none.has("No such server") && !none.has("<b>"));
    ada.post("/projects", &[("name", "Other")]).await.expect(303);
    let other = ada
        .get("/projects")
        .await
        .between("aria-hidden=\"true\">O</span><a href=\"", "\"");
    let stranger = shelf.replace(&project, &other);
    for rest in ["", "/edit", "/delete"] {
        ada.get(&format!("{stranger}{rest}")).await.expect(404);
    }
    ada.post(&format!("{stranger}/check"), &[]).await.expect(404);
    ada.post(&format!("{stranger}/delete"), &[("confirm_slug", "shelf")])
        .await
        .expect(404);
    ada.get(&shelf).await.expect(200);
}

#[tokio::test]
async fn only_who_runs_the_instance_reads_which_project_holds_an_origin() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let url = dead_url().await;
    let new = json!({"slug": "crm", "url": url, "identity": "assertion", "retries": 0});
    ada.create(&format!("{project}/servers"), new.clone()).await;
    let other = ada
        .post("/projects", &[("name", "Other")])
        .await
        .expect(303)
        .location();
    let mut grace = bench.member(&mut ada, &other, "grace@example.com", "admin").await;
    let form = [
        ("url", url.as_str()),
        ("slug", "crm"),
        ("identity", "assertion"),
        ("timeout", "60"),
        ("retries", "0"),
    ];
    let (page, api) = (format!("{other}/servers/new"), format!("/api/v1{other}/servers"));
    for (browser, reads) in [(&mut ada, true), (&mut grace, false)] {
        let refused = [
            browser.post(&page, &form).await.expect(422),
            browser.api("POST", &api, new.clone()).await.expect(422),
        ];
        for refused in refused {
            assert!(
                refused.has("Another project of this instance"),
                "{}",
                refused.body
            );
            assert_eq!(
                refused.has("instance (“Acme”) already"),
                reads,
                "{}",
                refused.body
            );
            assert!(reads || !refused.has("Acme"), "{}", refused.body);
        }
    }
}

#[tokio::test]
async fn the_versions_of_mcp_are_chosen_under_advanced_and_shown_where_they_were() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let server = shelf().await;
    let new = format!("{project}/servers/new");
    let page = ada.get(&new).await.expect(200);
    assert!(
        page.has("<details class=\"more\"><summary>Advanced: versions of MCP"),
        "it is folded"
    );
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    let words = "Versions of MCP that are tried</dt><dd>Sessions only";
    assert!(!ada.get(&path).await.expect(200).has(words));
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    let version = page.between("name=\"version\" value=\"", "\"");
    let mut fields = typed("shelf", &server.url);
    fields.extend([("protocol", "sessions_only"), ("version", version.as_str())]);
    ada.post(&edit, &fields).await.expect(303);
    assert!(ada.get(&path).await.expect(200).has(words));
    let page = ada.get(&edit).await.expect(200);
    assert!(page.has("more\" open><summary>Advanced: versions of MCP"));
}
