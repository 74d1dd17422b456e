//! What the tests of users and sign-ins share: a gateway, its source, and people who have signed in.

use std::time::Duration;

use axum::body::Body;
use gatewright_domain::{
    grant::{Grant, Person},
    id::{AttemptId, GatewayId, GrantId, ProjectId, UserId, UserSourceId},
    reference::Reference,
    sign_in_attempt::{AttemptHead, Step, StepRecord},
    testing,
    user::{User, UserKey},
};
use http::Request;
use serde_json::{Value, json};

use super::bench::{Bench, Browser};

/// A project with a gateway whose users come from a source.
pub(super) struct People {
    pub(super) bench: Bench,
    /// Its owner.
    pub(super) ada: Browser,
    /// The path of the project.
    pub(super) project: String,
    pub(super) source: UserSourceId,
    pub(super) gateway: GatewayId,
}

impl People {
    pub(super) async fn new() -> Self {
        let (bench, mut ada, project) = Bench::with_ada().await;
        let source = json!({
            "name": "Okta production", "issuer": "https://login.example.com", "client_id": "gatewright",
            "client_secret": "not-a-real-secret", "skip_validation": true,
        });
        let source = create(&mut ada, &format!("{project}/user-sources"), &source).await;
        let gateway = json!({
            "name": "Support agents", "authentication_mode": "user_source", "user_source_id": source,
        });
        let gateway = create(&mut ada, &format!("{project}/gateways"), &gateway).await;
        Self {
            bench,
            ada,
            source: source.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
            project,
        }
    }

    pub(super) fn project_id(&self) -> ProjectId {
        self.project.trim_start_matches("/projects/").parse().unwrap()
    }

    /// A user who has signed in.
    pub(super) async fn user(&self, subject: &str, name: &str) -> UserId {
        self.user_by("sub", subject, name).await
    }

    /// A user who has signed in and is known by this claim.
    pub(super) async fn user_by(&self, claim: &str, subject: &str, name: &str) -> UserId {
        let app = &self.bench.test.app;
        self.bench.test.clock.advance(Duration::from_millis(1));
        let proposed = testing::user(self.project_id(), self.source, app.now(), subject);
        let user = User {
            key: UserKey {
                claim: claim.to_owned(),
                ..proposed.key
            },
            display_name: Some(name.to_owned()),
            email: Some(format!("{subject}@example.com")),
            ..proposed
        };
        let mut tx = app.gateways().store.write().await.unwrap();
        let user = gatewright_store::user::sign_in(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        user.id
    }

    /// A session of a user at the gateway.
    pub(super) async fn session(&self, user: UserId, client: &str) -> GrantId {
        let app = &self.bench.test.app;
        let person = Person::User {
            user_id: user,
            user_source_id: self.source,
            identity_epoch: 1,
        };
        let grant = Grant {
            client_name: client.to_owned(),
            ..testing::grant(self.project_id(), self.gateway, app.now(), person)
        };
        let mut tx = app.gateways().store.write().await.unwrap();
        gatewright_store::grant::insert(&mut tx, &grant).await.unwrap();
        tx.commit().await.unwrap();
        grant.id
    }

    /// An attempt to sign in that comes as far as the ID token, and there fails for this reason or goes well.
    pub(super) fn attempt(&self, user: Option<UserId>, reason: Option<&str>) -> (AttemptId, Reference) {
        let app = &self.bench.test.app;
        self.bench.test.clock.advance(Duration::from_millis(1));
        let id = AttemptId::generate(app.clock.as_ref(), app.entropy.as_ref());
        let reference = crate::request::RequestId::next().reference();
        let head = AttemptHead {
            id,
            project_id: self.project_id(),
            gateway_id: self.gateway,
            user_source_id: Some(self.source),
            reference: Some(reference),
            client_id: "client".to_owned(),
            client_name: "Claude <b>Code</b>".to_owned(),
            started_at: app.now(),
        };
        let before = vec![StepRecord::done(Step::Authorize, app.now())];
        let trace = app.gateways().sign_in_trace.begin(head, before);
        trace.enter(Step::Redirect);
        self.bench.test.clock.advance(Duration::from_millis(1_250));
        if let Some(user) = user {
            trace.is_of(user);
        }
        match reason {
            Some(reason) => trace.fail(Step::IdToken, reason, "Compare the client id."),
            None => trace.succeed(),
        }
        (id, reference)
    }
}

/// Creates a thing through the API, with the session of a browser; its id.
pub(super) async fn create(browser: &mut Browser, path: &str, thing: &Value) -> String {
    let request = Request::post(format!("/api/v1{path}"))
        .header("content-type", "application/json")
        .header("sec-fetch-site", "same-origin");
    let answer = browser
        .send(request, Body::from(thing.to_string()))
        .await
        .expect(201);
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    made["id"].as_str().unwrap().to_owned()
}
