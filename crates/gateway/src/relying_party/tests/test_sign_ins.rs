//! Test sign-ins: what they report, and that they have no other effect.

mod hostile;

use gatewright_domain::{test_sign_in::TestProgress, user_source::UserSourceStatus};
use gatewright_store::{gateway, user_source};
use http::StatusCode;
use serde_json::json;

use crate::relying_party::{
    test_sign_in::Fit::{Discouraged, Unusable, Usable},
    testing::{Fault, World},
};

#[tokio::test]
async fn a_test_shows_the_claims_and_the_subject_and_leaves_nothing_behind() {
    let world = World::new().await;
    let test = world.start_test().await;
    for _ in 0..2 {
        let page = world.page(&test).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.body.contains("Provider") && page.cookies.is_empty(),
            "{page:?}"
        );
    }
    assert_eq!(world.read(&test).await.progress, TestProgress::Waiting);
    assert_eq!(world.provider.asked("openid-configuration"), 0);

    let sign_in = world.click(&test).await;
    assert_eq!(sign_in.parameter("code_challenge_method"), "S256");
    assert!(
        !sign_in
            .url
            .as_str()
            .contains(test.path.rsplit('/').next().unwrap())
    );
    assert_eq!(world.read(&test).await.progress, TestProgress::AtProvider);

    let seen = world.come_back(&sign_in).await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    assert!(seen.body.contains("The sign-in works") && seen.body.contains("alice@example.com"));
    world.assert_nothing_came_of_it(&seen).await;
    let read = world.read(&test).await;
    assert!(matches!(read.progress, TestProgress::Succeeded(_)));
    let report = world.report(&test).await;
    assert_eq!(report.subject.as_deref(), Some("alice"));
    assert_eq!(report.display_name.as_deref(), Some("Alice"));
    assert_eq!((report.warnings, report.failure), (Vec::new(), None));
    let first = &report.claims[0];
    assert_eq!(
        (first.name.as_str(), first.is_subject, first.fit),
        ("sub", true, Usable)
    );
    assert_eq!(first.value, Some(json!("alice")));

    // The same browser sees the same again, even after the test has ended; the page itself does not show it.
    let again = world.come_back(&sign_in).await;
    assert_eq!(again, seen);
    let over = world.page(&test).await;
    assert!(over.body.contains("This test is over") && !over.body.contains("alice"));
    let clicked = world.post(&test, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(clicked.location, None);
    assert_eq!(world.provider.asked("token"), 1);
}

#[tokio::test]
async fn a_failure_shows_its_reason_and_the_test_can_be_tried_again() {
    let world = World::new().await;
    let right = world.provider.script().secrets.clone();
    world.provider.script().secrets = vec!["another".to_owned()];
    let test = world.start_test().await;
    let seen = world.click_and_come_back(&test).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    world.assert_nothing_came_of_it(&seen).await;
    let failure = world.report(&test).await.failure.unwrap();
    assert_eq!(failure.step, "token_request");
    assert!(
        failure.reason.contains("refused the client credentials"),
        "{failure:?}"
    );
    for text in [
        "refused the client credentials",
        "Enter the client secret again",
        "04HM-ASW9",
    ] {
        assert!(seen.body.contains(text), "{text}: {seen:?}");
    }
    assert!(world.stored_source().await.client_secret.refused_at.is_some());

    world.provider.script().secrets = right;
    let seen = world.click_and_come_back(&test).await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    let report = world.report(&test).await;
    assert_eq!((report.subject.as_deref(), report.failure), (Some("alice"), None));
    let secret = world.stored_source().await.client_secret;
    assert!(secret.confirmed_at.is_some() && secret.refused_at.is_none());
}

#[tokio::test]
async fn the_secret_before_the_newest_still_works_and_the_report_says_so() {
    let world = World::new().await;
    let newest = world.seal("not at the provider yet");
    world
        .edit_source(|source| {
            source.client_secret = source.client_secret.clone().rotated(newest, source.updated_at);
        })
        .await;
    let test = world.start_test().await;
    world.click_and_come_back(&test).await;
    let report = world.report(&test).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.warnings[0].pointer, "/client_secret");
}

#[tokio::test]
async fn a_source_that_nothing_uses_and_that_is_inactive_can_be_tested() {
    let world = World::new().await;
    let now = world.now();
    let (project, source) = (world.source.project_id, world.source.id);
    let mut tx = world.app.store.write().await.unwrap();
    gateway::delete(&mut tx, project, world.gateway.id).await.unwrap();
    user_source::deactivate(&mut tx, project, source, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.app.refresh_directory().await.unwrap();
    assert_eq!(world.stored_source().await.status, UserSourceStatus::Inactive);
    let test = world.start_test().await;
    let seen = world.click_and_come_back(&test).await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    assert_eq!(world.report(&test).await.subject.as_deref(), Some("alice"));
}

#[tokio::test]
async fn without_its_claim_a_test_fails_and_shows_what_could_be_chosen_instead() {
    let world = World::with(|source| source.subject_claim = "employee".to_owned()).await;
    world.provider.script().claims = json!({
        "employee": null, "email_verified": false, "groups": ["<script>alert(1)</script>"],
        "oid": "<b>7</b>", "long": "x".repeat(3_000),
    });
    let test = world.start_test().await;
    let seen = world.click_and_come_back(&test).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert!(
        !seen.body.contains("<script>") && !seen.body.contains("<b>7"),
        "{seen:?}"
    );
    world.assert_nothing_came_of_it(&seen).await;
    let report = world.report(&test).await;
    assert_eq!(
        report.failure.unwrap().reason,
        "the ID token has no claim `employee`"
    );
    assert_eq!((report.subject, report.email), (None, None));
    let fit = |name: &str| {
        let claim = report.claims.iter().find(|claim| claim.name == name).unwrap();
        assert!(!claim.is_subject && !claim.detail.is_empty());
        claim.fit
    };
    let fits = ["sub", "oid", "name", "email", "groups", "nonce", "iss", "iat"].map(fit);
    let expected = [
        Usable,
        Usable,
        Discouraged,
        Unusable,
        Unusable,
        Unusable,
        Unusable,
        Unusable,
    ];
    assert_eq!(fits, expected);
    let long = report.claims.iter().find(|claim| claim.name == "long").unwrap();
    assert_eq!(long.value, None);
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.found.contains("does not vouch"))
    );
}

#[tokio::test]
async fn a_refusal_at_the_provider_is_a_report_and_no_redirect() {
    let world = World::new().await;
    let test = world.start_test().await;
    let sign_in = world.click(&test).await;
    let seen = world
        .get(&sign_in.query("error=access_denied"), &sign_in.cookie)
        .await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    world.assert_nothing_came_of_it(&seen).await;
    let failure = world.report(&test).await.failure.unwrap();
    assert!(failure.reason.contains("access_denied"), "{failure:?}");
    // It took nothing: the same browser may still come back with a code.
    assert_eq!(world.come_back(&sign_in).await.status, StatusCode::OK);
    assert_eq!(world.report(&test).await.failure, None);
}

#[tokio::test]
async fn a_provider_that_is_unavailable_is_reported_at_the_click() {
    let world = World::new().await;
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", Fault::ServerError);
    let test = world.start_test().await;
    let seen = world.post(&test, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert_eq!((seen.location, seen.cookies), (None, Vec::new()));
    assert!(
        seen.body.contains("discovery document came with HTTP status 500"),
        "{}",
        seen.body
    );
    assert_eq!(world.report(&test).await.failure.unwrap().step, "discovery");
}

#[tokio::test]
async fn a_source_that_is_changed_or_deleted_in_the_meantime_ends_the_test() {
    let world = World::new().await;
    let test = world.start_test().await;
    let sign_in = world.click(&test).await;
    world.edit_source(|source| source.identity_epoch += 1).await;
    let seen = world.come_back(&sign_in).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert!(seen.body.contains("changed during the sign-in") && !seen.body.contains("alice"));
    let failure = world.report(&test).await.failure.unwrap();
    assert!(
        failure.reason.contains("changed during the sign-in"),
        "{failure:?}"
    );
    assert_eq!(world.provider.asked("token"), 0);

    let (gone, project, source) = (world.click(&test).await, world.source.project_id, world.source.id);
    let mut tx = world.app.store.write().await.unwrap();
    gateway::delete(&mut tx, project, world.gateway.id).await.unwrap();
    user_source::delete(&mut tx, project, source).await.unwrap();
    tx.commit().await.unwrap();
    world.app.refresh_directory().await.unwrap();
    let seen = world.come_back(&gone).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert!(!seen.body.contains("alice"));
    assert_eq!(world.page(&test).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.find(&test).await, None);
    assert_eq!(world.provider.asked("token"), 0);
}
