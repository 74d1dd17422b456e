//! The trace of whole sign-ins: every step in its order, the reason of each failure, and nothing that is secret.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{
    entropy::SystemEntropy,
    sign_in_attempt::{Outcome, SignInAttempt, Step},
    user::UserStatus,
};
use gatewright_store::user;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use rstest::rstest;
use serde_json::{Value, json};
use url::Url;

use crate::{
    Gateways,
    relying_party::testing::{Client, Fault, SECRET, VERIFIER, World},
};

fn steps(attempt: &SignInAttempt) -> Vec<Step> {
    attempt.part.steps.iter().map(|record| record.step).collect()
}

#[tokio::test]
async fn a_whole_sign_in_is_one_attempt_with_every_step_and_no_secret() {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.claims = json!({"department": "canary-claim"});
    }
    let client = Client::register(&world).await;
    world.advance(Duration::from_secs(1)).await;
    let (reference, sealed) = client.ask().await;
    world.advance(Duration::from_secs(7)).await;
    let sign_in = client.allow(&sealed).await;
    world.advance(Duration::from_secs(20)).await;
    let code = world.come_back(&sign_in).await.code();
    world.advance(Duration::from_secs(1)).await;
    let (status, tokens) = client.redeem(&code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    world.advance(Duration::from_secs(2)).await;
    let access = tokens["access_token"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(client.call(access).await, StatusCode::OK);
    }

    let attempts = world.attempts(None).await;
    let [attempt] = attempts.as_slice() else {
        panic!("one attempt, whatever came before it: {attempts:?}");
    };
    assert_eq!(
        steps(attempt),
        [
            Step::Registration,
            Step::Authorize,
            Step::Consent,
            Step::Redirect,
            Step::Callback,
            Step::Discovery,
            Step::Keys,
            Step::TokenRequest,
            Step::IdToken,
            Step::Subject,
            Step::Profile,
            Step::Code,
            Step::Token,
            Step::FirstCall,
        ]
    );
    assert_eq!(attempt.outcome(world.now()), Outcome::Succeeded);
    assert!(attempt.stored && attempt.part.steps.iter().all(|record| record.failure.is_none()));
    assert_eq!(attempt.part.head.reference, Some(reference));
    assert_eq!(attempt.part.head.client_name, "Claude");
    assert_eq!(attempt.subject.as_deref(), Some("alice"));
    assert_eq!(attempt.part.user_id, Some(world.users().await[0].id));
    let consent = &attempt.part.steps[2];
    assert_eq!(consent.duration_ms, 7_000);
    let at = |step: Step| {
        let record = attempt.part.steps.iter().find(|record| record.step == step);
        record.unwrap().at.since(attempt.part.head.started_at).as_secs()
    };
    assert_eq!(
        [
            at(Step::Redirect),
            at(Step::Callback),
            at(Step::Token),
            at(Step::FirstCall)
        ],
        [7, 27, 28, 30]
    );

    let mut secrets = vec![
        SECRET.to_owned(),
        "canary-claim".to_owned(),
        "client state".to_owned(),
        VERIFIER.to_owned(),
        code,
        access.to_owned(),
        tokens["refresh_token"].as_str().unwrap().to_owned(),
        sign_in.provider_code(),
        sign_in.cookie.split_once('=').unwrap().1.to_owned(),
    ];
    secrets.extend(["state", "nonce", "code_challenge"].map(|name| sign_in.parameter(name)));
    secrets.push(world.provider.script().forms[0]["code_verifier"].clone());
    let shown = format!("{attempt:?}");
    assert!(
        !shown.contains("alice@example.com") && !shown.contains("Alice"),
        "{shown}"
    );
    let mut stored = Vec::new();
    for file in std::fs::read_dir(&world.app.config.database.data_dir).unwrap() {
        stored.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let has = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has(&reference.to_string()), "the trace is in these files");
    for secret in secrets {
        assert!(
            secret.len() > 5 && !shown.contains(&secret),
            "{secret} in {shown}"
        );
        assert!(!has(&secret), "{secret} is stored");
    }
}

#[rstest]
#[case::provider(json!({"error": "server_error"}), Step::Callback, "server_error", "provider's status page")]
#[case::person(json!({"error": "access_denied"}), Step::Callback, "access_denied", "provider's log")]
#[case::nonce(json!({"nonce": "other"}), Step::IdToken, "nonce", "another sign-in")]
#[case::audience(json!({"aud": "other"}), Step::IdToken, "aud", "client id")]
#[case::subject(json!({"sub": ""}), Step::IdToken, "sub", "sub")]
#[tokio::test]
async fn a_failure_has_its_step_its_reason_and_what_to_do(
    #[case] what: Value,
    #[case] step: Step,
    #[case] reason: &str,
    #[case] advice: &str,
) {
    let world = World::new().await;
    let sign_in = world.allow().await;
    if let Some(error) = what["error"].as_str() {
        world
            .get(&sign_in.query(&format!("error={error}")), &sign_in.cookie)
            .await;
    } else {
        world.provider.script().claims = what;
        world.come_back(&sign_in).await;
    }
    let attempts = world.attempts(None).await;
    let [attempt] = attempts.as_slice() else {
        panic!("{attempts:?}");
    };
    let (failed, failure) = attempt.failure(world.now()).unwrap();
    assert_eq!(failed, step);
    assert!(failure.reason.contains(reason), "{failure:?}");
    assert!(failure.advice.contains(advice), "{failure:?}");
}

#[tokio::test]
async fn a_blocked_user_is_named_and_gets_nothing() {
    let world = World::new().await;
    world.sign_in().await.code();
    let user = world.users().await.remove(0);
    let mut tx = world.app.store.write().await.unwrap();
    user::set_status(&mut tx, user.project_id, user.id, UserStatus::Blocked)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let seen = world.sign_in().await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    let attempt = world.attempts(Some(seen.reference())).await.remove(0);
    assert_eq!(attempt.subject.as_deref(), Some("alice"));
    let (step, failure) = attempt.failure(world.now()).unwrap();
    assert_eq!(
        (step, failure.reason.as_str()),
        (Step::Code, "the user is blocked")
    );
}

#[tokio::test]
async fn a_provider_that_is_unavailable_at_allow_is_reported_with_the_reference_of_the_consent_page() {
    let world = World::new().await;
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", Fault::ServerError);
    let client = Client::register(&world).await;
    let (reference, sealed) = client.ask().await;
    let seen = client.decide(&sealed, "allow").await;
    assert_eq!(
        (seen.status, seen.reference()),
        (StatusCode::BAD_GATEWAY, reference)
    );
    let (step, failure) = world.refusal(reference).await;
    assert_eq!(step, Step::Redirect);
    assert!(failure.reason.contains("500"), "{failure:?}");
    world.provider.script().faults.clear();
    let sign_in = client.allow(&sealed).await;
    world.come_back(&sign_in).await.code();
}

#[tokio::test]
async fn a_sign_in_that_failed_in_another_browser_succeeds_in_its_own() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    let (reference, sealed) = client.ask().await;
    let sign_in = client.allow(&sealed).await;
    let seen = world
        .get(&sign_in.query(&format!("code={}", sign_in.provider_code())), "")
        .await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    // Which sign-in it was is known to the browser that began it only.
    let (step, failure) = world.refusal(seen.reference()).await;
    assert_eq!(step, Step::Callback);
    assert!(failure.reason.contains("no cookie"), "{failure:?}");
    let code = world.come_back(&sign_in).await.code();
    assert_eq!(client.redeem(&code, VERIFIER).await.0, StatusCode::OK);
    let attempt = world.attempts(Some(reference)).await.remove(0);
    assert_eq!(attempt.outcome(world.now()), Outcome::Succeeded);
    assert_eq!(attempt.failure(world.now()), None);
}

#[tokio::test]
async fn a_forged_return_belongs_to_no_gateway() {
    let world = World::new().await;
    let seen = world.get("code=forged&state=forged", "").await;
    world.assert_refused(&seen, StatusCode::FORBIDDEN).await;
    assert!(world.attempts(None).await.is_empty());
    let (step, failure) = world.refusal(seen.reference()).await;
    assert_eq!(step, Step::Callback);
    assert!(failure.reason.contains("no cookie") && !failure.reason.contains("forged"));
}

#[tokio::test]
async fn a_person_who_does_not_come_back_is_shown_as_given_up() {
    let world = World::new().await;
    world.allow().await;
    assert_eq!(
        world.attempts(None).await[0].outcome(world.now()),
        Outcome::InProgress
    );
    world.advance(Duration::from_mins(12)).await;
    let attempt = world.attempts(None).await.remove(0);
    assert_eq!(attempt.outcome(world.now()), Outcome::Abandoned);
    let (step, failure) = attempt.failure(world.now()).unwrap();
    assert_eq!(step, Step::Redirect);
    assert!(failure.reason.contains("did not come back") && failure.advice.contains("redirect URL"));
}

#[tokio::test]
async fn a_code_that_brings_no_tokens_says_why_to_the_administrator_only() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    let (reference, sealed) = client.ask().await;
    let sign_in = client.allow(&sealed).await;
    let code = world.come_back(&sign_in).await.code();
    let (status, answer) = client.redeem(&code, &"x".repeat(43)).await;
    assert_eq!(
        (status, answer["error"].as_str()),
        (StatusCode::BAD_REQUEST, Some("invalid_grant"))
    );
    assert!(!answer.to_string().contains("code_verifier"));
    let (step, failure) = world.refusal(reference).await;
    assert_eq!(step, Step::Token);
    assert!(failure.reason.contains("code_verifier"), "{failure:?}");
    world.advance(Duration::from_secs(61)).await;
    client.redeem(&code, VERIFIER).await;
    let (_, failure) = world.refusal(reference).await;
    assert!(failure.reason.contains("later than a minute"), "{failure:?}");
}

#[tokio::test]
async fn late_reuse_of_a_refresh_token_is_written_to_the_attempt_that_led_to_it() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    let (reference, sealed) = client.ask().await;
    let sign_in = client.allow(&sealed).await;
    let code = world.come_back(&sign_in).await.code();
    let (_, first) = client.redeem(&code, VERIFIER).await;
    let token = |answer: &Value| answer["refresh_token"].as_str().unwrap().to_owned();
    let (_, second) = client.refresh(&token(&first)).await;
    let (_, third) = client.refresh(&token(&second)).await;
    world.advance(Duration::from_mins(3)).await;
    assert_eq!(client.refresh(&token(&first)).await.0, StatusCode::BAD_REQUEST);
    let attempt = world.attempts(Some(reference)).await.remove(0);
    assert_eq!(attempt.outcome(world.now()), Outcome::Succeeded);
    let last = attempt.part.steps.last().unwrap();
    assert_eq!(last.step, Step::GrantEnded);
    assert!(
        last.failure
            .as_ref()
            .unwrap()
            .reason
            .contains("refresh token came back")
    );
    assert_eq!(client.refresh(&token(&third)).await.0, StatusCode::BAD_REQUEST);
}

#[rstest]
#[case::once_known(true, false, "accepted before", "replaced or has expired")]
#[case::never_known(false, false, "never been accepted", "Enter the client secret again")]
#[case::in_rotation(true, true, "then the one before it", "no longer accepts the old secret")]
#[tokio::test]
async fn a_refused_secret_is_reported_with_what_was_tried(
    #[case] confirmed: bool,
    #[case] rotated: bool,
    #[case] reason: &str,
    #[case] advice: &str,
) {
    let world = World::new().await;
    let (now, previous) = (world.now(), world.seal("the one before"));
    world
        .edit_source(|source| {
            source.client_secret.confirmed_at = confirmed.then_some(now);
            source.client_secret.previous = rotated.then_some(previous);
        })
        .await;
    world.provider.script().secrets = vec!["the provider's new one".to_owned()];
    let seen = world.sign_in().await;
    world.assert_refused(&seen, StatusCode::BAD_REQUEST).await;
    let (step, failure) = world.refusal(seen.reference()).await;
    assert_eq!(step, Step::TokenRequest);
    assert!(failure.reason.contains(reason), "{failure:?}");
    assert!(failure.advice.contains(advice), "{failure:?}");
    // Each secret in both ways of sending it.
    assert_eq!(world.provider.asked("token"), if rotated { 6 } else { 2 });
}

#[tokio::test]
async fn a_denied_request_is_remembered_and_not_stored() {
    let world = World::new().await;
    let client = Client::register(&world).await;
    let (reference, sealed) = client.ask().await;
    let asked = world.attempts(None).await;
    assert_eq!((asked.len(), asked[0].part.head.reference), (1, Some(reference)));
    assert_eq!(steps(&asked[0]), [Step::Registration, Step::Authorize]);
    let seen = client.decide(&sealed, "deny").await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    let attempts = world.attempts(None).await;
    let [attempt] = attempts.as_slice() else {
        panic!("{attempts:?}");
    };
    assert!(!attempt.stored);
    let (step, failure) = attempt.failure(world.now()).unwrap();
    assert_eq!(
        (step, failure.reason.as_str()),
        (Step::Consent, "the person pressed Deny")
    );
}

#[tokio::test]
async fn a_sign_in_that_ends_at_another_process_is_one_whole_attempt() {
    let world = World::new().await;
    let config = world.app.config.clone();
    let other = Gateways::build(config, Arc::clone(&world.app.clock), Arc::new(SystemEntropy))
        .await
        .unwrap();
    let client = Client::register(&world).await;
    let (reference, sealed) = client.ask().await;
    let sign_in = client.allow(&sealed).await;
    let query = sign_in.query(&format!("code={}", sign_in.provider_code()));
    let request = Request::get(format!("/oauth2/intermediate_callback?{query}"))
        .header(header::COOKIE, &sign_in.cookie)
        .body(Full::new(Bytes::new()))
        .unwrap();
    let front = crate::testing::front(Arc::clone(&other));
    let returned = front.answer(Ipv4Addr::LOCALHOST.into(), request).await;
    let location = returned.headers()[header::LOCATION].to_str().unwrap().to_owned();
    // The later part is written first, as it may happen.
    other.sign_in_trace.flush().await.unwrap();
    let url = Url::parse(&location).unwrap();
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1;
    let (status, tokens) = client.redeem(&code, VERIFIER).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let attempts = world.attempts(Some(reference)).await;
    let [attempt] = attempts.as_slice() else {
        panic!("{attempts:?}");
    };
    let seen: BTreeSet<Step> = steps(attempt).into_iter().collect();
    let without = [Step::FirstCall, Step::RefreshedElsewhere, Step::GrantEnded];
    let expected = Step::ALL.into_iter().filter(|step| !without.contains(step));
    assert_eq!(seen, expected.collect());
    assert_eq!(attempt.outcome(world.now()), Outcome::Succeeded);
    assert_eq!(attempt.subject.as_deref(), Some("alice"));
}
