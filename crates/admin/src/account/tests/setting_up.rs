//! The first account, and the way back in for the locked-out.

use std::sync::Arc;

use gatewright_domain::{
    account::AccountStatus,
    account_link::{RESET_LIFE, SETUP_LIFE},
    secret::Secret,
};
use tokio::task::JoinSet;

use super::world::{OWNER, PASSWORD, World, new_instance, page, token_of, visitor};
use crate::{
    service::{
        IfMatch, ServiceError,
        accounts::{self, AccountPatch},
        password_reset,
        patch::Patch,
        projects,
        setup::{self, SetupState},
        sign_in::SignInError,
    },
    testing::TestAdmin,
};

#[tokio::test]
async fn the_link_makes_account_and_project_once() {
    let test = TestAdmin::new().await;
    let (first, second) = (
        setup::offer(&test.app).await.unwrap().unwrap(),
        setup::offer(&test.app).await.unwrap().unwrap(),
    );
    let token = token_of(&first);
    assert_eq!(setup::look(&test.app, &token).await.unwrap(), SetupState::Open);
    assert_eq!(
        setup::look(&test.app, "guessed").await.unwrap(),
        SetupState::Unknown
    );
    let guessed = setup::complete(&test.app, &visitor(0), "guessed", new_instance(OWNER)).await;
    assert!(matches!(guessed, Err(ServiceError::NotFound { .. })));
    let short = setup::NewInstance {
        password: Some(Secret::new("short")),
        email: "not an address".to_owned(),
        ..new_instance(OWNER)
    };
    let wrong = setup::complete(&test.app, &visitor(0), &token, short).await;
    assert!(matches!(wrong, Err(ServiceError::Invalid(_))));
    // Wrong input leaves the link as it was.
    let begun = setup::complete(&test.app, &visitor(0), &token, new_instance(OWNER))
        .await
        .unwrap();
    assert!(begun.account.is_instance_admin);
    for used in [&first, &second] {
        let state = setup::look(&test.app, &token_of(used)).await.unwrap();
        assert_eq!(state, SetupState::Done);
        let again = setup::complete(
            &test.app,
            &visitor(0),
            &token_of(used),
            new_instance("eve@example.com"),
        )
        .await;
        assert!(matches!(again, Err(ServiceError::Conflict(_))));
    }
    assert_eq!(setup::offer(&test.app).await.unwrap(), None);
    assert!(
        setup::by_operator(&test.app, new_instance("eve@example.com"))
            .await
            .unwrap()
            .is_none()
    );
    let world = World {
        owner: begun,
        project: {
            let operator = crate::service::Authority::operator(gatewright_domain::audit::Origin::Cli);
            projects::list(&test.app, &operator, &page()).await.unwrap().items[0].id
        },
        test,
    };
    let accounts = accounts::list(world.app(), &world.as_owner().await, &page())
        .await
        .unwrap();
    assert_eq!(accounts.items.len(), 1);
    let project = projects::find(world.app(), &world.as_owner().await, world.project)
        .await
        .unwrap();
    assert_eq!(project.name, "Acme");
}

#[tokio::test]
async fn a_setup_link_runs_out_after_a_day() {
    let test = TestAdmin::new().await;
    let token = token_of(&setup::offer(&test.app).await.unwrap().unwrap());
    test.clock.advance(SETUP_LIFE);
    assert_eq!(setup::look(&test.app, &token).await.unwrap(), SetupState::Unknown);
    let late = setup::complete(&test.app, &visitor(0), &token, new_instance(OWNER)).await;
    assert!(matches!(late, Err(ServiceError::NotFound { .. })));
    assert!(setup::has_no_account(&test.app).await.unwrap());
}

#[tokio::test]
async fn of_many_who_set_up_at_once_one_does() {
    let test = TestAdmin::new().await;
    let other = test.another().await.unwrap();
    let mut links = Vec::new();
    for _ in 0..8 {
        links.push(setup::offer(&test.app).await.unwrap().unwrap());
    }
    let mut tasks = JoinSet::new();
    for (number, link) in links.into_iter().enumerate() {
        let app = Arc::clone(if number % 2 == 0 { &test.app } else { &other });
        tasks.spawn(async move {
            let new = new_instance(&format!("admin{number}@example.com"));
            setup::complete(&app, &visitor(0), &token_of(&link), new)
                .await
                .is_ok()
        });
    }
    let made = tasks.join_all().await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    let operator = crate::service::Authority::operator(gatewright_domain::audit::Origin::Cli);
    let accounts = accounts::list(&test.app, &operator, &page()).await.unwrap();
    assert_eq!(accounts.items.len(), 1);
    assert_eq!(
        projects::list(&test.app, &operator, &page())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn the_locked_out_get_back_in_by_a_link_that_works_once() {
    let world = World::new().await;
    assert_eq!(
        password_reset::offer(world.app(), "nobody@example.com", false)
            .await
            .unwrap(),
        None
    );
    let first = password_reset::offer(world.app(), OWNER, false)
        .await
        .unwrap()
        .unwrap();
    let link = password_reset::offer(world.app(), "ADA@example.com", false)
        .await
        .unwrap()
        .unwrap();
    // A newer link takes the place of the older.
    assert!(
        password_reset::look(world.app(), &token_of(&first))
            .await
            .unwrap()
            .is_none()
    );
    let token = token_of(&link);
    let account = password_reset::look(world.app(), &token).await.unwrap().unwrap();
    assert_eq!(account.email.as_str(), OWNER);
    let new = Secret::new("amber quarry seventeen");
    let weak = password_reset::complete(world.app(), &visitor(0), &token, &Secret::new("short")).await;
    assert!(matches!(weak, Err(ServiceError::Invalid(_))));
    let begun = password_reset::complete(world.app(), &visitor(0), &token, &new)
        .await
        .unwrap();
    assert!(world.session(&begun.token).await.is_some());
    // The earlier sessions have ended, and the old password no longer works.
    assert!(world.session(&world.owner.token).await.is_none());
    assert!(matches!(
        world.sign_in(OWNER, PASSWORD).await,
        Err(SignInError::Wrong)
    ));
    world.sign_in(OWNER, new.expose()).await.unwrap();
    let again = password_reset::complete(world.app(), &visitor(0), &token, &new).await;
    assert!(matches!(again, Err(ServiceError::NotFound { .. })));
    let late = password_reset::offer(world.app(), OWNER, false)
        .await
        .unwrap()
        .unwrap();
    world.test.clock.advance(RESET_LIFE);
    assert!(
        password_reset::look(world.app(), &token_of(&late))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_reset_enables_and_works_where_no_passwords_are_taken() {
    let test = TestAdmin::new().await;
    let world = World::of(test).await;
    let member = world
        .member("grace@example.com", gatewright_domain::member::Role::Viewer)
        .await;
    let patch = AccountPatch {
        status: Patch::Set(AccountStatus::Disabled),
        ..AccountPatch::default()
    };
    accounts::update(
        world.app(),
        &world.as_owner().await,
        member.account.id,
        patch,
        &IfMatch::Any,
    )
    .await
    .unwrap();
    assert!(world.session(&member.token).await.is_none());

    let mut config = world.app().config.clone();
    config.administrators.password_sign_in = false;
    let strict = crate::Admin::build(
        config,
        world.test.clock.clone(),
        Arc::new(gatewright_domain::entropy::SystemEntropy),
    )
    .await
    .unwrap();
    let refused =
        crate::service::sign_in::with_password(&strict, &visitor(0), OWNER, &Secret::new(PASSWORD)).await;
    assert!(matches!(refused, Err(SignInError::PasswordsOff)));
    let link = password_reset::offer(&strict, "grace@example.com", true)
        .await
        .unwrap()
        .unwrap();
    let begun = password_reset::complete(
        &strict,
        &visitor(0),
        &token_of(&link),
        &Secret::new("amber quarry seventeen"),
    )
    .await
    .unwrap();
    let session = world.session(&begun.token).await.unwrap();
    assert!(session.account.is_instance_admin);
    assert_eq!(session.account.status, AccountStatus::Active);
}
