//! Entities as tests begin with them: valid, plain, and changed by each test where it matters.

use crate::{
    Clock as _, Timestamp,
    clock::FixedClock,
    entropy::SystemEntropy,
    gateway::{Authentication, Gateway},
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
    project::Project,
    registration::ClientSecretSlots,
    server::Server,
    stored_secret::SealedText,
    user_source::UserSource,
};

/// A clock that stands at a moment, for IDs of that moment.
fn at_moment(at: Timestamp) -> FixedClock {
    let clock = FixedClock::at_seconds(at.as_seconds());
    let whole = clock.now();
    clock.advance(at.since(whole));
    clock
}

/// A project of this ID.
pub fn project(id: ProjectId, at: Timestamp) -> Project {
    Project::new(id, "Project".to_owned(), at)
}

/// A source of this issuer in a project, with a secret that no key opens.
pub fn user_source(project_id: ProjectId, at: Timestamp, issuer: &str) -> UserSource {
    let id = UserSourceId::generate(&at_moment(at), &SystemEntropy);
    let secret = ClientSecretSlots::fresh(SealedText("v1.none.none".to_owned()), at);
    UserSource {
        name: "Provider".to_owned(),
        issuer: issuer.to_owned(),
        client_id: "client-1".to_owned(),
        scopes: vec!["openid".to_owned()],
        subject_claim: "sub".to_owned(),
        ..UserSource::blank(id, project_id, secret, at)
    }
}

/// A server of a project, which is not told who its users are.
pub fn server(project_id: ProjectId, at: Timestamp, slug: &str, url: &str) -> Server {
    Server {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        url: url.to_owned(),
        timeout_ms: 5_000,
        retries: 0,
        ..Server::blank(ServerId::generate(&at_moment(at), &SystemEntropy), project_id, at)
    }
}

/// An active gateway of a project, which offers everything of all its servers.
pub fn gateway(project_id: ProjectId, at: Timestamp, slug: &str, authentication: Authentication) -> Gateway {
    let id = GatewayId::generate(&at_moment(at), &SystemEntropy);
    Gateway {
        name: format!("Tools of {slug}"),
        slug: slug.to_owned(),
        authentication,
        ..Gateway::blank(id, project_id, at)
    }
}
