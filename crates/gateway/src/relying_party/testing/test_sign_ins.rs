//! Test sign-ins of the source of a world.

use axum::body::Body;
use gatewright_domain::{id::TestSignInId, test_sign_in::TestSignIn};
use gatewright_store::test_sign_in as rows;
use http::{Request, StatusCode};
use url::Url;

use super::{Seen, SignIn, World};
use crate::relying_party::test_sign_in::{self, Report};

/// A test in progress.
pub struct Test {
    pub id: TestSignInId,
    pub path: String,
}

impl World {
    pub async fn start_test(&self) -> Test {
        let source = self.stored_source().await;
        let starter = "operator".to_owned();
        let (test, url) = test_sign_in::prepare(&self.app, &source, starter, self.app.now());
        let mut tx = self.app.store.write().await.unwrap();
        assert!(rows::insert(&mut tx, &test, 100).await.unwrap());
        tx.commit().await.unwrap();
        Test {
            id: test.id,
            path: Url::parse(&url).unwrap().path().to_owned(),
        }
    }

    /// A test as it is stored; `None` when it was deleted.
    pub async fn find(&self, test: &Test) -> Option<TestSignIn> {
        let (project, source) = (self.source.project_id, self.source.id);
        let mut tx = self.app.store.read().await.unwrap();
        rows::find(&mut tx, project, source, test.id, self.app.now())
            .await
            .unwrap()
    }

    pub async fn read(&self, test: &Test) -> TestSignIn {
        self.find(test).await.unwrap()
    }

    pub async fn report(&self, test: &Test) -> Report {
        let test = self.read(test).await;
        test_sign_in::report_of(&self.app, &test).unwrap().unwrap()
    }

    pub async fn page(&self, test: &Test) -> Seen {
        let request = Request::get(&test.path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    pub async fn post(&self, test: &Test, headers: &[(&str, &str)]) -> Seen {
        let mut request = Request::post(&test.path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Clicks in a fresh browser.
    pub async fn click(&self, test: &Test) -> SignIn {
        let seen = self.post(test, &[("sec-fetch-site", "same-origin")]).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{seen:?}");
        let sign_in = SignIn {
            url: Url::parse(seen.location.as_deref().unwrap()).unwrap(),
            cookie: seen.cookies[0].split(';').next().unwrap().to_owned(),
            pushed: std::collections::HashMap::new(),
            expired: Vec::new(),
        };
        self.provider.script().nonce = sign_in.parameter("nonce");
        sign_in
    }

    pub async fn click_and_come_back(&self, test: &Test) -> Seen {
        let sign_in = self.click(test).await;
        self.come_back(&sign_in).await
    }

    /// That a test ended without user, code or redirect.
    pub async fn assert_nothing_came_of_it(&self, seen: &Seen) {
        assert_eq!(seen.location, None, "{seen:?}");
        assert_eq!(self.users().await, []);
    }
}
