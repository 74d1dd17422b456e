//! Providers that break, at each step: a page in time, and the next sign-in works again.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, poll};
use gatewright_domain::{
    id::ProjectId, registration::AuthenticationChoice, token_hash::TokenHash, user_source::Callback,
};
use gatewright_identity::ProviderError;
use gatewright_store::claimed_sign_in;
use http::{Request, StatusCode};
use http_body_util::Full;
use rstest::rstest;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    fetch::Limits,
    relying_party::{
        StartError,
        check::{Candidate, CheckName, CheckResult, Outcome, check, check_for},
        testing::{Fault, World},
    },
};

const AWAY: StatusCode = StatusCode::BAD_REQUEST;

/// That the metric for failed sign-ins shows it.
#[track_caller]
fn assert_failed(world: &World, count: u32) {
    let text = world.app.telemetry.encode().unwrap();
    let line = format!("gatewright_sign_ins_total{{outcome=\"failed\"}} {count}");
    assert!(
        text.lines().any(|found| found == line),
        "{line} is missing in:\n{text}"
    );
}

#[rstest]
#[tokio::test]
async fn a_broken_token_endpoint_or_key_set_is_a_page(
    #[values("token", "jwks")] endpoint: &'static str,
    #[values(
        Fault::ServerError,
        Fault::Html,
        Fault::Truncated,
        Fault::Redirect,
        Fault::Endless
    )]
    fault: Fault,
) {
    let world = World::new().await;
    world.provider.script().faults.insert(endpoint, fault);
    let sign_in = world.allow().await;
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, AWAY).await;
    assert_failed(&world, 1);
    assert_eq!(world.provider.asked("elsewhere"), 0);
    world.provider.script().faults.clear();
    world.sign_in().await.code();
    assert_failed(&world, 1);
}

#[tokio::test]
async fn a_key_set_that_was_unavailable_for_a_moment_only_costs_a_reload() {
    let world = World::new().await;
    world.provider.script().faults.insert("jwks", Fault::ServerError);
    let sign_in = world.allow().await;
    let seen = world.come_back(&sign_in).await;
    world.assert_refused(&seen, AWAY).await;
    world.provider.script().faults.clear();
    world.come_back(&sign_in).await.code();
}

#[rstest]
#[tokio::test]
async fn a_broken_discovery_document_lets_no_one_begin(
    #[values(
        Fault::ServerError,
        Fault::Html,
        Fault::Truncated,
        Fault::Redirect,
        Fault::Endless
    )]
    fault: Fault,
) {
    let world = World::new().await;
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", fault);
    let refused = world.try_allow("").await.unwrap_err();
    assert!(refused.to_string().contains("cannot be used"), "{refused}");
    assert_failed(&world, 1);
    world.provider.script().faults.clear();
    world.sign_in().await.code();
    assert_failed(&world, 1);
}

#[rstest]
#[case(serde_json::json!({"issuer": "https://evil.example.com"}))]
#[case(serde_json::json!({"authorization_endpoint": "javascript:alert(1)"}))]
#[case(serde_json::json!({"authorization_endpoint": "http://evil.example.com/authorize"}))]
#[case(serde_json::json!({"authorization_endpoint": "data:text/html,<script>alert(1)</script>"}))]
#[case(serde_json::json!({"authorization_endpoint": "//evil.example.com/authorize"}))]
#[case(serde_json::json!({"authorization_endpoint": "https://idp.example.com@evil.example.com/authorize"}))]
#[case(serde_json::json!({"authorization_endpoint": "https://evil.example.com/authorize#"}))]
#[case(serde_json::json!({"authorization_endpoint": ["https://evil.example.com/authorize"]}))]
#[case(serde_json::json!({"token_endpoint": null}))]
#[case(serde_json::json!({"token_endpoint": "http://169.254.169.254/latest/meta-data"}))]
#[case(serde_json::json!({"jwks_uri": "file:///etc/passwd"}))]
#[tokio::test]
async fn a_hostile_discovery_document_never_reaches_the_browser(#[case] discovery: serde_json::Value) {
    let world = World::new().await;
    world.provider.script().discovery = discovery;
    let refused = world.try_allow("").await.unwrap_err();
    assert!(
        matches!(refused, StartError(ProviderError::Document(_))),
        "{refused}"
    );
}

#[rstest]
#[case("token")]
#[case("jwks")]
#[tokio::test]
async fn a_provider_that_never_answers_fails_in_time(#[case] endpoint: &'static str) {
    let world = Arc::new(World::new().await);
    world.provider.script().faults.insert(endpoint, Fault::Hang);
    let sign_in = world.allow().await;
    let arrival = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.come_back(&sign_in).await })
    };
    world.provider.hanging().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    let seen = arrival.await.unwrap();
    world.assert_refused(&seen, AWAY).await;
}

#[tokio::test]
async fn a_discovery_document_that_never_arrives_fails_in_time() {
    let world = Arc::new(World::new().await);
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", Fault::Hang);
    let beginning = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.try_allow("").await })
    };
    world.provider.hanging().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    let refused = beginning.await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("cannot be used"), "{refused}");
}

#[tokio::test]
async fn an_instance_starts_without_asking_any_provider() {
    let world = World::new().await;
    assert!(world.provider.script().asked.is_empty());
}

#[rstest]
#[case("openid-configuration")]
#[case("token")]
#[case("jwks")]
#[tokio::test]
async fn while_one_provider_hangs_others_sign_people_in(#[case] endpoint: &'static str) {
    let world = Arc::new(World::new().await);
    let neighbour = world.neighbour().await;
    world.provider.script().faults.insert(endpoint, Fault::Hang);
    let arrival = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.sign_in().await })
    };
    world.provider.hanging().await;
    // More of them than there could be places to wait in.
    for _ in 0..20 {
        neighbour.sign_in().await.code();
    }
    assert_eq!(neighbour.users().await.len(), 1);
    assert_eq!(world.users().await, []);
    assert!(!arrival.is_finished());
    world.provider.let_go();
    arrival.await.unwrap().code();
    assert_eq!(world.users().await.len(), 1);
}

#[tokio::test]
async fn userinfo_that_never_arrives_does_not_delay_sign_ins() {
    let world = Arc::new(World::new().await);
    {
        let mut script = world.provider.script();
        script.claims = json!({"email": null});
        script.faults.insert("userinfo", Fault::Hang);
    }
    let arrival = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.sign_in().await })
    };
    world.provider.hanging().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    arrival.await.unwrap().code();
    assert_eq!(world.users().await[0].email, None);
}

#[rstest]
#[case(Fault::ServerError)]
#[case(Fault::Html)]
#[case(Fault::Truncated)]
#[tokio::test]
async fn broken_userinfo_does_no_harm(#[case] fault: Fault) {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.claims = serde_json::json!({"email": null});
        script.faults.insert("userinfo", fault);
    }
    world.sign_in().await.code();
    assert_eq!(world.users().await[0].email, None);
}

async fn checked(world: &World) -> Vec<CheckResult> {
    let candidate = Candidate {
        issuer: &world.source.issuer,
        scopes: &world.source.scopes,
        subject_claim: "sub",
        callback: Callback::Shared,
        client_authentication: AuthenticationChoice::Automatic,
    };
    check(&world.app, candidate).await
}

#[tokio::test]
async fn a_check_passes_for_a_good_provider_and_names_what_is_wrong_with_a_bad_one() {
    let world = World::new().await;
    world.provider.script().discovery = json!({"authorization_response_iss_parameter_supported": true});
    let results = checked(&world).await;
    assert!(
        results.iter().all(|result| result.outcome == Outcome::Passed),
        "{results:?}"
    );
    world.provider.script().faults.insert("jwks", Fault::Html);
    let results = checked(&world).await;
    let failed: Vec<_> = results
        .iter()
        .filter(|result| matches!(result.outcome, Outcome::Failed(_)))
        .map(|result| result.name)
        .collect();
    assert_eq!(failed, [CheckName::Keys]);
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", Fault::ServerError);
    let results = checked(&world).await;
    assert!(matches!(&results[1].outcome, Outcome::Failed(finding) if finding.found.contains("500")));
    assert_eq!(
        results
            .iter()
            .filter(|result| result.outcome == Outcome::Skipped)
            .count(),
        10
    );
}

/// Requests that hang, more than any share: of a project, or of the domain of the provider.
async fn use_up(world: &World, project: Option<ProjectId>) -> Vec<impl Future> {
    let url = format!("{}/hangs", world.source.issuer);
    let limits = Limits {
        deadline: Duration::from_mins(1),
        body: 1_000,
    };
    // Each is looked at once, so that it holds its place in the share and goes no further.
    let mut hanging = Vec::new();
    for _ in 0..1_200 {
        let request = Request::get(&url).body(Full::default()).unwrap();
        let mut asking = Box::pin(world.app.fetch.for_project(project, request, limits));
        assert!(poll!(&mut asking).is_pending());
        hanging.push(asking);
    }
    hanging
}

#[tokio::test]
async fn addresses_that_hang_at_a_providers_domain_leave_the_project_its_own_checks() {
    let world = World::new().await;
    let _hanging = use_up(&world, None).await;
    let candidate = Candidate {
        issuer: &world.source.issuer,
        scopes: &world.source.scopes,
        subject_claim: "sub",
        callback: Callback::Shared,
        client_authentication: AuthenticationChoice::Automatic,
    };
    let results = check_for(&world.app, Some(world.source.project_id), candidate).await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result.outcome, Outcome::Passed | Outcome::Warning(_))),
        "{results:?}"
    );
}

#[tokio::test]
async fn people_of_a_project_whose_providers_hang_sign_in_by_what_is_at_hand() {
    let world = World::new().await;
    world.sign_in().await.code();
    let project = Some(world.source.project_id);
    let mut turns = Vec::new();
    while let Some(Some(turn)) = world.app.fetch.turn(project, Instant::now()).now_or_never() {
        turns.push(turn);
    }
    assert!(!turns.is_empty());
    world.sign_in().await.code();
}

#[tokio::test]
async fn a_project_without_a_share_left_does_not_have_the_document_of_a_provider_fetched_again() {
    let world = Arc::new(World::new().await);
    world.sign_in().await.code();
    let sign_in = world.allow().await;
    let state = TokenHash::of(&sign_in.parameter("state"));
    let hanging = use_up(&world, Some(world.source.project_id)).await;
    let arrival = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.come_back(&sign_in).await })
    };
    let is_claimed = async || {
        let mut tx = world.app.store.read().await.unwrap();
        claimed_sign_in::find(&mut tx, state).await.unwrap().is_some()
    };
    while !is_claimed().await {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    let seen = arrival.await.unwrap();
    assert_eq!(seen.status, AWAY, "{seen:?}");
    world.refusal(seen.reference()).await;
    drop(hanging);
    world.sign_in().await.code();
    assert_eq!(world.provider.asked("openid-configuration"), 1);
}
