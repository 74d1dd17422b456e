//! What is known about providers and clients of others, as it is served.

use serde_json::json;

use super::bench::Bench;

#[tokio::test]
async fn presets_name_the_redirect_url_of_this_instance() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    for key in [&acme.viewer, &bench.instance] {
        let answer = bench.get(key, "/provider-presets").await.expect(200);
        let presets = answer.body["items"].as_array().unwrap();
        assert_eq!(presets.len(), 8);
        assert_eq!(answer.body["next_cursor"], json!(null));
        for preset in presets {
            let steps = preset["steps"].to_string();
            assert!(steps.contains(&bench.app.config.callback_url()), "{steps}");
            assert!(!steps.contains("{redirect_url}"), "{steps}");
        }
    }
    bench.get(&acme.gateway, "/provider-presets").await.expect(403);
}

#[tokio::test]
async fn known_clients_can_be_trusted_as_they_are_and_loopback_comes_with_a_warning() {
    let bench = Bench::new().await;
    let acme = bench.tenant("Acme").await;
    let answer = bench.get(&acme.viewer, "/known-clients").await.expect(200);
    let clients = answer.body["items"].as_array().unwrap();
    let names: Vec<_> = clients
        .iter()
        .map(|client| client["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Claude", "Claude Code", "VS Code"]);
    for client in clients {
        assert_eq!(
            client["redirect"] == "loopback",
            client["warning"].is_string(),
            "{client}"
        );
    }
    let trusted: Vec<_> = clients
        .iter()
        .map(|client| json!({"url": client["url"]}))
        .collect();
    let source = acme.source(&bench, "Okta").await;
    let gateway = acme.gateway_of(&bench, &source, "Agents", "active").await;
    let path = acme.path(&format!("gateways/{gateway}"));
    let change = json!({"trusted_clients": trusted});
    let saved = bench.patch(&acme.admin, &path, change).await.expect(200);
    assert_eq!(saved.body["trusted_clients"].as_array().unwrap().len(), 3);
}
