//! What the tests of the User Source pages share: a provider that answers, and things that rest on a source.

use std::{
    future::IntoFuture as _,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{Json, Router, routing::get};
use gatewright_domain::{
    audit::Origin,
    gateway::{GatewayStatus, Mode},
    grant::Person,
    id::{GatewayId, ProjectId, UserSourceId},
    testing,
    user_source::UserSource,
};
use serde_json::json;
use tokio::net::TcpListener;

use super::bench::{Bench, Browser};
use crate::service::{
    Authority, gateways,
    gateways::{GatewayPatch, NewGateway},
    user_sources,
};

/// What every source of these tests has as its client secret. It must be in no response.
pub(super) const SECRET: &str = "c4n4ry-secret-of-the-source";

/// A provider with a discovery document and a key.
pub(super) struct Provider {
    pub(super) issuer: String,
    asked: Arc<AtomicU32>,
}

impl Provider {
    /// Serves for as long as the test runs.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "scopes_supported": ["openid", "profile", "email"],
        });
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let discovery = async move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Json(document)
        };
        // The public key of RFC 7517 appendix A.1.
        let keys = json!({"keys": [{
            "kty": "EC", "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }]});
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(async move || Json(keys)));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { issuer, asked }
    }

    /// How often its discovery document was fetched.
    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

fn project(path: &str) -> ProjectId {
    path.trim_start_matches("/projects/").parse().unwrap()
}

/// The fields of a source that is saved without checking.
pub(crate) fn unchecked<'a>(name: &'a str, issuer: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("preset", "okta"),
        ("name", name),
        ("issuer", issuer),
        ("client_id", "client-1"),
        ("client_secret", SECRET),
        ("scopes", "openid profile"),
        ("subject_claim", "sub"),
        ("skip_validation", "yes"),
    ]
}

impl Browser {
    /// Creates a source without checks; the path of its page.
    pub(crate) async fn source(&mut self, project: &str, name: &str) -> String {
        let fields = unchecked(name, "https://login.example.com");
        let path = format!("{project}/user-sources/new");
        self.post(&path, &fields).await.expect(303).location()
    }
}

impl Bench {
    /// A source as it is stored.
    pub(super) async fn stored(&self, path: &str) -> Option<UserSource> {
        let (of, source) = path.split_once("/user-sources/").unwrap();
        let authority = Authority::operator(Origin::Cli);
        let id: UserSourceId = source.parse().unwrap();
        user_sources::find(&self.test.app, &authority, project(of), id)
            .await
            .ok()
    }

    /// An active gateway of a source; its id.
    pub(super) async fn gateway(&self, path: &str, name: &str) -> GatewayId {
        let (of, source) = path.split_once("/user-sources/").unwrap();
        let new = NewGateway {
            name: name.to_owned(),
            authentication_mode: Some(Mode::UserSource),
            user_source_id: Some(source.parse().unwrap()),
            ..NewGateway::default()
        };
        let authority = Authority::operator(Origin::Cli);
        gateways::create(&self.test.app, &authority, project(of), new)
            .await
            .unwrap()
            .id
    }

    /// Takes a gateway out of service.
    pub(super) async fn deactivate_gateway(&self, of: &str, id: GatewayId) {
        let patch = GatewayPatch {
            status: crate::service::Patch::Set(GatewayStatus::Inactive),
            ..GatewayPatch::default()
        };
        let authority = Authority::operator(Origin::Cli);
        let (any, run) = (crate::service::IfMatch::Any, crate::service::effects::Run::Change);
        gateways::update(&self.test.app, &authority, project(of), id, patch, &any, run)
            .await
            .unwrap();
    }

    /// Someone with a live grant at a gateway of a source.
    pub(super) async fn signed_in(&self, path: &str, gateway_id: GatewayId, subject: &str) {
        let (of, source) = path.split_once("/user-sources/").unwrap();
        let (project_id, user_source_id) = (project(of), source.parse().unwrap());
        let (app, now) = (&self.test.app, self.test.app.now());
        let user = testing::user(project_id, user_source_id, now, subject);
        let mut tx = app.gateways().store.write().await.unwrap();
        let user = gatewright_store::user::sign_in(&mut tx, &user).await.unwrap();
        let person = Person::User {
            user_id: user.id,
            user_source_id,
            identity_epoch: 1,
        };
        let grant = testing::grant(project_id, gateway_id, now, person);
        gatewright_store::grant::insert(&mut tx, &grant).await.unwrap();
        tx.commit().await.unwrap();
    }
}
