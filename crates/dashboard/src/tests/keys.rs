//! Keys of a project: bound to a gateway, and rotated.

use axum::body::Body;
use http::{Request, header};
use serde_json::json;

use super::bench::Bench;

#[tokio::test]
async fn a_key_is_bound_to_a_gateway_only_where_its_role_is_for_that() {
    let (_bench, mut ada, project) = Bench::with_ada().await;
    let gateways = format!("/api/v1{project}/gateways");
    let made = ada
        .api(
            "POST",
            &gateways,
            json!({"name": "Agents", "authentication_mode": "headers"}),
        )
        .await
        .expect(201);
    let gateway = made.between("\"id\":\"", "\"");
    let keys = format!("{project}/api-keys");
    assert!(ada.get(&keys).await.has("Only Agents"));
    let fields = |role| {
        [
            ("name", "k"),
            ("role", role),
            ("gateway_id", gateway.as_str()),
            ("life", ""),
        ]
    };
    let refused = ada.post(&keys, &fields("admin")).await.expect(422);
    assert!(refused.has("id=\"gateway_id-error\"") && !refused.has("id=\"api-key\""));
    let created = ada.post(&keys, &fields("gateway")).await.expect(200);
    assert!(created.has("id=\"api-key\"") && created.has("<small>Only <bdi>Agents</bdi></small>"));
    let unknown = format!("gw_{}", "0".repeat(32));
    for wrong in [unknown.as_str(), "nonsense"] {
        let fields = [
            ("name", "k"),
            ("role", "gateway"),
            ("gateway_id", wrong),
            ("life", ""),
        ];
        let refused = ada.post(&keys, &fields).await.expect(422);
        assert!(refused.has("id=\"gateway_id-error\"") && refused.has("There is no gateway with this ID"));
    }
}

#[tokio::test]
async fn a_key_is_rotated_by_owners_of_its_project_only() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let keys = format!("{project}/api-keys");
    let made = ada
        .post(
            &keys,
            &[("name", "Build machine"), ("role", "viewer"), ("life", "")],
        )
        .await
        .expect(200);
    let first = made.between("<code id=\"api-key\">", "</code>");
    let rotate = made.between("class=\"ask\" method=\"post\" action=\"", "\"");
    assert!(rotate.starts_with(&keys) && rotate.ends_with("/rotate"));
    for role in ["viewer", "admin"] {
        let email = format!("{role}@example.com");
        let mut member = bench.member(&mut ada, &project, &email, role).await;
        let refused = member.post(&rotate, &[("overlap", "0")]).await.expect(403);
        assert!(!refused.has("gwk_"), "{role}");
    }
    ada.post("/projects", &[("name", "Other")]).await.expect(303);
    let other = ada
        .get("/projects")
        .await
        .between("aria-hidden=\"true\">O</span><a href=\"", "\"");
    let stranger = rotate.replace(&project, &other);
    ada.post(&stranger, &[("overlap", "0")]).await.expect(404);
    let rotated = ada.post(&rotate, &[("overlap", "0")]).await.expect(200);
    assert_ne!(rotated.between("<code id=\"api-key\">", "</code>"), first);
    assert!(rotated.has("has stopped working") && rotated.has("Replaced"));
    let again = ada.post(&rotate, &[("overlap", "0")]).await.expect(422);
    assert!(again.has("was rotated before") && !again.has("id=\"api-key\""));
}

#[tokio::test]
async fn the_keys_that_a_key_made_are_found_from_its_row() {
    let (bench, mut ada, project) = Bench::with_ada().await;
    let keys = format!("{project}/api-keys");
    let key = [("name", "Builder"), ("role", "owner"), ("life", "")];
    let made = ada.post(&keys, &key).await.expect(200);
    let text = made.between("<code id=\"api-key\">", "</code>");
    let mut program = bench.browser();
    let request = Request::post(format!("/api/v1{keys}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {text}"));
    let body = json!({"name": "Child of it", "role": "viewer"}).to_string();
    program.send(request, Body::from(body)).await.expect(201);
    let key = [("name", "Another"), ("role", "viewer"), ("life", "")];
    let page = ada.post(&keys, &key).await.expect(200);
    assert!(page.has("Keys that it created keep"));
    assert_eq!(
        page.body.matches("Keys it made").count(),
        1,
        "only an owner's may"
    );
    let id = page.between("/audit?actor=", "&#38;action=api_key.created\">Keys it made</a>");
    let link = format!("{project}/audit?actor={id}&action=api_key.created");
    let found = ada.get(&link).await.expect(200);
    let list = found.between("aria-label=\"Events\"", "</section>");
    assert!(
        list.contains("Child of it") && !list.contains("Another"),
        "{list}"
    );
}
