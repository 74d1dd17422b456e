//! Testing a connection against a provider that does as a test says.

use std::time::Duration;

use gatewright_domain::{
    audit::Origin,
    registration::{AuthenticationChoice, CredentialsVerdict},
    user_source::{Callback, ConnectionTest, TestOutcome, UserSource},
};
use gatewright_store::PageRequest;
use rstest::rstest;
use serde_json::{Value, json};

use super::app;
use crate::{
    relying_party::testing::{Fault, SECRET, TokenRule, World},
    service::{
        Authority, IfMatch, Patch, ServiceError,
        effects::Run,
        user_sources::{self, UserSourcePatch},
    },
};

async fn test(world: &World) -> Result<UserSource, ServiceError> {
    let authority = Authority::operator(Origin::Cli);
    user_sources::test_connection(
        &app(&world.app),
        &authority,
        world.source.project_id,
        world.source.id,
    )
    .await
}

/// Tests, and looks at what is stored then.
pub(super) async fn tested(world: &World) -> (UserSource, ConnectionTest) {
    let answered = test(world).await.unwrap();
    let stored = world.stored_source().await;
    assert_eq!(answered, stored, "what is answered is what is kept");
    let test = stored.last_test.clone().unwrap();
    assert_eq!(test.tested_at, world.now());
    (stored, test)
}

async fn audited(world: &World) -> Vec<Value> {
    let mut tx = world.app.store.read().await.unwrap();
    let page = PageRequest::first(10);
    let filter = gatewright_store::audit::AuditFilter::default();
    let events = gatewright_store::audit::list(&mut tx, Some(world.source.project_id), &filter, &page)
        .await
        .unwrap();
    let event = |event: gatewright_domain::audit::AuditEvent| json!([event.action, event.changes]);
    events.items.into_iter().map(event).collect()
}

#[tokio::test]
async fn a_right_secret_verifies_the_source_and_sends_no_real_code() {
    let world = World::new().await;
    world.provider.script().token_rule = TokenRule::ClientFirst;
    let (stored, test) = tested(&world).await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::Right, "{test:?}");
    assert_eq!(stored.verified_at, Some(world.now()));
    assert_eq!(test.checks.len(), 12);
    assert!(
        test.checks
            .iter()
            .all(|check| matches!(check.outcome, TestOutcome::Passed | TestOutcome::Warning)),
        "{test:?}"
    );
    assert_eq!(
        stored.client_secret, world.source.client_secret,
        "a test is no sign-in"
    );
    assert_eq!(world.provider.asked("token"), 2);
    let events = audited(&world).await;
    assert_eq!(events[0][0], "user_source.tested");
    assert!(events[0].to_string().contains("verified_at"), "{events:?}");
    assert!(!format!("{events:?} {test:?}").contains(SECRET));
}

#[rstest]
#[case(401, "invalid_client")]
#[case(400, "unauthorized_client")]
#[case(403, "invalid_client")]
#[tokio::test]
async fn a_wrong_secret_is_reported_and_leaves_the_source_unverified(
    #[case] status: u16,
    #[case] error: &str,
) {
    let world = World::new().await;
    {
        let mut script = world.provider.script();
        script.token_rule = TokenRule::Always(status, error.to_owned());
    }
    let (stored, test) = tested(&world).await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::Wrong, "{test:?}");
    let detail = &test.credentials.detail;
    assert!(
        detail.contains(error) && detail.contains("client_secret_basic and client_secret_post"),
        "{test:?}"
    );
    assert_eq!(stored.verified_at, None);
    assert_eq!(world.provider.asked("token"), 2, "each way once");
    assert_eq!(audited(&world).await[0][0], "user_source.tested");
}

#[tokio::test]
async fn a_source_whose_secret_turned_wrong_is_verified_no_longer() {
    let world = World::new().await;
    world.provider.script().token_rule = TokenRule::ClientFirst;
    assert!(tested(&world).await.0.verified_at.is_some());
    world.provider.script().secrets.clear();
    let (stored, test) = tested(&world).await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::Wrong, "{test:?}");
    assert_eq!(stored.verified_at, None);
    let patch = UserSourcePatch {
        skip_validation: Some(false),
        ..UserSourcePatch::default()
    };
    let authority = Authority::operator(Origin::Cli);
    let (project, id) = (world.source.project_id, world.source.id);
    let run = Run::Change;
    user_sources::update(
        &app(&world.app),
        &authority,
        project,
        id,
        patch,
        &IfMatch::Any,
        run,
    )
    .await
    .unwrap();
    assert_eq!(
        world.stored_source().await.verified_at,
        None,
        "the checks do not ask for the secret"
    );
    world.provider.script().secrets = vec![SECRET.to_owned()];
    assert!(tested(&world).await.0.verified_at.is_some());
}

#[rstest]
#[case::redirect_url(UserSourcePatch { callback: Patch::Set(Callback::Own), ..UserSourcePatch::default() })]
#[case::way(UserSourcePatch {
    client_authentication: Patch::Set(AuthenticationChoice::Basic),
    ..UserSourcePatch::default()
})]
#[tokio::test]
async fn the_result_of_a_test_goes_with_what_it_was_about(#[case] patch: UserSourcePatch) {
    let world = World::new().await;
    world.provider.script().token_rule = TokenRule::ClientFirst;
    world.provider.script().secrets.clear();
    let (_, test) = tested(&world).await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::Wrong, "{test:?}");
    let change = async |patch: UserSourcePatch| {
        let authority = Authority::operator(Origin::Cli);
        let (project, id) = (world.source.project_id, world.source.id);
        let run = Run::Change;
        user_sources::update(
            &app(&world.app),
            &authority,
            project,
            id,
            patch,
            &IfMatch::Any,
            run,
        )
        .await
        .unwrap();
        world.stored_source().await
    };
    // A change that the test was not about keeps its result, and the source unverified.
    let renamed = UserSourcePatch {
        name: Patch::Set("Renamed".to_owned()),
        skip_validation: Some(false),
        ..UserSourcePatch::default()
    };
    let stored = change(renamed).await;
    assert_eq!((stored.last_test, stored.verified_at), (Some(test), None));
    assert_eq!(change(patch).await.last_test, None);
}

#[rstest]
#[case::code_first(400, "invalid_grant")]
#[case::code_first_as_401(401, "invalid_grant")]
#[case::own_word(400, "no_such_code")]
#[case::too_many(429, "slow_down")]
#[tokio::test]
async fn the_same_answer_to_a_wrong_secret_proves_nothing(#[case] status: u16, #[case] error: &str) {
    let world = World::new().await;
    world.provider.script().token_rule = TokenRule::Always(status, error.to_owned());
    let (stored, test) = tested(&world).await;
    assert_eq!(
        test.credentials.verdict,
        CredentialsVerdict::CannotTell,
        "{test:?}"
    );
    assert_eq!(
        stored.verified_at,
        Some(world.now()),
        "the checks hold all the same"
    );
}

#[tokio::test]
async fn a_provider_that_accepts_any_code_proves_nothing() {
    let world = World::new().await;
    let (_, test) = tested(&world).await;
    assert_eq!(
        test.credentials.verdict,
        CredentialsVerdict::CannotTell,
        "{test:?}"
    );
    assert!(test.credentials.detail.contains("never issued"), "{test:?}");
    assert_eq!(world.users().await, []);
}

#[tokio::test]
async fn a_provider_that_is_unavailable_fails_and_gets_no_secret() {
    let world = World::new().await;
    world.provider.script().token_rule = TokenRule::ClientFirst;
    let (before, _) = tested(&world).await;
    world.advance(Duration::from_mins(1)).await;
    let asked = world.provider.asked("token");
    let fault = Fault::ServerError;
    world
        .provider
        .script()
        .faults
        .insert("openid-configuration", fault);
    let (stored, test) = tested(&world).await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::CannotTell);
    assert_eq!(world.provider.asked("token"), asked);
    let failed: Vec<_> = test
        .checks
        .iter()
        .filter(|check| check.outcome == TestOutcome::Failed)
        .map(|check| (check.name.as_str(), check.pointer.as_str()))
        .collect();
    assert_eq!(failed, [("discovery", "/issuer")]);
    assert!(
        test.checks
            .iter()
            .any(|check| check.outcome == TestOutcome::Skipped)
    );
    assert_eq!(
        stored.verified_at, before.verified_at,
        "when all checks last passed"
    );
    assert_eq!(stored.updated_at, before.updated_at, "a test edits nothing");
}

#[tokio::test]
async fn a_token_endpoint_that_is_unavailable_proves_nothing() {
    let world = World::new().await;
    world.provider.script().faults.insert("token", Fault::ServerError);
    let (stored, test) = tested(&world).await;
    assert_eq!(test.credentials.verdict, CredentialsVerdict::CannotTell);
    assert!(test.credentials.detail.contains("500"), "{test:?}");
    assert_eq!(stored.verified_at, Some(world.now()));
}

#[tokio::test]
async fn the_result_of_a_test_is_not_kept_for_a_source_that_changed_in_the_meantime() {
    let world = World::new().await;
    world.provider.script().faults.insert("token", Fault::Hang);
    let change = async {
        world.provider.hanging().await;
        world
            .edit_source(|source| source.client_id = "client-2".to_owned())
            .await;
        world.provider.let_go();
    };
    let (outcome, ()) = tokio::join!(test(&world), change);
    assert!(matches!(outcome, Err(ServiceError::Conflict(_))), "{outcome:?}");
    assert_eq!(world.stored_source().await.last_test, None);
    assert_eq!(audited(&world).await.len(), 0);
}
