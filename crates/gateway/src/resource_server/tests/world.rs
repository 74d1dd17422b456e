//! An instance with a User Source, two gateways of it, one in Headers mode, and a server that says what it received.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::{
    Clock as _, Entropy, Timestamp,
    api_key::{self, ApiKey, KeyRole, KeyScope},
    clock::FixedClock,
    entropy::SystemEntropy,
    gateway::Authentication,
    grant::{Grant, Person},
    id::{GatewayId, GrantId, ProjectId, UserId},
    secret::Secret,
    server::{CustomHeader, IdentityForwarding, Server},
    testing,
    user::{User, UserKey},
    user_source::UserSource,
};
use gatewright_store::{Tx, gateway, grant, project, revision, server, user, user_source};
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::{
    Gateways,
    config::Config,
    front::{Front, RecordedBody},
    keys::AccessClaims,
    relying_party::testing::user_source as source,
    resource_server::testing::{Upstream, upstream},
};

pub(super) const PUBLIC_URL: &str = "http://127.0.0.1:8080";

pub(super) struct World {
    pub(super) app: Arc<Gateways>,
    pub(super) clock: Arc<FixedClock>,
    pub(super) project: ProjectId,
    pub(super) source: UserSource,
    pub(super) upstream: Arc<Upstream>,
    front: Front,
    _folder: tempfile::TempDir,
}

/// A token of a user at a gateway, and what it hangs on.
pub(super) struct SignedIn {
    pub(super) token: String,
    pub(super) user: UserId,
    pub(super) grant: GrantId,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With changes to the configuration.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
        let mut config = Config::default();
        config.database.data_dir = folder.path().to_owned();
        config.server.public_url = PUBLIC_URL.to_owned();
        change(&mut config);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let app = Gateways::build(config, clock.clone(), entropy).await.unwrap();
        let at = clock.now();
        let project = ProjectId::generate(clock.as_ref(), &SystemEntropy);
        let source = source(project, at, "https://id.example");
        let (url, upstream) = upstream().await;
        let world = Self {
            front: crate::testing::front(app.clone()),
            app,
            clock,
            project,
            source,
            upstream,
            _folder: folder,
        };
        let row = testing::project(project, at);
        let mut tx = world.app.store.write().await.unwrap();
        project::insert(&mut tx, &row).await.unwrap();
        user_source::insert(&mut tx, &world.source).await.unwrap();
        server::insert(&mut tx, &world.server(&url)).await.unwrap();
        let by_source = Authentication::UserSource(world.source.id);
        for (slug, authentication) in [
            ("acme", by_source),
            ("other", by_source),
            ("keys", Authentication::Headers),
        ] {
            world.insert_gateway(&mut tx, slug, authentication).await;
        }
        world.commit(tx).await;
        world
    }

    /// Commits a change of the configuration and takes it up.
    pub(super) async fn commit(&self, mut tx: Tx) {
        revision::bump(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        self.app.refresh_directory().await.unwrap();
    }

    async fn insert_gateway(&self, tx: &mut Tx, slug: &str, authentication: Authentication) {
        let at = self.clock.now();
        let row = testing::gateway(self.project, at, slug, authentication);
        gateway::insert(tx, &row).await.unwrap();
    }

    fn server(&self, url: &str) -> Server {
        let at = self.clock.now();
        Server {
            name: "Told".to_owned(),
            headers: vec![CustomHeader {
                name: "x-team".to_owned(),
                value: "blue".to_owned(),
            }],
            identity: IdentityForwarding::Assertion,
            ..testing::server(self.project, at, "told", url)
        }
    }

    pub(super) fn gateway_id(&self, slug: &str) -> GatewayId {
        let directory = self.app.directory.current().unwrap();
        directory.gateway(slug).unwrap().gateway.id
    }

    /// Signs a user in at a gateway, as the authorization server would.
    pub(super) async fn sign_in(&self, slug: &str, subject: &str) -> SignedIn {
        let now = self.clock.now();
        let gateway_id = self.gateway_id(slug);
        let mut tx = self.app.store.write().await.unwrap();
        let user = user::sign_in(&mut tx, &self.user(subject)).await.unwrap();
        let person = Person::User {
            user_id: user.id,
            user_source_id: self.source.id,
            identity_epoch: self.source.identity_epoch,
        };
        let row = Grant {
            client_id: "client-1".to_owned(),
            client_name: "Example".to_owned(),
            ..testing::grant(self.project, gateway_id, now, person)
        };
        grant::insert(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        SignedIn {
            token: self.app.signing.sign_access_token(&self.claims(slug, &row)),
            user: user.id,
            grant: row.id,
        }
    }

    pub(super) fn claims(&self, slug: &str, grant: &Grant) -> AccessClaims {
        let now = self.clock.now();
        let url = self.app.config.gateway_url(slug);
        AccessClaims {
            iss: url.clone(),
            aud: url,
            person: grant.person,
            client_id: grant.client_id.clone(),
            iat: now.as_seconds(),
            exp: now.plus(Duration::from_hours(1)).as_seconds(),
            jti: "1".to_owned(),
            scope: grant.scope.clone(),
            gateway: grant.gateway_id,
            grant: grant.id,
            generation: None,
        }
    }

    fn user(&self, subject: &str) -> User {
        let proposed = testing::user(self.project, self.source.id, self.clock.now(), subject);
        User {
            key: UserKey {
                issuer: self.source.issuer.clone(),
                ..proposed.key
            },
            display_name: Some("Ada".to_owned()),
            ..proposed
        }
    }

    /// Creates a key; returns its text.
    pub(super) async fn key(
        &self,
        role: KeyRole,
        gateway_id: Option<GatewayId>,
        expires_at: Option<Timestamp>,
    ) -> Secret {
        let secret = api_key::generate(&SystemEntropy);
        let scope = KeyScope::Project {
            project_id: self.project,
            role,
            gateway_id,
        };
        let row = ApiKey {
            expires_at,
            ..testing::api_key(scope, self.clock.now(), secret.expose())
        };
        let mut tx = self.app.store.write().await.unwrap();
        gatewright_store::api_key::insert(&mut tx, &row).await.unwrap();
        self.commit(tx).await;
        secret
    }

    pub(super) async fn open(&self, request: Request<String>) -> http::Response<RecordedBody> {
        self.open_any(request.map(|body| Full::new(body.into()))).await
    }

    /// The same with a body of another kind.
    pub(super) async fn open_any<B>(&self, request: Request<B>) -> http::Response<RecordedBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.front.answer(peer, request).await
    }

    pub(super) async fn send(&self, request: Request<String>) -> Answer {
        let (head, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Calls the tool of the stateless era, with further headers.
    pub(super) async fn call(&self, slug: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(format!("/mcp/{slug}"))
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "tell");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tell", "arguments": {},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}}});
        self.send(request.body(body.to_string()).unwrap()).await
    }

    /// The same with a token.
    pub(super) async fn call_with(&self, slug: &str, token: &str) -> Answer {
        self.call(slug, &[("authorization", &format!("Bearer {token}"))])
            .await
    }
}
