//! What the tests of the API share: an instance on its own folder, and callers with keys.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Extension,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Response,
};
use gatewright_domain::{
    Clock as _, Timestamp,
    clock::FixedClock,
    entropy::SystemEntropy,
    grant::{Grant, Person},
    id::{GatewayId, GrantId, ProjectId, UserId, UserSourceId},
    testing,
    user::User,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{
    Admin,
    config::{Config, DatabaseConfig},
    request::RequestContext,
    service,
};

/// The id every request of these tests has.
pub(super) const REQUEST_ID: &str = "0123456789abcdef";

/// An instance.
pub(super) struct Bench {
    pub(super) app: Arc<Admin>,
    pub(super) clock: Arc<FixedClock>,
    pub(super) folder: tempfile::TempDir,
    /// The first instance key.
    pub(super) instance: String,
    router: Router,
    stands_still: AtomicBool,
    answers: Mutex<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// A project and a key of each role.
pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) admin: String,
    pub(super) viewer: String,
    pub(super) gateway: String,
}

impl Answer {
    /// The answer, which must have this status.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self
    }

    /// A member that is a text.
    #[track_caller]
    pub(super) fn text(&self, member: &str) -> String {
        let text = self.body[member].as_str();
        text.unwrap_or_else(|| panic!("no text in {member}: {:#}", self.body))
            .to_owned()
    }

    /// The places of a problem's errors.
    pub(super) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }

    /// The version.
    #[track_caller]
    pub(super) fn etag(&self) -> &str {
        self.headers[header::ETAG].to_str().unwrap()
    }
}

fn routes(app: &Arc<Admin>) -> Router {
    let context = RequestContext::known(
        crate::request::RequestId::known(0x0123_4567_89ab_cdef),
        Ipv4Addr::LOCALHOST,
    );
    super::super::routes(app)
        .layer(Extension(context))
        .with_state(Arc::clone(app))
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with_config(|_| {}).await
    }

    /// With changes to the configuration.
    pub(super) async fn with_config(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            database: DatabaseConfig {
                data_dir: folder.path().to_owned(),
                ..DatabaseConfig::default()
            },
            ..Config::default()
        };
        change(&mut config);
        let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
        let app = Admin::build(config, Arc::clone(&clock) as _, Arc::new(SystemEntropy))
            .await
            .unwrap();
        let instance = service::instance::init(&app).await.unwrap().unwrap();
        Self {
            router: routes(&app),
            app,
            clock,
            folder,
            instance: instance.expose().to_owned(),
            stands_still: AtomicBool::new(false),
            answers: Mutex::default(),
        }
    }

    /// After a restart with changes to the configuration.
    pub(super) async fn restarted(self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.app.config.clone();
        change(&mut config);
        let app = Admin::build(config, Arc::clone(&self.clock) as _, Arc::new(SystemEntropy))
            .await
            .unwrap();
        Self {
            router: routes(&app),
            app,
            ..self
        }
    }

    /// From here on all requests come within the same millisecond.
    pub(super) fn stand_still(&self) {
        self.stands_still.store(true, Ordering::SeqCst);
    }

    /// Sends a request as it is, a millisecond after the one before.
    pub(super) async fn raw(&self, request: Request<Body>) -> Answer {
        if !self.stands_still.load(Ordering::SeqCst) {
            self.clock.advance(Duration::from_millis(1));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        self.answers
            .lock()
            .unwrap()
            .push_str(&String::from_utf8_lossy(&bytes));
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    /// An answer as text, with its head.
    pub(super) async fn lines(&self, key: &str, path: &str) -> (String, HeaderMap) {
        let (parts, body) = self
            .begun(path, &[("authorization", &format!("Bearer {key}"))])
            .await
            .into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.answers.lock().unwrap().push_str(&text);
        (text, parts.headers)
    }

    /// Begins to read what is sent in parts.
    pub(super) async fn begun(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response
    }

    /// Sends a request with its own headers.
    pub(super) async fn with(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.raw(request.body(body).unwrap()).await
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Answer {
        self.with(Method::GET, path, Some(key), &[], None).await
    }

    pub(super) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.with(Method::POST, path, Some(key), &[], Some(body)).await
    }

    pub(super) async fn patch(&self, key: &str, path: &str, body: Value) -> Answer {
        self.with(Method::PATCH, path, Some(key), &[], Some(body)).await
    }

    pub(super) async fn delete(&self, key: &str, path: &str) -> Answer {
        self.with(Method::DELETE, path, Some(key), &[], None).await
    }

    /// A project with a key of each role.
    pub(super) async fn tenant(&self, name: &str) -> Tenant {
        let project = self
            .post(&self.instance, "/projects", json!({"name": name}))
            .await
            .expect(201);
        let id = project.text("id");
        let keys = format!("/projects/{id}/api-keys");
        let first = json!({"name": "owner", "role": "owner"});
        let owner = self
            .post(&self.instance, &keys, first)
            .await
            .expect(201)
            .text("key");
        let of_role = async |role: &str| {
            let new = json!({"name": role, "role": role});
            self.post(&owner, &keys, new).await.expect(201).text("key")
        };
        Tenant {
            admin: of_role("admin").await,
            viewer: of_role("viewer").await,
            gateway: of_role("gateway").await,
            owner,
            id,
        }
    }

    /// The text of all responses, and every byte of the data folder.
    pub(super) fn everything_visible(&self) -> String {
        let mut all = self.answers.lock().unwrap().clone();
        let mut entries: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        while let Some(entry) = entries.pop() {
            let path = entry.unwrap().path();
            all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
        all
    }

    /// A user of a source who has signed in.
    pub(super) async fn user(&self, tenant: &Tenant, source: &str, subject: &str) -> UserId {
        let source = source.parse().unwrap();
        let user = User {
            display_name: Some(format!("{subject} by name")),
            ..testing::user(tenant.project(), source, self.clock.now(), subject)
        };
        let mut tx = self.app.gateways().store.write().await.unwrap();
        let user = gatewright_store::user::sign_in(&mut tx, &user).await.unwrap();
        tx.commit().await.unwrap();
        user.id
    }

    /// A live grant of a user at a gateway.
    pub(super) async fn grant(&self, tenant: &Tenant, user: UserId, source: &str, gateway: &str) -> GrantId {
        self.grant_to(tenant, user, source, gateway, "client").await
    }

    /// The same, for a client of this short id.
    pub(super) async fn grant_to(
        &self,
        tenant: &Tenant,
        user: UserId,
        source: &str,
        gateway: &str,
        client: &str,
    ) -> GrantId {
        let person = Person::User {
            user_id: user,
            user_source_id: source.parse::<UserSourceId>().unwrap(),
            identity_epoch: 1,
        };
        let gateway = gateway.parse::<GatewayId>().unwrap();
        let grant = Grant {
            client_id: client.to_owned(),
            ..testing::grant(tenant.project(), gateway, self.clock.now(), person)
        };
        let mut tx = self.app.gateways().store.write().await.unwrap();
        gatewright_store::grant::insert(&mut tx, &grant).await.unwrap();
        tx.commit().await.unwrap();
        grant.id
    }

    /// The present moment of this instance.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Tenant {
    /// A path inside the project.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/projects/{}/{rest}", self.id)
    }

    pub(super) fn project(&self) -> ProjectId {
        self.id.parse().unwrap()
    }

    /// A source saved without asking its provider; its ID.
    pub(super) async fn source(&self, bench: &Bench, name: &str) -> String {
        let answer = bench
            .post(&self.admin, &self.path("user-sources"), new_source(name))
            .await;
        answer.expect(201).text("id")
    }

    /// A gateway of a source; its id.
    pub(super) async fn gateway_of(&self, bench: &Bench, source: &str, name: &str, status: &str) -> String {
        let new = json!({
            "name": name, "authentication_mode": "user_source", "user_source_id": source, "status": status,
        });
        bench
            .post(&self.admin, &self.path("gateways"), new)
            .await
            .expect(201)
            .text("id")
    }

    /// The actions of the audit trail, newest first.
    pub(super) async fn actions(&self, bench: &Bench) -> Vec<String> {
        let events = bench
            .get(&self.viewer, &self.path("audit-events?limit=200"))
            .await
            .expect(200);
        let items = events.body["items"].as_array().unwrap();
        items
            .iter()
            .map(|event| event["action"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A source to create without asking its provider.
pub(super) fn new_source(name: &str) -> Value {
    json!({
        "name": name, "issuer": "https://login.example.com", "client_id": "client-1",
        "client_secret": "canary-client-secret", "skip_validation": true,
    })
}
