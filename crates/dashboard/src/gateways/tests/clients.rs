//! The OAuth clients of a gateway: blocked, unblocked, pre-registered.

use gatewright_domain::gateway::Mode;

use super::{
    bench::gateway,
    editing::{clients_of, sign_in},
};
use crate::{service::gateways::NewGateway, tests::bench::Bench};

const CLIENT: &str = "cli_0192f0c1a2b37c4d8e5f60718293a4b5";

async fn begin() -> (
    Bench,
    crate::tests::bench::Browser,
    String,
    gatewright_domain::gateway::Gateway,
) {
    let (bench, ada, project) = Bench::with_ada().await;
    let new = NewGateway {
        name: "Office".to_owned(),
        authentication_mode: Some(Mode::ProjectMembers),
        ..NewGateway::default()
    };
    let made = gateway(&bench, &project, new).await;
    let path = format!("{project}/gateways/{}/clients", made.id);
    (bench, ada, path, made)
}

#[tokio::test]
async fn a_client_is_blocked_and_unblocked() {
    let (bench, mut ada, path, made) = begin().await;
    assert!(ada.get(&path).await.expect(200).has("No client yet"));
    sign_in(&bench, &made, CLIENT).await;
    sign_in(&bench, &made, CLIENT).await;
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("Some &#60;b&#62;client") && !page.has("<b>client"));
    assert!(page.has("Its 2 sessions end with the next request"));
    let wrong = ada
        .post(&format!("{path}/block"), &[("client_id", "nonsense")])
        .await
        .expect(422);
    assert!(wrong.has("cli_…"));
    assert_eq!(clients_of(&bench, &made).await.len(), 1);
    ada.post(&format!("{path}/block"), &[("client_id", CLIENT)])
        .await
        .expect(303);
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("The client is blocked.") && page.has(">Unblock<"));
    assert!(clients_of(&bench, &made).await.is_empty());
    let again = ada
        .post(&format!("{path}/block"), &[("client_id", CLIENT)])
        .await
        .expect(422);
    assert!(again.has("blocked at this gateway already"));
    let unblock = page.between("class=\"actions\" method=\"post\" action=\"", "\"");
    ada.post(&unblock, &[]).await.expect(303);
    assert!(!ada.get(&path).await.has(">Unblock<"));
    ada.post(&unblock, &[]).await.expect(404);
}

#[tokio::test]
async fn a_registered_clients_secret_is_shown_once() {
    let (_bench, mut ada, path, _) = begin().await;
    let wrong = [
        ("name", ""),
        ("redirect_uris", "javascript:alert(1)"),
        ("token_endpoint_auth_method", "none"),
    ];
    let page = ada.post(&path, &wrong).await.expect(422);
    assert!(
        page.has("id=\"name-error\"")
            && page.has("id=\"redirect_uris-error\"")
            && page.has("javascript:alert(1)")
    );
    let public = [
        ("name", "Desk <b>app</b>"),
        (
            "redirect_uris",
            "http://127.0.0.1/callback\r\nhttps://app.example/cb",
        ),
        ("token_endpoint_auth_method", "none"),
    ];
    let page = ada.post(&path, &public).await.expect(200);
    assert!(page.has("It has no secret.") && !page.has("id=\"client-secret\"") && !page.has("<b>app"));
    let confidential = [
        ("name", "Portal"),
        ("redirect_uris", "https://portal.example/cb"),
        ("token_endpoint_auth_method", "client_secret_basic"),
    ];
    let page = ada.post(&path, &confidential).await.expect(200);
    let secret = page.between("<code id=\"client-secret\">", "</code>");
    let list = ada.get(&path).await.expect(200);
    assert!(list.has("Portal") && list.has("https://portal.example/cb") && !list.has(&secret));
    let rotate = list.between(
        "New secret…</summary>\n<form class=\"ask\" method=\"post\" action=\"",
        "\"",
    );
    let page = ada.post(&rotate, &[]).await.expect(200);
    assert_ne!(page.between("<code id=\"client-secret\">", "</code>"), secret);
    ada.post(&rotate.replace("/secret", "/delete"), &[])
        .await
        .expect(303);
    let list = ada.get(&path).await.expect(200);
    assert!(!list.has("Portal") && list.has("Its sessions have ended."));
}
