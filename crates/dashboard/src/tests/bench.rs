//! What the tests of the dashboard share: an instance, and browsers that keep cookies.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderMap, Request, StatusCode, header};
use tower::ServiceExt as _;
use url::form_urlencoded;

use crate::{service::setup, testing::TestAdmin};

/// A password that is good enough.
pub(crate) const PASSWORD: &str = "violet harbour ninety";

/// An instance.
pub(crate) struct Bench {
    pub(crate) test: TestAdmin,
    router: Router,
}

/// A browser: it keeps cookies and says where its forms come from.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Bench {
    /// An instance without any account.
    pub(crate) async fn new() -> Self {
        let test = TestAdmin::new().await;
        let router = crate::router(test.app.clone());
        Self { test, router }
    }

    /// An instance whose first account, Ada's, is signed in with the browser; and the path of her project.
    pub(crate) async fn with_ada() -> (Self, Browser, String) {
        let bench = Self::new().await;
        let mut ada = bench.browser();
        let link = bench.setup_link().await;
        let fields = [
            ("name", "Ada Lovelace"),
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("project", "Acme"),
        ];
        ada.post(&link, &fields).await.expect(303);
        let project = ada.get("/").await.expect(303).location();
        (bench, ada, project)
    }

    /// A new browser.
    pub(crate) fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookies: BTreeMap::new(),
        }
    }

    /// The path of a new setup link.
    pub(crate) async fn setup_link(&self) -> String {
        let link = setup::offer(&self.test.app).await.unwrap().unwrap();
        self.path(&link)
    }

    /// The path of one of our links.
    pub(crate) fn path(&self, link: &str) -> String {
        let path = link.strip_prefix(self.test.app.config.public_url());
        path.unwrap_or_else(|| panic!("{link} leads elsewhere"))
            .to_owned()
    }

    /// A browser in which someone of this address has joined Ada's project in a role.
    pub(crate) async fn member(&self, ada: &mut Browser, project: &str, email: &str, role: &str) -> Browser {
        // Members are listed in the order of their accounts, whose IDs contain the millisecond.
        self.test.clock.advance(Duration::from_millis(1));
        let link = ada.invite(project, email, role).await;
        let mut member = self.browser();
        let fields = [("name", email), ("password", PASSWORD)];
        member.post(&self.path(&link), &fields).await.expect(303);
        member
    }

    /// Marks the address of the account at a path as proven, and lets its owner choose [`PASSWORD`] by a link.
    pub(crate) async fn prove(&self, ada: &mut Browser, account: &str, owner: &mut Browser) {
        ada.post(&format!("{account}/proven"), &[]).await.expect(303);
        let made = ada
            .post(&format!("{account}/password-link"), &[])
            .await
            .expect(200);
        let link = self.path(&made.between("<code id=\"password-link\">", "</code>"));
        owner.post(&link, &[("password", PASSWORD)]).await.expect(303);
    }
}

impl Browser {
    /// Asks for a page.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Sends one of our forms.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(path, fields, "same-origin").await
    }

    /// Sends a form from a page of this relation to ours.
    pub(crate) async fn post_from(&mut self, path: &str, fields: &[(&str, &str)], site: &str) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site);
        self.send(request, Body::from(form)).await
    }

    /// Sends a form like our script that shows progress; returns the response as it arrives.
    pub(super) async fn run(&mut self, path: &str, fields: &[(&str, &str)]) -> axum::response::Response {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header(header::ACCEPT, "application/x-ndjson, text/html")
            .header(header::COOKIE, pairs.join("; "))
            .body(Body::from(form))
            .unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The same browser before another process.
    pub(super) fn on(&self, router: Router) -> Self {
        Self {
            router,
            cookies: self.cookies.clone(),
        }
    }

    /// Calls the API with the session, as our own pages may.
    pub(crate) async fn api(&mut self, method: &str, path: &str, body: serde_json::Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("sec-fetch-site", "same-origin");
        self.send(request, Body::from(body.to_string())).await
    }

    /// Sends a request with the cookies, and keeps those that come back.
    pub(crate) async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request
            .header(header::ACCEPT, "text/html,*/*")
            .header(header::COOKIE, pairs.join("; "))
            .body(body)
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for line in parts.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let bytes = to_bytes(body, 1_000_000).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Creates an object in a project through the API, as our page would; returns its ID.
    pub(super) async fn create(&mut self, path: &str, new: serde_json::Value) -> String {
        let request = Request::post(format!("/api/v1{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header("sec-fetch-site", "same-origin");
        let made = self.send(request, Body::from(new.to_string())).await.expect(201);
        let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    /// Signs in, and says where that leads.
    pub(crate) async fn sign_in(&mut self, email: &str, next: &str) -> Answer {
        let fields = [("email", email), ("password", PASSWORD), ("next", next)];
        self.post("/sign-in", &fields).await
    }

    /// Creates an invitation; its link.
    pub(crate) async fn invite(&mut self, project: &str, email: &str, role: &str) -> String {
        let fields = [("email", email), ("role", role)];
        let page = self
            .post(&format!("{project}/members"), &fields)
            .await
            .expect(200);
        page.between("<code id=\"invitation-link\">", "</code>")
    }

    /// The value of the session cookie.
    pub(crate) fn session(&self) -> Option<&str> {
        self.cookies.get("gatewright-session").map(String::as_str)
    }
}

impl Answer {
    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// Where it leads.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        self.headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    /// Whether the page holds a text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// The first text between two others.
    #[track_caller]
    pub(crate) fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self
            .body
            .split_once(before)
            .unwrap_or_else(|| panic!("no {before} in {}", self.body));
        rest.split_once(after).unwrap().0.to_owned()
    }
}
