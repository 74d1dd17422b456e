//! Objects to store: all valid, all different.

use std::time::Duration;

use gatewright_domain::{
    api_key::{ApiKey, KeyScope},
    gateway::{Authentication, Gateway, PrefixMode, TrustedClient},
    grant::{AuthorizationCode, Grant, Person, RefreshToken},
    id::{ApiKeyId, GatewayId, GrantId, ProjectId, SecretId, ServerId, SigningKeyId, UserId, UserSourceId},
    project::Project,
    registration::ClientSecretSlots,
    server::{CustomHeader, IdentityForwarding, ProtocolChoice, Server},
    stored_secret::{SealedText, StoredSecret},
    testing,
    token_hash::TokenHash,
    user::{User, UserKey},
    user_source::UserSource,
};
use gatewright_store::{
    gateway::{self, GatewayWrite},
    grant,
    keys::{SigningPurpose, StoredSigningKey},
    project, server, user, user_source,
};

use crate::world::{World, commit};

/// The short client ID of every grant created here.
pub(crate) const CLIENT: &str = "client-short";

impl World {
    pub(crate) fn new_project(&self) -> Project {
        Project {
            name: format!("Project {}", self.number()),
            ..testing::project(ProjectId::generate(&*self.clock, &*self.entropy), self.now())
        }
    }

    pub(crate) fn new_source(&self, project: ProjectId) -> UserSource {
        let number = self.number();
        UserSource {
            id: UserSourceId::generate(&*self.clock, &*self.entropy),
            name: format!("Source {number}"),
            description: "For the staff".to_owned(),
            client_id: "gatewright".to_owned(),
            client_secret: ClientSecretSlots::fresh(SealedText(format!("v1.k.{number}")), self.now()),
            scopes: vec!["openid".to_owned(), "email".to_owned()],
            verified_at: Some(self.now()),
            ..testing::user_source(project, self.now(), &format!("https://id{number}.example.com/"))
        }
    }

    pub(crate) fn new_server(&self, project: ProjectId) -> Server {
        let number = self.number();
        let (slug, url) = (
            format!("server-{number}"),
            format!("https://mcp{number}.example.com/mcp"),
        );
        Server {
            id: ServerId::generate(&*self.clock, &*self.entropy),
            name: format!("Server {number}"),
            timeout_ms: 30_000,
            retries: 2,
            headers: vec![CustomHeader {
                name: "x-api-key".to_owned(),
                value: "${secret:KEY}".to_owned(),
            }],
            identity: IdentityForwarding::Assertion,
            protocol: ProtocolChoice::SessionsOnly,
            ..testing::server(project, self.now(), &slug, &url)
        }
    }

    pub(crate) fn new_secret(&self, project: ProjectId) -> StoredSecret {
        let number = self.number();
        StoredSecret {
            id: SecretId::generate(&*self.clock, &*self.entropy),
            value: SealedText(format!("v1.k.{number}")),
            origins: vec!["https://api.example.com".to_owned()],
            ..testing::stored_secret(project, self.now(), &format!("KEY_{number}"))
        }
    }

    pub(crate) fn new_gateway(&self, project: ProjectId, source: UserSourceId) -> Gateway {
        let number = self.number();
        let (slug, authentication) = (format!("Gateway-{number}"), Authentication::UserSource(source));
        Gateway {
            id: GatewayId::generate(&*self.clock, &*self.entropy),
            name: format!("Gateway {number}"),
            instructions: "Be kind.".to_owned(),
            server_instructions: true,
            trusted_clients: vec![TrustedClient {
                url: "https://client.example/metadata".to_owned(),
                allow_loopback: true,
            }],
            prefix_mode: PrefixMode::Never,
            ..testing::gateway(project, self.now(), &slug, authentication)
        }
    }

    pub(crate) fn new_user(&self, project: ProjectId, source: UserSourceId) -> User {
        let number = self.number();
        let proposed = testing::user(project, source, self.now(), &format!("subject-{number}"));
        User {
            id: UserId::generate(&*self.clock, &*self.entropy),
            key: UserKey {
                issuer: "https://id.example.com/".to_owned(),
                ..proposed.key
            },
            display_name: Some(format!("Ada {number}")),
            email: Some(format!("ada{number}@example.com")),
            ..proposed
        }
    }

    pub(crate) fn new_key(&self, scope: KeyScope) -> ApiKey {
        let number = self.number();
        ApiKey {
            id: ApiKeyId::generate(&*self.clock, &*self.entropy),
            name: format!("Key {number}"),
            ..testing::api_key(scope, self.now(), &format!("key {number}"))
        }
    }

    pub(crate) fn new_signing_key(&self, purpose: SigningPurpose) -> StoredSigningKey {
        StoredSigningKey {
            id: SigningKeyId::generate(&*self.clock, &*self.entropy),
            purpose,
            private: SealedText(format!("v1.k.{}", self.number())),
            public_jwk: "{}".to_owned(),
            created_at: self.now(),
            retired_at: None,
        }
    }

    pub(crate) fn new_token(&self, grant: &Grant) -> RefreshToken {
        testing::refresh_token(grant.id, self.now(), &format!("refresh {}", self.number()))
    }

    pub(crate) async fn project(&self) -> Project {
        let project = self.new_project();
        commit!(self, tx => project::insert(tx, &project));
        project
    }

    pub(crate) async fn source(&self, project: ProjectId) -> UserSource {
        let source = self.new_source(project);
        commit!(self, tx => user_source::insert(tx, &source));
        source
    }

    pub(crate) async fn server(&self, project: ProjectId) -> Server {
        let server = self.new_server(project);
        commit!(self, tx => server::insert(tx, &server));
        server
    }

    pub(crate) async fn gateway(&self, source: &UserSource) -> Gateway {
        let gateway = self.new_gateway(source.project_id, source.id);
        let written = commit!(self, tx => gateway::insert(tx, &gateway));
        assert_eq!(written, GatewayWrite::Done);
        gateway
    }

    pub(crate) async fn user(&self, source: &UserSource) -> User {
        let mut user = self.new_user(source.project_id, source.id);
        user.key.issuer.clone_from(&source.issuer);
        user.key.claim.clone_from(&source.subject_claim);
        commit!(self, tx => user::sign_in(tx, &user))
    }

    /// A project with an active source, a gateway that uses it and a user who signed in there.
    pub(crate) async fn setting(&self) -> Setting {
        let project = self.project().await;
        let source = self.source(project.id).await;
        let gateway = self.gateway(&source).await;
        let user = self.user(&source).await;
        Setting {
            project,
            source,
            gateway,
            user,
        }
    }
}

/// Where a sign-in takes place.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) project: Project,
    pub(crate) source: UserSource,
    pub(crate) gateway: Gateway,
    pub(crate) user: User,
}

impl Setting {
    /// The user who signed in.
    pub(crate) fn person(&self) -> Person {
        Person::User {
            user_id: self.user.id,
            user_source_id: self.source.id,
            identity_epoch: self.source.identity_epoch,
        }
    }

    pub(crate) fn new_code(&self, world: &World) -> AuthorizationCode {
        AuthorizationCode {
            hash: TokenHash::of(&format!("code {}", world.number())),
            grant_id: GrantId::generate(&*world.clock, &*world.entropy),
            project_id: self.project.id,
            gateway_id: self.gateway.id,
            person: self.person(),
            client_id: "the-client-in-full".to_owned(),
            client_name: "Claude".to_owned(),
            redirect_uri: "http://127.0.0.1:4321/callback".to_owned(),
            code_challenge: "challenge".to_owned(),
            scope: "mcp".to_owned(),
            consent_id: None,
            created_at: world.now(),
            expires_at: world.now().plus(Duration::from_mins(1)),
        }
    }

    pub(crate) fn new_grant(&self, world: &World) -> Grant {
        Grant {
            id: GrantId::generate(&*world.clock, &*world.entropy),
            client_id: CLIENT.to_owned(),
            ends_at: world.now().plus(Duration::from_hours(90 * 24)),
            ..testing::grant(self.project.id, self.gateway.id, world.now(), self.person())
        }
    }

    pub(crate) async fn grant(&self, world: &World) -> Grant {
        let grant = self.new_grant(world);
        commit!(world, tx => grant::insert(tx, &grant));
        grant
    }
}
