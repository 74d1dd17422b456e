//! Entities as tests begin with them: valid, plain, and changed by each test if it matters.

use std::time::Duration;

use crate::{
    Clock as _, Timestamp,
    api_key::{ApiKey, KeyScope},
    clock::FixedClock,
    entropy::SystemEntropy,
    gateway::{Authentication, Gateway},
    grant::{Grant, Person, RefreshToken},
    id::{ApiKeyId, GatewayId, GrantId, ProjectId, SecretId, ServerId, UserId, UserSourceId},
    project::Project,
    registration::ClientSecretSlots,
    server::Server,
    stored_secret::{SealedText, StoredSecret},
    token_hash::TokenHash,
    user::{User, UserKey, UserStatus},
    user_source::UserSource,
};

/// A clock that stays at one moment, for IDs of that moment.
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

/// A server of a project, which does not learn who its users are.
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

/// A secret of a project for `https://mcp.example.com`, with a value that no key opens.
pub fn stored_secret(project_id: ProjectId, at: Timestamp, name: &str) -> StoredSecret {
    StoredSecret {
        id: SecretId::generate(&at_moment(at), &SystemEntropy),
        project_id,
        name: name.to_owned(),
        value: SealedText("v1.none.none".to_owned()),
        origins: vec!["https://mcp.example.com".to_owned()],
        created_at: at,
        updated_at: at,
    }
}

/// A user who signs in for the first time, whom a source knows by this `sub`.
pub fn user(project_id: ProjectId, user_source_id: UserSourceId, at: Timestamp, subject: &str) -> User {
    User {
        id: UserId::generate(&at_moment(at), &SystemEntropy),
        project_id,
        key: UserKey {
            user_source_id,
            issuer: "https://login.example.com".to_owned(),
            claim: "sub".to_owned(),
            subject: subject.to_owned(),
        },
        display_name: None,
        email: None,
        status: UserStatus::Active,
        first_sign_in_at: at,
        last_sign_in_at: at,
    }
}

/// A grant of a person at a gateway to the client `client`, live for a day.
pub fn grant(project_id: ProjectId, gateway_id: GatewayId, at: Timestamp, person: Person) -> Grant {
    Grant {
        id: GrantId::generate(&at_moment(at), &SystemEntropy),
        project_id,
        gateway_id,
        person,
        client_id: "client".to_owned(),
        client_name: "Claude".to_owned(),
        scope: "mcp".to_owned(),
        destination: Some("claude.ai".to_owned()),
        begun_with_key: false,
        created_at: at,
        ends_at: at.plus(Duration::from_hours(24)),
        last_used_at: at,
        revoked: None,
    }
}

/// A key with this text that does not expire.
pub fn api_key(scope: KeyScope, at: Timestamp, text: &str) -> ApiKey {
    ApiKey {
        id: ApiKeyId::generate(&at_moment(at), &SystemEntropy),
        scope,
        name: "Key".to_owned(),
        hash: TokenHash::of(text),
        expires_at: None,
        created_at: at,
        last_used_at: None,
        revoked_at: None,
        successor_id: None,
    }
}

/// The first refresh token of a grant, with this text, for a month.
pub fn refresh_token(grant_id: GrantId, at: Timestamp, text: &str) -> RefreshToken {
    RefreshToken {
        hash: TokenHash::of(text),
        grant_id,
        generation: Some(1),
        created_at: at,
        expires_at: at.plus(Duration::from_hours(30 * 24)),
        used_at: None,
        successor: None,
    }
}
