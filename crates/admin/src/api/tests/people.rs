//! People in browsers, for tests of the API: the first account of an instance, and those it invites.

use axum::http::Method;
use gatewright_domain::secret::Secret;
use serde_json::{Value, json};

use super::bench::{Answer, Bench};
use crate::{
    account::visitor::Visitor,
    service::{
        account_sessions::Begun,
        invitations,
        setup::{self, NewInstance},
        sign_in,
    },
};

pub(super) const PASSWORD: &str = "violet harbour ninety";

/// A signed-in browser.
pub(super) struct Browser(pub(super) String);

impl Browser {
    pub(super) fn of(begun: &Begun) -> Self {
        Self(format!("gatewright-session={}", begun.token.expose()))
    }

    /// A request as a page of this instance makes it.
    pub(super) async fn send(
        &self,
        bench: &Bench,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let headers = [("cookie", self.0.as_str()), ("sec-fetch-site", "same-origin")];
        bench.with(method, path, None, &headers, body).await
    }

    pub(super) async fn get(&self, bench: &Bench, path: &str) -> Answer {
        self.send(bench, Method::GET, path, None).await
    }
}

pub(super) fn visitor() -> Visitor {
    Visitor {
        address: [127, 0, 0, 1].into(),
        user_agent: "Browser".to_owned(),
        session: None,
    }
}

/// The first account of an instance, and its project.
pub(super) async fn first(bench: &Bench) -> (Browser, String) {
    let link = setup::offer(&bench.app).await.unwrap().unwrap();
    let new = NewInstance {
        email: "ada@example.com".to_owned(),
        name: "Ada".to_owned(),
        password: Some(Secret::new(PASSWORD)),
        project: "Acme".to_owned(),
    };
    let token = link.rsplit('/').next().unwrap();
    let begun = setup::complete(&bench.app, &visitor(), token, new).await.unwrap();
    let browser = Browser::of(&begun);
    let projects = browser.get(bench, "/account/memberships").await.expect(200);
    let project = projects.body["items"][0]["project_id"]
        .as_str()
        .unwrap()
        .to_owned();
    (browser, project)
}

/// Someone whom an owner has invited and who has accepted.
pub(super) async fn invited(
    bench: &Bench,
    owner: &Browser,
    project: &str,
    email: &str,
    role: &str,
) -> Browser {
    let new = json!({"email": email, "role": role});
    let path = format!("/projects/{project}/invitations");
    let made = owner
        .send(bench, Method::POST, &path, Some(new))
        .await
        .expect(201);
    accepted(bench, &made.text("link")).await
}

/// Accepts an invitation as someone who has no account yet.
pub(super) async fn accepted(bench: &Bench, link: &str) -> Browser {
    let token = link.rsplit('/').next().unwrap();
    let password = Secret::new(PASSWORD);
    let begun = invitations::accept_as_newcomer(&bench.app, &visitor(), token, "Grace", &password)
        .await
        .unwrap();
    Browser::of(&begun)
}

/// Signs in again with the password that everyone has here.
pub(super) async fn signed_in(bench: &Bench, email: &str) -> Browser {
    let begun = sign_in::with_password(&bench.app, &visitor(), email, &Secret::new(PASSWORD))
        .await
        .unwrap();
    Browser::of(&begun)
}
