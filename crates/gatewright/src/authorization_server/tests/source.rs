//! The User Source of the tests, and the little of its provider that they need.

use axum::{Json, Router, routing::get};
use gatewright_domain::{
    Timestamp,
    clock::FixedClock,
    entropy::SystemEntropy,
    id::{ProjectId, UserSourceId},
    stored_secret::SealedText,
    user_source::{Callback, ClientAuthentication, ClientSecretSlots, UserSource, UserSourceStatus},
};
use serde_json::json;

/// A source of this issuer, with a secret that no key opens.
pub(super) fn source(project_id: ProjectId, at: Timestamp, issuer: &str) -> UserSource {
    UserSource {
        id: UserSourceId::generate(&FixedClock::at_seconds(at.as_seconds()), &SystemEntropy),
        project_id,
        name: "Provider".to_owned(),
        description: String::new(),
        issuer: issuer.to_owned(),
        client_id: "client-1".to_owned(),
        client_secret: ClientSecretSlots {
            current: SealedText("v1.none.none".to_owned()),
            previous: None,
            changed_at: at,
            confirmed_at: None,
            refused_at: None,
        },
        client_authentication: ClientAuthentication::default(),
        scopes: vec!["openid".to_owned()],
        subject_claim: "sub".to_owned(),
        callback: Callback::Shared,
        status: UserSourceStatus::Active,
        identity_epoch: 1,
        verified_at: None,
        last_test: None,
        created_at: at,
        updated_at: at,
    }
}

/// A provider that can be discovered and nothing else; gives its issuer.
pub(super) async fn provider() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    let answer = move || async move { Json(document) };
    let router = Router::new().route("/.well-known/openid-configuration", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}
