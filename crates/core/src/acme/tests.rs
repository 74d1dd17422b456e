//! What replicas see of orders. Whole orders are tested against a real authority, end to end.

use std::time::Duration;

use gatewright_domain::sealed::Purpose;
use gatewright_store::acme::{self, AcmeCertificate, AcmeChallenge};

use super::{Followed, id_of, order_if_due};
use crate::{
    testing::TestCore,
    tls::testing::{Made, made},
};

async fn ordering() -> TestCore {
    TestCore::with(|config| {
        config.server.public_url = "https://gateway.example.com".to_owned();
        config.acme.accept_terms = true;
        config.acme.domains = vec!["gateway.example.com".to_owned()];
        // A port of this machine where nothing listens.
        config.acme.directory = "https://127.0.0.1:9/directory".to_owned();
    })
    .await
}

async fn issue(test: &TestCore, made: &Made) {
    let (core, id) = (&test.core, id_of(&test.core.config.acme));
    let context = acme::key_context(&id);
    let certificate = AcmeCertificate {
        chain: made.certificate.clone(),
        private_key: core.keyring.seal(
            &*core.entropy,
            Purpose::StoredSecret,
            &context,
            made.key.as_bytes(),
        ),
        expires_at: core.now().plus(Duration::from_hours(24)),
    };
    let now = core.now();
    let mut tx = core.store.write().await.unwrap();
    acme::claim(&mut tx, &id, now, now, now).await.unwrap();
    acme::issue(&mut tx, &id, &certificate, now.plus(Duration::from_hours(1)), now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn each_replica_presents_what_another_one_ordered() {
    let test = ordering().await;
    let mut followed = Followed::default();
    followed.follow(&test.core).await.unwrap();
    assert!(test.core.tls.current().is_none());
    for year in [2031, 2032] {
        issue(&test, &made("gateway.example.com", year)).await;
        followed.follow(&test.core).await.unwrap();
        let validity = test.core.tls.current().unwrap().validity;
        assert_eq!(validity.not_after.to_rfc3339(), format!("{year}-01-01T00:00:00Z"));
    }
    assert!(test.core.tls.standing().unwrap().is_good(test.core.now()));
}

#[tokio::test]
async fn each_replica_answers_challenges_while_they_are_open() {
    let test = ordering().await;
    let mut followed = Followed::default();
    let challenge = AcmeChallenge {
        token: "token".to_owned(),
        domain: "gateway.example.com".to_owned(),
        key_authorization: "token.thumbprint".to_owned(),
        expires_at: test.core.now().plus(Duration::from_mins(1)),
    };
    let mut tx = test.core.store.write().await.unwrap();
    acme::open_challenges(&mut tx, &[challenge]).await.unwrap();
    tx.commit().await.unwrap();
    followed.follow(&test.core).await.unwrap();
    let tls = &test.core.tls;
    assert_eq!(
        tls.key_authorization("token").as_deref(),
        Some("token.thumbprint")
    );
    assert!(tls.challenge_certificate("gateway.example.com").is_some());
    assert_eq!(tls.key_authorization("other"), None);
    assert!(tls.challenge_certificate("other.example.com").is_none());
    test.clock.advance(Duration::from_mins(1));
    followed.follow(&test.core).await.unwrap();
    assert_eq!(tls.key_authorization("token"), None);
    assert!(tls.challenge_certificate("gateway.example.com").is_none());
}

#[tokio::test]
async fn a_failed_order_is_noted_and_not_repeated_before_its_time() {
    let test = ordering().await;
    let id = id_of(&test.core.config.acme);
    let mut followed = Followed::default();
    let standing = async || {
        let mut tx = test.core.store.read().await.unwrap();
        acme::standing(&mut tx, &id).await.unwrap()
    };
    for _ in 0..2 {
        order_if_due(&test.core).await.unwrap();
        assert_eq!(standing().await.failures, 1);
    }
    followed.follow(&test.core).await.unwrap();
    let problem = test.core.tls.standing().unwrap().problem.unwrap();
    assert!(problem.what.contains("127.0.0.1"), "{problem:?}");
    test.clock.advance(Duration::from_mins(2));
    order_if_due(&test.core).await.unwrap();
    assert_eq!(standing().await.failures, 2);
    // What another replica got ends it.
    test.clock.advance(Duration::from_mins(10));
    issue(&test, &made("gateway.example.com", 2031)).await;
    followed.follow(&test.core).await.unwrap();
    assert!(test.core.tls.standing().unwrap().is_good(test.core.now()));
}
