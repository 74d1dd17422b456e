//! What the names of a server's tools begin with, and how clients see them, on the pages of servers.

use serde_json::json;

use super::{
    bench::Bench,
    servers::{add, typed},
};
use crate::testing::servers::TestServer;

#[tokio::test]
async fn a_server_shows_the_names_that_clients_see_where_they_are_others() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let long = "n".repeat(60);
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let server = TestServer::having(json!({
        "tools": [tool("search"), tool("files.read"), tool(&long)],
        "prompts": [{"name": "ask me"}],
    }))
    .await;
    let path = add(&mut ada, &project, "shelf", &server.url).await;
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("<code>shelf_</code>"), "{}", page.body);
    let of = |name: &str| page.between(&format!("<code>{name}</code>"), "</li>");
    assert!(!of("search").contains("lients see"));
    assert!(of("files.read").contains("Clients see <code>files_read_x"));
    assert!(of("files.read").contains("or with a prefix <code>shelf_files_read_x"));
    assert!(of(&long).contains("With a prefix, clients see <code>shelf_nnn"));
    assert!(of("ask me").contains("Clients see <code>ask_me_x"));
}

#[tokio::test]
async fn a_short_prefix_is_entered_under_advanced_and_is_unique_in_the_project() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let tools = json!([{"name": "search", "inputSchema": {"type": "object"}}]);
    let server = TestServer::with(tools).await;
    let new = format!("{project}/servers/new");
    let page = ada.get(&new).await.expect(200);
    assert!(
        page.has("<details class=\"more\"><summary>Advanced: prefix of its tools"),
        "it is folded"
    );
    let mut fields = typed("github", &server.url);
    fields.push(("prefix", "gh"));
    let path = ada.post(&new, &fields).await.expect(303).location();
    assert!(ada.get(&path).await.has("<code>gh_</code>"));
    let edit = format!("{path}/edit");
    let page = ada.get(&edit).await.expect(200);
    assert!(
        page.has("name=\"prefix\" type=\"text\" value=\"gh\"")
            && page.has("more\" open><summary>Advanced: prefix")
    );
    for (slug, prefix, field) in [
        ("other", "gh", "prefix"),
        ("other", "g_h", "prefix"),
        ("gh", "", "slug"),
    ] {
        let mut fields = typed(slug, &server.url);
        fields.push(("prefix", prefix));
        let page = ada.post(&new, &fields).await.expect(422);
        assert!(page.has(&format!("id=\"{field}-error\"")), "{slug} {prefix}");
    }
    let version = page.between("name=\"version\" value=\"", "\"");
    let mut fields = typed("github", &server.url);
    fields.extend([("prefix", ""), ("version", version.as_str())]);
    ada.post(&edit, &fields).await.expect(303);
    assert!(ada.get(&path).await.has("<code>github_</code>"));
}
