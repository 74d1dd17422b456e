//! A whole instance in memory with one gateway, its User Source, a provider, and browsers that come and go.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{Extension, body::Body};
use bytes::Bytes;
use gatewright_domain::{
    Clock, Timestamp,
    authorization::ConsentedRequest,
    clock::FixedClock,
    entropy::SystemEntropy,
    gateway::{Authentication, Gateway},
    id::{ProjectId, UserSourceId},
    project::Project,
    reference::Reference,
    sealed::Purpose,
    sign_in_attempt::{self, SignInAttempt, Step, StepFailure},
    stored_secret::SealedText,
    testing,
    user::User,
    user_source::{UserSource, client_secret_context},
};
use gatewright_store::{PageRequest, gateway, project, sign_in_attempt::AttemptFilter, user, user_source};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tempfile::TempDir;
use tower::ServiceExt as _;
use url::Url;

use super::{HostileProvider, SECRET};
use crate::{
    Gateways,
    config::Config,
    front::Front,
    relying_party::{self, StartError},
    request::{RequestContext, RequestId},
    sign_in_trace::BeforeAllow,
};

/// When every test begins, in seconds since the epoch.
pub(crate) const NOW: i64 = 1_800_000_000;

/// The instance and its provider.
pub struct World {
    pub app: Arc<Gateways>,
    pub provider: HostileProvider,
    pub source: UserSource,
    pub gateway: Gateway,
    clock: Arc<FixedClock>,
    front: Front,
    folder: Arc<TempDir>,
}

/// A sign-in in progress: what the browser holds after *Allow*.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The provider URL the browser was sent to.
    pub url: Url,
    /// What was pushed to the provider instead.
    pub pushed: HashMap<String, String>,
    /// `name=value` of its cookie.
    pub cookie: String,
    /// The names of cookies that were expired at the same time.
    pub expired: Vec<String>,
}

/// What a browser got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: StatusCode,
    pub location: Option<String>,
    pub cookies: Vec<String>,
    pub body: String,
}

impl World {
    /// An instance whose source is as usual.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An instance with changes to the source.
    pub async fn with(change: impl FnOnce(&mut UserSource)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        "http://127.0.0.1:8080".clone_into(&mut config.server.public_url);
        config.database.data_dir = folder.path().to_owned();
        let clock = Arc::new(FixedClock::at_seconds(NOW));
        let app = Gateways::build(config, clock.clone(), Arc::new(SystemEntropy))
            .await
            .unwrap();
        Self::furnish(app, clock, Arc::new(folder), "acme", change).await
    }

    /// Another project of the same instance, with a gateway, a source and its own provider.
    pub async fn neighbour(&self) -> Self {
        let (app, clock, folder) = (&self.app, &self.clock, &self.folder);
        let ids = |source: &mut UserSource| {
            source.id = UserSourceId::generate(clock.as_ref(), &SystemEntropy);
            source.project_id = ProjectId::generate(clock.as_ref(), &SystemEntropy);
        };
        Self::furnish(
            Arc::clone(app),
            Arc::clone(clock),
            Arc::clone(folder),
            "neighbour",
            ids,
        )
        .await
    }

    /// Another replica of the same instance, on the same database.
    pub async fn replica(&self) -> Self {
        let app = Gateways::build(
            self.app.config.clone(),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::new(SystemEntropy),
        )
        .await
        .unwrap();
        app.refresh_directory().await.unwrap();
        Self {
            front: crate::testing::front(Arc::clone(&app)),
            app,
            provider: self.provider.clone(),
            source: self.source.clone(),
            gateway: self.gateway.clone(),
            clock: Arc::clone(&self.clock),
            folder: Arc::clone(&self.folder),
        }
    }

    async fn furnish(
        app: Arc<Gateways>,
        clock: Arc<FixedClock>,
        folder: Arc<TempDir>,
        slug: &str,
        change: impl FnOnce(&mut UserSource),
    ) -> Self {
        let provider = HostileProvider::start(NOW).await;
        let mut source = super::source(provider.issuer());
        change(&mut source);
        source.client_secret.current = seal(&app, &source, SECRET);
        let now = clock.now();
        let project = Project {
            name: slug.to_owned(),
            ..testing::project(source.project_id, now)
        };
        let gateway = Gateway {
            name: "Gateway".to_owned(),
            ..testing::gateway(project.id, now, slug, Authentication::UserSource(source.id))
        };
        let mut tx = app.store.write().await.unwrap();
        project::insert(&mut tx, &project).await.unwrap();
        user_source::insert(&mut tx, &source).await.unwrap();
        gateway::insert(&mut tx, &gateway).await.unwrap();
        tx.commit().await.unwrap();
        app.refresh_directory().await.unwrap();
        Self {
            front: crate::testing::front(Arc::clone(&app)),
            app,
            provider,
            source,
            gateway,
            clock,
            folder,
        }
    }

    /// Seals a client secret for the source.
    pub fn seal(&self, secret: &str) -> SealedText {
        seal(&self.app, &self.source, secret)
    }

    /// Moves the time, of the provider too.
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.provider.script().now = self.clock.now().as_seconds();
        self.app.refresh_directory().await.unwrap();
    }

    /// Moves the time of an instance that cannot read its store in the meantime.
    pub fn lose_touch(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Presses *Allow* in a browser that holds these cookies.
    pub async fn try_allow(&self, cookies: &str) -> Result<SignIn, StartError> {
        let entry = {
            let directory = self.app.directory.current().unwrap();
            Arc::clone(directory.gateway_by_id(self.gateway.id).unwrap())
        };
        let source = Arc::clone(entry.source.as_ref().unwrap());
        let request = ConsentedRequest {
            gateway_id: self.gateway.id,
            client_id: "client".to_owned(),
            client_name: "Client".to_owned(),
            redirect_uri: "http://127.0.0.1:33418/callback".to_owned(),
            state: Some("client state".to_owned()),
            code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
            scope: "mcp".to_owned(),
            consent_id: None,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::try_from(cookies).unwrap());
        let before = BeforeAllow::new(RequestId::next().reference(), self.now());
        let started = relying_party::start(&self.app, &entry, &source, request, before, &headers).await?;
        let mut pairs = started
            .set_cookies
            .iter()
            .map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
        let sign_in = SignIn {
            url: Url::parse(&started.redirect).unwrap(),
            pushed: self.provider.script().pushed.last().cloned().unwrap_or_default(),
            cookie: pairs.next().unwrap(),
            expired: pairs.map(|pair| pair.trim_end_matches('=').to_owned()).collect(),
        };
        self.provider.script().nonce = sign_in.parameter("nonce");
        Ok(sign_in)
    }

    /// Presses *Allow* in a fresh browser.
    pub async fn allow(&self) -> SignIn {
        self.try_allow("").await.unwrap()
    }

    /// Comes back from the provider with a code.
    pub async fn come_back(&self, sign_in: &SignIn) -> Seen {
        self.get(
            &sign_in.query(&format!("code={}", sign_in.provider_code())),
            &sign_in.cookie,
        )
        .await
    }

    /// A whole sign-in.
    pub async fn sign_in(&self) -> Seen {
        let sign_in = self.allow().await;
        self.come_back(&sign_in).await
    }

    /// The callback with any query and cookie.
    pub async fn get(&self, query: &str, cookie: &str) -> Seen {
        self.get_at("/oauth2/intermediate_callback", query, cookie).await
    }

    /// Any callback with any query and cookie.
    pub async fn get_at(&self, path: &str, query: &str, cookie: &str) -> Seen {
        let request = Request::get(format!("{path}?{query}"))
            .header(header::COOKIE, cookie)
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    /// Any request.
    pub async fn send(&self, request: Request<Body>) -> Seen {
        let context = RequestContext::known(RequestId::known(0x0123_4567_89ab_cdef), Ipv4Addr::LOCALHOST);
        let router = crate::routes(Arc::clone(&self.app)).layer(Extension(context));
        Seen::of(router.oneshot(request).await.unwrap()).await
    }

    /// All users, oldest first.
    pub async fn users(&self) -> Vec<User> {
        let mut tx = self.app.store.read().await.unwrap();
        let page = PageRequest::first(100);
        let filter = user::UserFilter::default();
        let found = user::list(&mut tx, self.source.project_id, &filter, &page).await;
        found.unwrap().items.into_iter().rev().collect()
    }

    /// The source as it is stored now.
    pub async fn stored_source(&self) -> UserSource {
        let mut tx = self.app.store.read().await.unwrap();
        user_source::find(&mut tx, self.source.project_id, self.source.id)
            .await
            .unwrap()
            .unwrap()
    }

    /// Replaces the stored source.
    pub async fn edit_source(&self, change: impl FnOnce(&mut UserSource)) {
        self.edit_source_elsewhere(change).await;
        self.app.refresh_directory().await.unwrap();
    }

    /// Replaces the stored source as another replica would: this one does not know it yet.
    pub async fn edit_source_elsewhere(&self, change: impl FnOnce(&mut UserSource)) {
        let mut source = self.stored_source().await;
        let seen = source.clone();
        change(&mut source);
        source.updated_at = seen.updated_at.plus(Duration::from_millis(1));
        let mut tx = self.app.store.write().await.unwrap();
        assert!(user_source::update(&mut tx, &source, &seen).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// That a refusal was a page whose reference finds the trace, and that nothing else happened: no user, no code.
    pub async fn assert_refused(&self, seen: &Seen, status: StatusCode) {
        assert_eq!(seen.status, status, "{seen:?}");
        assert_eq!(seen.location, None);
        self.refusal(seen.reference()).await;
        assert_eq!(self.users().await, []);
    }

    /// The failed step that a reference leads to: of an attempt, or of the refusals that belong to none.
    pub async fn refusal(&self, reference: Reference) -> (Step, StepFailure) {
        let found = self.attempts(Some(reference)).await;
        if let [attempt] = found.as_slice() {
            assert_eq!(attempt.outcome(self.now()), sign_in_attempt::Outcome::Failed);
            assert!(attempt.stored);
            return attempt.failure(self.now()).unwrap();
        }
        assert!(found.is_empty(), "{found:?}");
        let strays = self.app.sign_in_trace.strays();
        let stray = strays.into_iter().find(|stray| stray.reference == reference);
        let record = stray.expect("the reference of a page finds something").record;
        (record.step, record.failure.unwrap())
    }

    /// Attempts to sign in, newest first; all, or those of a reference.
    pub async fn attempts(&self, reference: Option<Reference>) -> Vec<SignInAttempt> {
        let filter = AttemptFilter {
            reference,
            ..AttemptFilter::default()
        };
        let page = PageRequest::first(200);
        self.app
            .sign_in_trace
            .list(self.source.project_id, &filter, &page)
            .await
            .unwrap()
            .items
    }

    /// Any request, as a browser or a program sends it to the whole server.
    pub async fn through_front(&self, request: Request<String>) -> Seen {
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let response = self.front.answer(Ipv4Addr::LOCALHOST.into(), request).await;
        Seen::of(response).await
    }
}

impl SignIn {
    /// A parameter of the authorization request.
    pub fn parameter(&self, name: &str) -> String {
        let mut pairs = self.url.query_pairs();
        let found = pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned());
        found.unwrap_or_else(|| self.pushed[name].clone())
    }

    /// The provider's code for this sign-in; no provider issues one twice.
    pub fn provider_code(&self) -> String {
        format!("provider-code-{}", &self.parameter("state")[..8])
    }

    /// A callback query with this sign-in's state.
    pub fn query(&self, rest: &str) -> String {
        format!("{rest}&state={}", self.parameter("state"))
    }
}

impl Seen {
    async fn of<B>(response: Response<B>) -> Self
    where
        B: http_body::Body,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = response.into_parts();
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let location = head.headers.get(header::LOCATION).map(text);
        let cookies = head.headers.get_all(header::SET_COOKIE);
        let cookies = cookies.iter().map(text).collect();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status,
            location,
            cookies,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The reference that the page shows.
    pub fn reference(&self) -> Reference {
        let (_, rest) = self.body.rsplit_once("<code>").expect("a page with a reference");
        Reference::parse(rest.split_once("</code>").unwrap().0).unwrap()
    }

    /// That the browser was sent to the client with a code, which is returned.
    pub fn code(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:?}");
        let url = Url::parse(self.location.as_deref().unwrap()).unwrap();
        assert!(url.as_str().starts_with("http://127.0.0.1:33418/callback?"));
        let parameter = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        assert_eq!(parameter("state").as_deref(), Some("client state"));
        let issuer = parameter("iss").unwrap();
        assert!(issuer.starts_with("http://127.0.0.1:8080/mcp/"), "{issuer}");
        parameter("code").unwrap()
    }
}

fn seal(app: &Gateways, source: &UserSource, secret: &str) -> SealedText {
    app.keyring.seal(
        app.entropy.as_ref(),
        Purpose::StoredSecret,
        &client_secret_context(source.id),
        secret.as_bytes(),
    )
}
