//! Secrets: stored, changed, deleted, and never seen again.

use super::bench::Bench;

const CANARY: &str = "canary-of-a-secret";

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let list = format!("{project}/secrets");
    assert!(ada.get(&list).await.expect(200).has("No secrets yet"));
    let new = format!("{list}/new");
    // Refused, the form keeps everything but the value.
    let refused = ada
        .post(
            &new,
            &[
                ("name", "not a name"),
                ("value", CANARY),
                ("origins", "example.com"),
            ],
        )
        .await
        .expect(422);
    assert!(refused.has("id=\"name-error\"") && refused.has("id=\"origins-error\""));
    assert!(refused.has("value=\"not a name\"") && refused.has("example.com</textarea>"));
    assert!(!refused.has(CANARY));
    let origins = "https://mcp.example.com\nhttp://10.0.0.5:8000";
    let path = ada
        .post(
            &new,
            &[("name", "API_KEY"), ("value", CANARY), ("origins", origins)],
        )
        .await
        .expect(303)
        .location();
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("${secret:API_KEY}") && page.has("https://mcp.example.com"));
    assert!(page.has("without encryption"), "plain http is told");
    let blank = page.between("<input id=\"value\"", ">");
    assert!(!blank.contains("value=\""), "{blank}");
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let seen = viewer.get(&path).await.expect(200);
    assert!(!seen.between("<main", "</main>").contains("<form"));
    viewer.get(&new).await.expect(403);
    viewer
        .post(
            &path,
            &[("value", "other"), ("origins", "https://evil.example.com")],
        )
        .await
        .expect(403);
    viewer
        .post(&format!("{path}/delete"), &[("confirm_name", "API_KEY")])
        .await
        .expect(403);
    for page in [&list, &path, &format!("{project}/audit")] {
        let page = ada.get(page).await.expect(200);
        assert!(!page.has(CANARY) && !page.has("evil.example.com"));
    }
}

#[tokio::test]
async fn a_blank_value_keeps_the_stored_one_and_the_name_confirms_the_end() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let new = [
        ("name", "API_KEY"),
        ("value", CANARY),
        ("origins", "https://a.example.com"),
    ];
    let path = ada
        .post(&format!("{project}/secrets/new"), &new)
        .await
        .expect(303)
        .location();
    let version = ada.get(&path).await.between("name=\"version\" value=\"", "\"");
    let fields = |origins| [("version", version.as_str()), ("value", ""), ("origins", origins)];
    let refused = ada
        .post(&path, &fields("https://a.example.com https://b.example.com"))
        .await
        .expect(422);
    assert!(refused.has("id=\"value-error\"") && refused.has("https://b.example.com"));
    ada.post(&path, &fields("https://a.example.com"))
        .await
        .expect(303);
    assert!(!ada.get(&format!("{project}/audit")).await.has("Secret updated"));
    let wrong = ada
        .post(&format!("{path}/delete"), &[("confirm_name", "API")])
        .await
        .expect(422);
    assert!(wrong.has("id=\"confirm_name-error\""));
    ada.get(&path).await.expect(200);
    ada.post(&format!("{path}/delete"), &[("confirm_name", "API_KEY")])
        .await
        .expect(303);
    ada.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_secret_in_use_stays_and_the_server_is_named() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let new = [
        ("name", "API_KEY"),
        ("value", CANARY),
        ("origins", "http://127.0.0.1:9"),
    ];
    let path = ada
        .post(&format!("{project}/secrets/new"), &new)
        .await
        .expect(303)
        .location();
    let server = [
        ("slug", "tools"),
        ("url", "http://127.0.0.1:9/mcp"),
        ("timeout", "1"),
        ("retries", "0"),
        ("header_name", "X-Api-Key"),
        ("header_value", ""),
        ("header_secret", "API_KEY"),
    ];
    let server = ada
        .post(&format!("{project}/servers/new"), &server)
        .await
        .expect(303)
        .location();
    for page in [path.clone(), format!("{project}/secrets")] {
        assert!(ada.get(&page).await.expect(200).has(&server), "{page}");
    }
    let refused = ada
        .post(&format!("{path}/delete"), &[("confirm_name", "API_KEY")])
        .await
        .expect(422);
    assert!(refused.has("cannot be deleted") && refused.between("role=\"alert\"", "</ul>").contains(&server));
    ada.get(&path).await.expect(200);
}
