//! What a gateway tells people to enter in their clients.

use serde_json::json;

use super::bench::{Bench, Browser};

const CLIENTS: [&str; 7] = [
    "claude-code",
    "claude-desktop",
    "cursor",
    "vs-code",
    "chatgpt",
    "inspector",
    "other",
];

async fn source(ada: &mut Browser, project: &str) -> String {
    let new = json!({
        "name": "Okta production", "issuer": "https://acme.okta.example", "client_id": "gatewright",
        "client_secret": "not-a-real-secret", "skip_validation": true,
    });
    ada.create(&format!("{project}/user-sources"), new).await
}

async fn gateway(ada: &mut Browser, project: &str, new: serde_json::Value) -> String {
    let id = ada.create(&format!("{project}/gateways"), new).await;
    format!("{project}/gateways/{id}/connect")
}

#[tokio::test]
async fn each_mode_shows_what_it_needs_and_where_people_sign_in() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let source = source(&mut ada, &project).await;
    let by_source = json!({"name": "Support agents", "slug": "support", "authentication_mode": "user_source",
        "user_source_id": source});
    let by_source = gateway(&mut ada, &project, by_source).await;
    let by_key = json!({"name": "Batch", "slug": "batch", "authentication_mode": "headers"});
    let by_key = gateway(&mut ada, &project, by_key).await;
    let by_account = json!({"name": "Team", "slug": "team", "authentication_mode": "project_members"});
    let by_account = gateway(&mut ada, &project, by_account).await;
    let url = bench.test.app.config.gateway_url("support");

    let page = ada.get(&by_source).await.expect(200);
    assert!(page.has(&format!("<code id=\"gateway-url\">{url}</code>")));
    assert!(page.has(&format!("claude mcp add --transport http support {url}<")));
    assert!(page.has("Okta production") && page.has("acme.okta.example"));
    assert!(!page.has("YOUR_GATEWAY_KEY"));
    for client in CLIENTS {
        let page = ada.get(&format!("{by_source}?client={client}")).await.expect(200);
        assert!(
            !page.has("YOUR_GATEWAY_KEY") && !page.has("YOUR_USER_ID"),
            "{client}"
        );
        assert!(page.has("aria-current=\"true\""), "{client}");
    }

    let page = ada.get(&by_key).await.expect(200);
    assert!(page.has("--header &#34;Authorization: Bearer YOUR_GATEWAY_KEY&#34;"));
    assert!(page.has(&format!("{project}/api-keys#new")) && page.has("No one signs in."));
    let page = ada.get(&format!("{by_key}?client=chatgpt")).await.expect(200);
    assert!(page.has("ChatGPT cannot use a gateway in Headers mode"));

    let page = ada.get(&by_account).await.expect(200);
    assert!(page.has("with their Gatewright account, which must be a member of Acme"));
    assert!(
        ada.get(&format!("{by_account}?client=nonsense"))
            .await
            .expect(200)
            .has("claude mcp add")
    );
}

#[tokio::test]
async fn what_keeps_clients_out_is_said() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let source = source(&mut ada, &project).await;
    let new = json!({"name": "Closed", "slug": "closed", "authentication_mode": "user_source",
        "user_source_id": source, "status": "inactive",
        "settings": {"dynamic_registration": false}});
    let closed = gateway(&mut ada, &project, new).await;
    let page = ada.get(&format!("{closed}?client=cursor")).await.expect(200);
    assert!(page.has("This gateway is inactive"));
    assert!(page.has("Cursor cannot connect to this gateway"));
    let page = ada.get(&format!("{closed}?client=claude-code")).await.expect(200);
    assert!(
        !page.has("cannot connect to this gateway"),
        "it has a document of its own"
    );
    let new = json!({"name": "Open", "slug": "open", "authentication_mode": "user_source", "user_source_id": source});
    let open = gateway(&mut ada, &project, new).await;
    let page = ada.get(&format!("{open}?client=cursor")).await.expect(200);
    assert!(!page.has("This gateway is inactive") && !page.has("cannot connect to this gateway"));
    assert!(page.has("href=\"cursor://anysphere.cursor-deeplink/mcp/install?name=open&#38;config="));
}

#[tokio::test]
async fn viewers_connect_too_and_other_projects_do_not() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let new = json!({"name": "<script>alert(1)</script>", "slug": "keys", "authentication_mode": "headers"});
    let path = gateway(&mut ada, &project, new).await;
    let mut viewer = bench
        .member(&mut ada, &project, "grace@example.com", "viewer")
        .await;
    let page = viewer.get(&path).await.expect(200);
    assert!(page.has("Ask an owner of the project") && !page.has("api-keys#new"));
    assert!(page.has("Connect &#60;script&#62;alert(1)&#60;/script&#62;") && !page.has("<script>alert"));
    let other = ada
        .post("/projects", &[("name", "Other")])
        .await
        .expect(303)
        .location();
    let swapped = path.replace(&project, &other);
    assert!(ada.get(&swapped).await.expect(404).has("no such gateway"));
    bench.browser().get(&path).await.expect(303);
}
