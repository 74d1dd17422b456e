//! An instance with two gateways of one User Source, and the little a client and a browser do.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use gatewright_domain::{
    Clock as _, Entropy,
    audit::AuditEvent,
    authorization::ConsentedRequest,
    clock::FixedClock,
    entropy::SystemEntropy,
    gateway::{Authentication, Gateway, GatewaySettings},
    grant::Person,
    id::{GrantId, ProjectId},
    testing,
    user::{User, UserKey},
    user_source::UserSource,
};
use gatewright_store::{
    PageRequest,
    audit::{self, AuditFilter},
    gateway,
    gateway::GatewayWrite,
    project, revision, user, user_source,
};
use http::{HeaderMap, Request, StatusCode, header::LOCATION};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::source::{provider, source};
use crate::{Gateways, authorization_server::code, config::Config, directory::GatewayEntry, front::Front};

/// The example of RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";
pub const ISSUER: &str = "http://127.0.0.1:8080/mcp/acme";
pub const REDIRECT: &str = "https://app.example/cb";

pub struct World {
    pub app: Arc<Gateways>,
    pub clock: Arc<FixedClock>,
    pub project: ProjectId,
    source: UserSource,
    front: Front,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The redirect's parameters.
    pub fn location(&self) -> url::Url {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        url::Url::parse(self.headers[LOCATION].to_str().unwrap()).unwrap()
    }

    pub fn is_page(&self, status: u16) -> bool {
        let policy = self.header("content-security-policy");
        self.status == status
            && self.header("content-type") == "text/html; charset=utf-8"
            && policy.contains("default-src 'none'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe")
            && !policy.contains("form-action")
            && self.header("cache-control") == "no-store"
            && self.header("referrer-policy") == "same-origin"
            && !self.headers.contains_key(LOCATION)
            && !self.headers.contains_key("set-cookie")
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An instance with another configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
        let mut config = Config::default();
        config.database.data_dir = folder.path().to_owned();
        PUBLIC_URL.clone_into(&mut config.server.public_url);
        change(&mut config);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let app = Gateways::build(config, clock.clone(), entropy).await.unwrap();
        let at = clock.now();
        let project = ProjectId::generate(clock.as_ref(), &SystemEntropy);
        let source = source(project, at, &provider().await);
        let mut tx = app.store.write().await.unwrap();
        let row = testing::project(project, at);
        project::insert(&mut tx, &row).await.unwrap();
        user_source::insert(&mut tx, &source).await.unwrap();
        tx.commit().await.unwrap();
        let world = Self {
            front: crate::testing::front(app.clone()),
            app,
            clock,
            project,
            source,
            _folder: folder,
        };
        world.add_gateway("acme", |_| {}).await;
        world.add_gateway("other", |_| {}).await;
        world
    }

    /// The same instance after a restart: nothing is left but what is stored.
    pub async fn restarted(self) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let app = Gateways::build(self.app.config.clone(), self.clock.clone(), entropy)
            .await
            .unwrap();
        Self {
            front: crate::testing::front(app.clone()),
            app,
            ..self
        }
    }

    /// Adds a gateway in User Source mode, changed by `change`.
    pub async fn add_gateway(&self, slug: &str, change: impl FnOnce(&mut Gateway)) {
        let at = self.clock.now();
        let authentication = Authentication::UserSource(self.source.id);
        let mut row = testing::gateway(self.project, at, slug, authentication);
        change(&mut row);
        let mut tx = self.app.store.write().await.unwrap();
        assert_eq!(gateway::insert(&mut tx, &row).await.unwrap(), GatewayWrite::Done);
        revision::bump(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        self.app.refresh_directory().await.unwrap();
    }

    pub fn entry(&self, slug: &str) -> Arc<GatewayEntry> {
        let directory = self.app.directory.current().unwrap();
        Arc::clone(directory.gateway(slug).unwrap())
    }

    /// Lets time pass; the directory is confirmed as its job would.
    pub async fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        self.app.refresh_directory().await.unwrap();
    }

    pub async fn send(&self, request: Request<String>) -> Answer {
        self.send_from(IpAddr::V4(Ipv4Addr::LOCALHOST), request).await
    }

    /// Another process on the same data.
    pub async fn replica(&self) -> Arc<Gateways> {
        let config = self.app.config.clone();
        Gateways::build(config, self.clock.clone(), Arc::new(SystemEntropy))
            .await
            .unwrap()
    }

    /// Any request from any address.
    pub async fn send_from(&self, peer: IpAddr, request: Request<String>) -> Answer {
        let response = self
            .front
            .answer(peer, request.map(|body| Full::new(body.into())))
            .await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(String::new()).unwrap()).await
    }

    /// Opens an address from anywhere.
    pub async fn get_from(&self, address: &str, path: &str) -> Answer {
        let request = Request::get(path).body(String::new()).unwrap();
        self.send_from(address.parse().unwrap(), request).await
    }

    /// Posts a form as a program does.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_with(path, form, &[]).await
    }

    pub async fn post_with(&self, path: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(encode(form)).unwrap()).await
    }

    /// Registers a client and returns the whole answer.
    pub async fn register(&self, path: &str, metadata: &Value) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(metadata.to_string()).unwrap()).await
    }

    /// Registers a public client at `acme` and returns its id.
    pub async fn client(&self) -> String {
        self.client_with(&[REDIRECT, "http://localhost/callback"], "Example")
            .await
    }

    pub async fn client_with(&self, redirect_uris: &[&str], name: &str) -> String {
        let metadata = json!({
            "redirect_uris": redirect_uris,
            "client_name": name,
            "token_endpoint_auth_method": "none",
        });
        let answer = self.register("/mcp/acme/oauth2/register", &metadata).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// A code for a client, as the relying party gets one once the provider has vouched for the user.
    pub async fn code(&self, client_id: &str) -> String {
        self.code_of(client_id, "mcp offline_access").await
    }

    pub async fn code_of(&self, client_id: &str, scope: &str) -> String {
        let entry = self.entry("acme");
        let request = ConsentedRequest {
            gateway_id: entry.gateway.id,
            client_id: client_id.to_owned(),
            client_name: "Example".to_owned(),
            redirect_uri: REDIRECT.to_owned(),
            state: Some("the state".to_owned()),
            code_challenge: CHALLENGE.to_owned(),
            scope: scope.to_owned(),
            consent_id: None,
        };
        let mut tx = self.app.store.write().await.unwrap();
        let user = user::sign_in(&mut tx, &self.user()).await.unwrap();
        let person = Person::User {
            user_id: user.id,
            user_source_id: self.source.id,
            identity_epoch: self.source.identity_epoch,
        };
        let grant = GrantId::generate(self.clock.as_ref(), &SystemEntropy);
        let code = code::prepare(&self.app.authorization_server, &entry, &request, person, grant).unwrap();
        let issued = code.issue(&mut tx).await.unwrap();
        assert!(issued.is_done(), "no code was issued: {issued:?}");
        tx.commit().await.unwrap();
        parameter(&url::Url::parse(code.location()).unwrap(), "code").unwrap()
    }

    pub fn user(&self) -> User {
        let proposed = testing::user(self.project, self.source.id, self.clock.now(), "alice");
        User {
            key: UserKey {
                issuer: self.source.issuer.clone(),
                ..proposed.key
            },
            ..proposed
        }
    }

    pub async fn redeem(&self, client_id: &str, code: &str) -> Answer {
        self.post("/mcp/acme/oauth2/token", &code_form(client_id, code))
            .await
    }

    pub async fn refresh(&self, client_id: &str, token: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", token),
        ];
        self.post("/mcp/acme/oauth2/token", &form).await
    }

    /// A client with its first access and refresh token.
    pub async fn signed_in(&self) -> (String, String, String) {
        let client = self.client().await;
        let code = self.code(&client).await;
        let answer = self.redeem(&client, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        (client, text("access_token"), text("refresh_token"))
    }

    /// Changes the settings of `acme`.
    pub async fn set(&self, change: impl FnOnce(&mut GatewaySettings)) {
        self.change_gateway("acme", |gateway| change(&mut gateway.settings))
            .await;
    }

    /// Changes a gateway.
    pub async fn change_gateway(&self, slug: &str, change: impl FnOnce(&mut Gateway)) {
        let mut row = self.entry(slug).gateway.clone();
        change(&mut row);
        let mut tx = self.app.store.write().await.unwrap();
        let written = gateway::update(&mut tx, &row, row.updated_at).await.unwrap();
        assert_eq!(written, GatewayWrite::Done);
        tx.commit().await.unwrap();
        self.app.refresh_directory().await.unwrap();
    }

    /// The audit events of grants that were ended because a code or token came back.
    pub async fn revocations(&self) -> Vec<AuditEvent> {
        let mut tx = self.app.store.read().await.unwrap();
        let filter = AuditFilter {
            action: Some("grant.revoked".to_owned()),
            ..AuditFilter::default()
        };
        let page = PageRequest::first(10);
        let listed = audit::list(&mut tx, Some(self.project), &filter, &page).await;
        listed.unwrap().items
    }

    /// Whether the grant of an access token is live.
    pub async fn is_live(&self, access_token: &str) -> bool {
        let now = self.app.now();
        let entry = self.entry("acme");
        let claims = self.app.signing.verify_access_token(access_token, now).unwrap();
        let mut tx = self.app.store.read().await.unwrap();
        let found = gatewright_store::grant::find_live(&mut tx, entry.gateway.id, claims.grant, now).await;
        found.unwrap().is_some()
    }
}

pub fn code_form<'a>(client_id: &'a str, code: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

/// A good authorization request of a client, changed by `change`: a name and value replaces, an empty value removes.
pub fn query(client_id: &str, change: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT),
        ("state", "the state"),
        ("scope", "mcp offline_access"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", ISSUER),
    ];
    for (name, value) in change {
        pairs.retain(|(key, _)| key != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    encode(&pairs)
}

pub fn authorize(client_id: &str, change: &[(&str, &str)]) -> String {
    format!("/mcp/acme/oauth2/authorize?{}", query(client_id, change))
}

pub fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

pub fn parameter(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The sealed request inside a consent page.
pub fn sealed(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("name=\"request\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}
