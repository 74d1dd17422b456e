//! What these tests share: an instance with its first account, and people who come to it.

use std::net::IpAddr;

use gatewright_domain::{
    audit::{AuditEvent, Origin},
    id::ProjectId,
    member::Role,
    secret::Secret,
};
use gatewright_store::{PageRequest, audit::AuditFilter};

use crate::{
    Admin,
    account::visitor::Visitor,
    service::{
        Authority, ServiceError,
        account_sessions::{self, Begun, Session},
        invitations::{self, NewInvitation},
        setup::{self, NewInstance},
        sign_in::{self, SignInError},
    },
    testing::TestAdmin,
};

pub(super) const OWNER: &str = "ada@example.com";
pub(super) const PASSWORD: &str = "violet harbour ninety";

pub(super) fn page() -> PageRequest {
    PageRequest::first(100)
}

/// Someone who comes from an address of this number, without a cookie.
pub(super) fn visitor(number: u8) -> Visitor {
    Visitor {
        address: IpAddr::from([203, 0, number, 7]),
        user_agent: "Browser".to_owned(),
        session: None,
    }
}

pub(super) fn new_instance(email: &str) -> NewInstance {
    NewInstance {
        email: email.to_owned(),
        name: "Ada".to_owned(),
        password: Some(Secret::new(PASSWORD)),
        project: "Acme".to_owned(),
    }
}

/// The token at the end of a link.
pub(super) fn token_of(link: &str) -> String {
    link.rsplit('/').next().unwrap().to_owned()
}

/// An instance whose first account is Ada, signed in.
pub(super) struct World {
    pub(super) test: TestAdmin,
    pub(super) owner: Begun,
    pub(super) project: ProjectId,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::of(TestAdmin::new().await).await
    }

    pub(super) async fn of(test: TestAdmin) -> Self {
        let link = setup::offer(&test.app).await.unwrap().unwrap();
        let owner = setup::complete(&test.app, &visitor(0), &token_of(&link), new_instance(OWNER))
            .await
            .unwrap();
        let session = account_sessions::find(&test.app, &owner.token)
            .await
            .unwrap()
            .unwrap();
        let project = session.memberships[0].project_id;
        Self { test, owner, project }
    }

    pub(super) fn app(&self) -> &Admin {
        &self.test.app
    }

    /// The session of a cookie at this moment.
    pub(super) async fn session(&self, token: &Secret) -> Option<Session> {
        account_sessions::find(self.app(), token).await.unwrap()
    }

    /// What someone may do at this moment, who must be signed in.
    pub(super) async fn authority(&self, token: &Secret) -> Authority {
        let session = self.session(token).await.expect("a live session");
        Authority::of_session(&session, visitor(0).address, Origin::Dashboard)
    }

    pub(super) async fn as_owner(&self) -> Authority {
        self.authority(&self.owner.token).await
    }

    /// A person who was invited and accepted.
    pub(super) async fn member(&self, email: &str, role: Role) -> Begun {
        let token = self.invite(email, role).await.unwrap();
        invitations::accept_as_newcomer(self.app(), &visitor(1), &token, "Member", &Secret::new(PASSWORD))
            .await
            .unwrap()
    }

    /// The token of a new invitation.
    pub(super) async fn invite(&self, email: &str, role: Role) -> Result<String, ServiceError> {
        let new = NewInvitation {
            email: email.to_owned(),
            role: Some(role),
        };
        let made = invitations::create(self.app(), &self.as_owner().await, self.project, new).await?;
        Ok(token_of(made.link.expose()))
    }

    pub(super) async fn sign_in(&self, email: &str, password: &str) -> Result<Begun, SignInError> {
        self.sign_in_from(&visitor(0), email, password).await
    }

    pub(super) async fn sign_in_from(
        &self,
        from: &Visitor,
        email: &str,
        password: &str,
    ) -> Result<Begun, SignInError> {
        sign_in::with_password(self.app(), from, email, &Secret::new(password)).await
    }

    /// The audit trail of the instance (`None`) or of a project, newest first.
    pub(super) async fn trail(&self, project: Option<ProjectId>) -> Vec<AuditEvent> {
        let mut tx = self.app().gateways().store.read().await.unwrap();
        let filter = AuditFilter::default();
        gatewright_store::audit::list(&mut tx, project, &filter, &page())
            .await
            .unwrap()
            .items
    }

    pub(super) async fn actions(&self, project: Option<ProjectId>) -> Vec<String> {
        let trail = self.trail(project).await;
        trail.into_iter().map(|event| event.action).collect()
    }
}
