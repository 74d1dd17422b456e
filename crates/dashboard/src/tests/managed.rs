//! Pages say which file manages what they show.

use gatewright_admin::operator::declared::{
    Options, References, SecretsOfProcess, apply, export, plan, read,
};
use gatewright_domain::audit::Origin;
use serde_json::json;

use super::bench::Bench;
use crate::service::Authority;

#[tokio::test]
async fn pages_say_which_file_manages_what_they_show_and_that_it_was_changed_since() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let new = json!({"slug": "shelf", "url": "https://shelf.example/mcp"});
    let server = ada.create(&format!("{project}/servers"), new).await;
    let new = json!({
        "name": "Okta", "issuer": "https://okta.example", "client_id": "c", "client_secret": "s", "skip_validation": true,
    });
    let source = ada.create(&format!("{project}/user-sources"), new).await;
    let new = json!({"name": "Agents", "slug": "agents", "authentication_mode": "headers"});
    let gateway = ada.create(&format!("{project}/gateways"), new).await;
    let pages = [
        format!("{project}/servers/{server}"),
        format!("{project}/user-sources/{source}"),
        format!("{project}/gateways/{gateway}"),
        format!("{project}/settings"),
    ];
    for page in &pages {
        assert!(!ada.get(page).await.expect(200).has("Managed by"), "{page}");
    }

    let operator = Authority::operator(Origin::Cli);
    let exported = export(&bench.test.app, &operator, None, References::Existing)
        .await
        .unwrap();
    let mut read = read("git/<acme>.yaml", ".".as_ref(), &exported[0].text).unwrap();
    let (declaration, options) = (read.remove(0), Options::default());
    let plan = plan(
        &bench.test.app,
        &operator,
        &declaration,
        &SecretsOfProcess::default(),
        options,
    )
    .await
    .unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
    apply(
        &bench.test.app,
        &operator,
        &declaration,
        &SecretsOfProcess::default(),
        options,
        &plan,
    )
    .await
    .unwrap();
    for page in &pages {
        let answer = ada.get(page).await.expect(200);
        let text = "Managed by <code><bdi>git/&#60;acme&#62;.yaml</bdi></code>";
        assert!(
            answer.has(text) && !answer.has("It was changed here since."),
            "{page}: {}",
            answer.body
        );
    }

    let path = format!("/api/v1{project}/servers/{server}");
    ada.api("PATCH", &path, json!({"timeout_ms": 500}))
        .await
        .expect(200);
    assert!(
        ada.get(&pages[0])
            .await
            .expect(200)
            .has("It was changed here since.")
    );
}
