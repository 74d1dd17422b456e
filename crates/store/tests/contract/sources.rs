//! User Sources: what an active gateway prevents, what is deleted with a source, and the two slots of its secret.

use std::time::Duration;

use gatewright_domain::{
    gateway::GatewayStatus,
    registration::{AuthenticationChoice, CredentialsVerdict, SecretMethod, TestedCredentials},
    stored_secret::SealedText,
    user_source::{ConnectionTest, TestOutcome, TestedCheck, UserSource, UserSourceStatus},
};
use gatewright_store::{
    PageRequest, authorization_code, gateway, grant, user,
    user_source::{self, Guarded, UserSourceFilter},
};

use crate::world::{World, commit, contract, is_taken, look};

contract!(
    an_active_gateway_keeps_its_source,
    deleting_a_source_takes_users_codes_and_grants,
    an_edit_leaves_the_status_alone,
    sources_are_found_by_name_and_status,
    a_secret_is_promoted_once_and_only_while_it_is_current,
    a_refusal_of_the_new_secret_is_recorded_once,
    the_method_that_worked_is_recorded_while_it_is_news,
);

async fn the_method_that_worked_is_recorded_while_it_is_news(world: World) {
    let mut source = world.source(world.project().await.id).await;
    let (project, id, epoch) = (source.project_id, source.id, source.identity_epoch);
    let note = async |epoch, method| {
        let world = &world;
        commit!(world, tx => user_source::note_method_worked(tx, project, id, epoch, method))
    };
    assert!(note(epoch, SecretMethod::Post).await);
    assert!(!note(epoch, SecretMethod::Post).await, "it is known");
    assert!(!note(epoch + 1, SecretMethod::Basic).await, "of another client");
    let stored = look!(world, tx => user_source::find(tx, project, id)).unwrap();
    assert_eq!(stored.client_authentication.worked, Some(SecretMethod::Post));
    assert_eq!(stored.updated_at, source.updated_at);
    assert!(note(epoch, SecretMethod::Basic).await);

    source.client_authentication.choice = AuthenticationChoice::Post;
    let seen = stored;
    source.updated_at = seen.updated_at.plus(Duration::from_secs(1));
    assert!(commit!(world, tx => user_source::update(tx, &source, &seen)));
    assert!(!note(epoch, SecretMethod::Post).await, "an administrator chose");
    let stored = look!(world, tx => user_source::find(tx, project, id)).unwrap();
    assert_eq!(stored.client_authentication, source.client_authentication);
}

async fn an_active_gateway_keeps_its_source(world: World) {
    let setting = world.setting().await;
    let (project, source) = (setting.project.id, setting.source.id);
    let second = world.gateway(&setting.source).await;
    let named = |gateways: &[&gatewright_domain::gateway::Gateway]| {
        Guarded::InUse(
            gateways
                .iter()
                .map(|gateway| (gateway.id, gateway.name.clone()))
                .collect(),
        )
    };
    let both = named(&[&setting.gateway, &second]);
    // Two IDs of one millisecond are not ordered by time.
    let both_reversed = named(&[&second, &setting.gateway]);
    let outcome = commit!(world, tx => user_source::deactivate(tx, project, source, world.now()));
    assert!(outcome == both || outcome == both_reversed);
    let outcome = commit!(world, tx => user_source::delete(tx, project, source));
    assert!(outcome == both || outcome == both_reversed);
    let stored = look!(world, tx => user_source::find(tx, project, source)).unwrap();
    assert_eq!(stored.status, UserSourceStatus::Active);

    assert!(commit!(world, tx => gateway::delete(tx, project, second.id)));
    let mut off = setting.gateway.clone();
    off.status = GatewayStatus::Inactive;
    commit!(world, tx => gateway::update(tx, &off, off.updated_at));
    let outcome = commit!(world, tx => user_source::deactivate(tx, project, source, world.now()));
    assert_eq!(outcome, Guarded::Done);
    let stored = look!(world, tx => user_source::find(tx, project, source)).unwrap();
    assert_eq!(stored.status, UserSourceStatus::Inactive);
    let elsewhere = world.project().await.id;
    let outcome = commit!(world, tx => user_source::delete(tx, elsewhere, source));
    assert_eq!(outcome, Guarded::NotFound);
}

async fn deleting_a_source_takes_users_codes_and_grants(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let grant = setting.grant(&world).await;
    let code = setting.new_code(&world);
    assert!(commit!(world, tx => authorization_code::insert(tx, &code)).is_done());
    let mut off = setting.gateway.clone();
    off.status = GatewayStatus::Inactive;
    commit!(world, tx => gateway::update(tx, &off, off.updated_at));

    let outcome = commit!(world, tx => user_source::delete(tx, project, setting.source.id));
    assert_eq!(outcome, Guarded::Done);
    assert_eq!(
        look!(world, tx => user_source::find(tx, project, setting.source.id)),
        None
    );
    assert_eq!(look!(world, tx => user::find(tx, project, setting.user.id)), None);
    assert_eq!(
        look!(world, tx => grant::find(tx, setting.gateway.id, grant.id)),
        None
    );
    let redeemed =
        commit!(world, tx => authorization_code::redeem(tx, setting.gateway.id, code.hash, world.now()));
    assert_eq!(redeemed, authorization_code::Redemption::Refused);
    // The gateway stays and can be changed, but not activated.
    let mut on = off.clone();
    on.status = GatewayStatus::Active;
    let outcome = commit!(world, tx => gateway::update(tx, &on, off.updated_at));
    assert_eq!(outcome, gateway::GatewayWrite::SourceDeleted);
    let mut renamed = off.clone();
    renamed.name = String::from("Renamed");
    let outcome = commit!(world, tx => gateway::update(tx, &renamed, off.updated_at));
    assert_eq!(outcome, gateway::GatewayWrite::Done);
}

async fn an_edit_leaves_the_status_alone(world: World) {
    let project = world.project().await.id;
    let source = world.source(project).await;
    let mut edited = source.clone();
    world.clock.advance(Duration::from_secs(1));
    edited.name = String::from("Edited");
    edited.issuer = String::from("https://other.example.com");
    edited.identity_epoch = 2;
    edited.scopes = vec!["openid".to_owned()];
    edited.subject_claim = String::from("oid");
    edited.verified_at = None;
    edited.last_test = Some(ConnectionTest {
        tested_at: world.now(),
        checks: vec![TestedCheck {
            name: "issuer".to_owned(),
            pointer: "/issuer".to_owned(),
            outcome: TestOutcome::Failed,
            detail: "Type it \"so\".".to_owned(),
        }],
        credentials: TestedCredentials {
            verdict: CredentialsVerdict::CannotTell,
            detail: "Not asked.".to_owned(),
        },
    });
    edited.client_secret.current = SealedText("v1.k.new".to_owned());
    edited.client_secret.previous = Some(source.client_secret.current.clone());
    edited.updated_at = world.now();
    edited.status = UserSourceStatus::Inactive;
    assert!(commit!(world, tx => user_source::update(tx, &edited, &source)));
    assert!(!commit!(world, tx => user_source::update(tx, &source, &source)));
    edited.status = UserSourceStatus::Active;
    assert_eq!(
        look!(world, tx => user_source::find(tx, project, source.id)),
        Some(edited.clone())
    );
    let other = world.source(project).await;
    let mut same = other.clone();
    same.name = String::from("EDITED");
    let mut tx = world.write().await;
    assert!(is_taken(
        &user_source::update(&mut tx, &same, &other).await,
        "name"
    ));
    drop(tx);
    let all = PageRequest::first(10);
    assert_eq!(
        look!(world, tx => user_source::list(tx, project, &UserSourceFilter::default(), &all))
            .items
            .len(),
        2
    );
}

async fn sources_are_found_by_name_and_status(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let mut odd = world.new_source(project);
    odd.name = String::from("Ölfeld 100%_!");
    odd.status = UserSourceStatus::Inactive;
    commit!(world, tx => user_source::insert(tx, &odd));
    world.gateway(&setting.source).await;
    let elsewhere = world.setting().await;
    let found = async |search: &str, status: Option<UserSourceStatus>, limit: u32| {
        let filter = UserSourceFilter {
            search: Some(search.to_owned()),
            status,
        };
        let page = PageRequest { after: None, limit };
        let page = look!(world, tx => user_source::list(tx, project, &filter, &page));
        let ids: Vec<_> = page.items.iter().map(|source| source.id).collect();
        (ids, page.next.is_some())
    };
    for search in ["ölfeld", "ÖLFELD 1", "100%_!", "%", "_", "!"] {
        assert_eq!(found(search, None, 10).await, (vec![odd.id], false), "{search}");
    }
    assert_eq!(found("100x", None, 10).await, (vec![], false));
    let (active, inactive) = (UserSourceStatus::Active, UserSourceStatus::Inactive);
    assert_eq!(found("", Some(inactive), 10).await, (vec![odd.id], false));
    assert_eq!(
        found("", Some(active), 10).await,
        (vec![setting.source.id], false)
    );
    assert_eq!(found("ölfeld", Some(active), 10).await, (vec![], false));
    assert_eq!(found("", None, 10).await.0.len(), 2);
    assert!(found("", None, 1).await.1, "there is a next page");

    // Gateways are counted for the whole page at once, those of another project never.
    let mut ids = [setting.source.id, odd.id, elsewhere.source.id];
    ids.sort_by_key(ToString::to_string);
    let [first, _, last] = ids;
    let counts = look!(world, tx => gateway::count_of_user_sources(tx, project, first, last));
    assert_eq!(counts, [(setting.source.id, 2)]);
}

/// A source whose secret was just replaced.
async fn rotated(world: &World) -> UserSource {
    let project = world.project().await.id;
    let mut source = world.new_source(project);
    source.client_secret.previous = Some(SealedText("v1.k.old".to_owned()));
    commit!(world, tx => user_source::insert(tx, &source));
    source
}

async fn a_secret_is_promoted_once_and_only_while_it_is_current(world: World) {
    let source = rotated(&world).await;
    let current = &source.client_secret.current;
    let other = SealedText("v1.k.other".to_owned());
    assert!(
        !commit!(world, tx => user_source::note_secret_accepted(tx, source.project_id, source.id, &other, world.now()))
    );
    assert!(
        commit!(world, tx => user_source::note_secret_refused(tx, source.project_id, source.id, current, world.now()))
    );
    assert!(
        commit!(world, tx => user_source::note_secret_accepted(tx, source.project_id, source.id, current, world.now()))
    );
    assert!(
        !commit!(world, tx => user_source::note_secret_accepted(tx, source.project_id, source.id, current, world.now()))
    );
    let stored = look!(world, tx => user_source::find(tx, source.project_id, source.id)).unwrap();
    assert_eq!(stored.client_secret.previous, None);
    assert_eq!(stored.client_secret.confirmed_at, Some(world.now()));
    assert_eq!(stored.client_secret.refused_at, None);
    assert_eq!(stored.updated_at, source.updated_at, "no one edited anything");
    // An edit begun before the promotion would restore the previous secret.
    assert!(!commit!(world, tx => user_source::update(tx, &source, &source)));
    // What worked may stop working: that is recorded too, until it works again.
    assert!(
        commit!(world, tx => user_source::note_secret_refused(tx, source.project_id, source.id, current, world.now()))
    );
    let refused = look!(world, tx => user_source::find(tx, source.project_id, source.id)).unwrap();
    assert_eq!(refused.client_secret.refused_at, Some(world.now()));
    assert_eq!(
        refused.client_secret.confirmed_at,
        stored.client_secret.confirmed_at
    );
    world.clock.advance(Duration::from_mins(1));
    assert!(
        commit!(world, tx => user_source::note_secret_accepted(tx, source.project_id, source.id, current, world.now()))
    );
    let again = look!(world, tx => user_source::find(tx, source.project_id, source.id)).unwrap();
    assert_eq!(again.client_secret.refused_at, None);
    assert_eq!(
        again.client_secret.confirmed_at,
        stored.client_secret.confirmed_at
    );
}

async fn a_refusal_of_the_new_secret_is_recorded_once(world: World) {
    let source = rotated(&world).await;
    let current = &source.client_secret.current;
    let first = world.now();
    assert!(
        commit!(world, tx => user_source::note_secret_refused(tx, source.project_id, source.id, current, first))
    );
    world.clock.advance(Duration::from_mins(1));
    assert!(
        !commit!(world, tx => user_source::note_secret_refused(tx, source.project_id, source.id, current, world.now()))
    );
    let stored = look!(world, tx => user_source::find(tx, source.project_id, source.id)).unwrap();
    assert_eq!(stored.client_secret.refused_at, Some(first));
    assert_eq!(stored.updated_at, source.updated_at, "no one edited anything");
    // An edit begun before must not clear it; one that has seen it may be saved.
    assert!(!commit!(world, tx => user_source::update(tx, &source, &source)));
    let mut tx = world.write().await;
    let held = user_source::find_and_hold(&mut tx, stored.project_id, stored.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(held, stored);
    assert!(user_source::update(&mut tx, &held, &held).await.unwrap());
    tx.commit().await.unwrap();
    assert!(stored.client_secret.previous.is_some());
}
