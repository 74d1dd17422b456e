//! An instance with an identity provider for administrators, and a browser that goes there and back.

use gatewright_domain::{audit::Origin, member::Role, secret::Secret};
use gatewright_store::PageRequest;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use url::Url;

use crate::{
    Admin,
    account::visitor::Visitor,
    relying_party::testing::{HostileProvider, SECRET},
    service::{
        Authority,
        account_sessions::{self, Begun},
        accounts,
        invitations::{self, NewInvitation},
        setup::{self, NewInstance},
        single_sign_on::{self, Finished, SingleSignOnError},
    },
    testing::TestAdmin,
};

pub const PASSWORD: &str = "violet harbour ninety";

pub struct World {
    pub test: TestAdmin,
    pub provider: HostileProvider,
    pub owner: Begun,
}

/// A browser at the provider: where it was sent, and the cookie it holds.
pub struct Away {
    pub url: Url,
    pub cookie: String,
}

pub fn visitor() -> Visitor {
    Visitor {
        address: [192, 0, 2, 7].into(),
        user_agent: "Browser".to_owned(),
        session: None,
    }
}

impl World {
    pub async fn new() -> Self {
        let provider = HostileProvider::start(1_800_000_000).await;
        let issuer = provider.issuer().to_owned();
        let test = TestAdmin::with(|config| {
            let administrators = &mut config.administrators;
            administrators.oidc_issuer = Some(issuer);
            administrators.oidc_client_id = Some("client-1".to_owned());
            administrators.oidc_client_secret = Some(Secret::new(SECRET));
            administrators.oidc_domains = vec!["Staff.example.com".to_owned()];
        })
        .await;
        let new = NewInstance {
            email: "ada@example.com".to_owned(),
            name: "Ada".to_owned(),
            password: Some(Secret::new(PASSWORD)),
            project: "Acme".to_owned(),
        };
        let link = setup::offer(&test.app).await.unwrap().unwrap();
        let token = link.rsplit('/').next().unwrap();
        let owner = setup::complete(&test.app, &visitor(), token, new).await.unwrap();
        Self {
            test,
            provider,
            owner,
        }
    }

    pub fn app(&self) -> &Admin {
        &self.test.app
    }

    /// What the provider says about the person who comes back.
    pub fn person(&self, sub: &str, email: &str, verified: bool) {
        self.provider.script().claims = json!({"sub": sub, "email": email, "email_verified": verified});
    }

    pub async fn leave(&self, next: &str) -> Away {
        let start = single_sign_on::begin(self.app(), Some(next)).await.unwrap();
        let url = Url::parse(&start.redirect).unwrap();
        let cookie = start
            .set_cookie
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let nonce = url
            .query_pairs()
            .find(|(name, _)| name == "nonce")
            .unwrap()
            .1
            .into_owned();
        self.provider.script().nonce = nonce;
        Away { url, cookie }
    }

    pub async fn come_back(&self, query: &str, cookie: &str) -> Result<Finished, SingleSignOnError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::try_from(cookie).unwrap());
        single_sign_on::finish(self.app(), &visitor(), query, &headers).await
    }

    /// There and back.
    pub async fn sign_in(&self) -> Result<Finished, SingleSignOnError> {
        let away = self.leave("/projects").await;
        let state = away.state();
        self.come_back(&format!("code=code-{}&state={state}", &state[..8]), &away.cookie)
            .await
    }

    pub async fn invite(&self, email: &str) {
        let session = account_sessions::find(self.app(), &self.owner.token)
            .await
            .unwrap()
            .unwrap();
        let project = session.memberships[0].project_id;
        let authority = Authority::of_session(&session, visitor().address, Origin::Dashboard);
        let new = NewInvitation {
            email: email.to_owned(),
            role: Some(Role::Viewer),
        };
        invitations::create(self.app(), &authority, project, new)
            .await
            .unwrap();
    }

    pub async fn accounts(&self) -> usize {
        let page = PageRequest::first(50);
        let operator = Authority::operator(Origin::Cli);
        accounts::list(self.app(), &operator, &page)
            .await
            .unwrap()
            .items
            .len()
    }
}

impl Away {
    pub fn state(&self) -> String {
        self.url
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned()
    }
}
