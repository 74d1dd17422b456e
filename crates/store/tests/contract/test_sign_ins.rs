//! Test sign-ins: bounded, deleted in time, and final once they succeeded.

use std::time::Duration;

use gatewright_domain::{
    id::TestSignInId,
    stored_secret::SealedText,
    test_sign_in::{TestProgress, TestSignIn},
    token_hash::TokenHash,
};
use gatewright_store::{project, test_sign_in, user_source};

use crate::{
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    a_test_is_found_by_its_page_and_within_its_project_and_source,
    a_test_that_succeeded_stays_as_it_is,
    a_test_and_its_results_are_deleted_after_it_expires,
    a_project_has_a_limited_number_of_tests,
    a_test_goes_with_its_source_and_its_project,
);

const ROOM: u32 = 100;

fn new_test(world: &World, setting: &Setting) -> TestSignIn {
    TestSignIn {
        id: TestSignInId::generate(&*world.clock, &*world.entropy),
        project_id: setting.project.id,
        user_source_id: setting.source.id,
        started_by: "operator".to_owned(),
        page_hash: TokenHash::of(&format!("page {}", world.number())),
        progress: TestProgress::Waiting,
        created_at: world.now(),
        expires_at: world.now().plus(Duration::from_mins(10)),
    }
}

async fn started(world: &World, setting: &Setting) -> TestSignIn {
    let test = new_test(world, setting);
    assert!(commit!(world, tx => test_sign_in::insert(tx, &test, ROOM)));
    test
}

async fn found(world: &World, test: &TestSignIn) -> Option<TestSignIn> {
    look!(world, tx => test_sign_in::find(tx, test.project_id, test.user_source_id, test.id, world.now()))
}

async fn note(world: &World, test: &TestSignIn, progress: &TestProgress) -> bool {
    commit!(world, tx => test_sign_in::note(tx, test.project_id, test.id, progress, world.now()))
}

fn sealed(text: &str) -> SealedText {
    SealedText(format!("v1.k.{text}"))
}

async fn a_test_is_found_by_its_page_and_within_its_project_and_source(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let test = started(&world, &setting).await;
    assert_eq!(found(&world, &test).await, Some(test.clone()));
    let page = look!(world, tx => test_sign_in::find_by_page(tx, test.page_hash, world.now()));
    assert_eq!(page, Some(test.clone()));
    let wrong = TokenHash::of("another page");
    assert_eq!(
        look!(world, tx => test_sign_in::find_by_page(tx, wrong, world.now())),
        None
    );
    let elsewhere = TestSignIn {
        project_id: other.project.id,
        ..test.clone()
    };
    assert_eq!(found(&world, &elsewhere).await, None);
    assert!(!note(&world, &elsewhere, &TestProgress::AtProvider).await);
    let of_other_source = TestSignIn {
        user_source_id: other.source.id,
        ..test.clone()
    };
    assert_eq!(found(&world, &of_other_source).await, None);
    assert_eq!(found(&world, &test).await, Some(test));
}

async fn a_test_that_succeeded_stays_as_it_is(world: World) {
    let setting = world.setting().await;
    let test = started(&world, &setting).await;
    let steps = [
        TestProgress::AtProvider,
        TestProgress::Failed(sealed("why")),
        TestProgress::AtProvider,
        TestProgress::Succeeded(sealed("claims")),
    ];
    for progress in &steps {
        assert!(note(&world, &test, progress).await, "{progress:?}");
        assert_eq!(found(&world, &test).await.unwrap().progress, *progress);
    }
    for progress in &steps {
        assert!(!note(&world, &test, progress).await, "{progress:?}");
    }
    let kept = found(&world, &test).await.unwrap().progress;
    assert_eq!(kept, TestProgress::Succeeded(sealed("claims")));
}

async fn a_test_and_its_results_are_deleted_after_it_expires(world: World) {
    let setting = world.setting().await;
    let test = started(&world, &setting).await;
    assert!(note(&world, &test, &TestProgress::Succeeded(sealed("claims"))).await);
    let after = TestSignIn {
        expires_at: test.expires_at.plus(Duration::from_secs(1)),
        ..new_test(&world, &setting)
    };
    assert!(commit!(world, tx => test_sign_in::insert(tx, &after, ROOM)));
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(found(&world, &test).await, None);
    assert_eq!(
        look!(world, tx => test_sign_in::find_by_page(tx, test.page_hash, world.now())),
        None
    );
    assert!(!note(&world, &test, &TestProgress::AtProvider).await);
    assert_eq!(commit!(world, tx => test_sign_in::prune(tx, world.now(), 10)), 1);
    // Even a clock that goes back finds nothing: the row itself was deleted.
    let earlier = test.created_at;
    assert_eq!(
        look!(world, tx => test_sign_in::find_by_page(tx, test.page_hash, earlier)),
        None
    );
    assert!(found(&world, &after).await.is_some());
}

async fn a_project_has_a_limited_number_of_tests(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    for _ in 0..2 {
        let test = new_test(&world, &setting);
        assert!(commit!(world, tx => test_sign_in::insert(tx, &test, 2)));
    }
    let (third, elsewhere) = (new_test(&world, &setting), new_test(&world, &other));
    assert!(!commit!(world, tx => test_sign_in::insert(tx, &third, 2)));
    assert_eq!(found(&world, &third).await, None);
    assert!(commit!(world, tx => test_sign_in::insert(tx, &elsewhere, 2)));
    world.clock.advance(Duration::from_mins(10));
    let later = new_test(&world, &setting);
    assert!(commit!(world, tx => test_sign_in::insert(tx, &later, 2)));
}

async fn a_test_goes_with_its_source_and_its_project(world: World) {
    let (one, other) = (world.setting().await, world.setting().await);
    let spare = world.source(one.project.id).await;
    let of_spare = Setting {
        source: spare.clone(),
        ..one.clone()
    };
    let (of_source, of_project) = (started(&world, &of_spare).await, started(&world, &other).await);
    commit!(world, tx => user_source::delete(tx, one.project.id, spare.id));
    assert_eq!(found(&world, &of_source).await, None);
    assert!(found(&world, &of_project).await.is_some());
    commit!(world, tx => project::delete(tx, other.project.id));
    assert_eq!(found(&world, &of_project).await, None);
}
