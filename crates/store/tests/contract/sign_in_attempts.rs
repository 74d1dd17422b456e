//! Attempts to sign in: parts are merged from any process, room is bounded, and they are deleted with what they depend on.

use std::time::Duration;

use gatewright_domain::{
    id::AttemptId,
    reference::Reference,
    sign_in_attempt::{AttemptHead, AttemptPart, Outcome, Progress, Step, StepRecord},
};
use gatewright_store::{
    PageRequest, gateway, project,
    sign_in_attempt::{self, AttemptFilter},
    user, user_source,
};

use crate::{
    fixtures::Setting,
    world::{World, commit, contract, look},
};

contract!(
    parts_of_one_attempt_are_merged_in_any_order,
    two_replicas_write_one_whole_attempt,
    success_is_final_and_a_failure_is_not,
    an_attempt_grows_only_so_far,
    lists_are_filtered_and_come_in_pages,
    another_project_finds_nothing,
    each_outcome_has_its_own_room,
    old_attempts_are_deleted,
    an_attempt_is_deleted_with_what_it_depends_on,
    a_deleted_user_leaves_no_subject,
);

fn new_part(world: &World, setting: &Setting, steps: &[Step]) -> AttemptPart {
    let mut part = AttemptPart {
        head: AttemptHead {
            id: AttemptId::generate(&*world.clock, &*world.entropy),
            project_id: setting.project.id,
            gateway_id: setting.gateway.id,
            user_source_id: Some(setting.source.id),
            reference: Some(Reference::of(world.number().rotate_right(32))),
            client_id: "client".to_owned(),
            client_name: "Client".to_owned(),
            started_at: world.now(),
        },
        user_id: None,
        progress: Progress::InProgress,
        updated_at: world.now(),
        steps: Vec::new(),
    };
    for step in steps {
        part.add(StepRecord::done(*step, world.now()));
    }
    part
}

/// The same attempt, as a process sees it that knows only its grant.
fn later_part(world: &World, first: &AttemptPart, record: StepRecord) -> AttemptPart {
    let mut part = AttemptPart {
        head: AttemptHead {
            reference: None,
            ..first.head.clone()
        },
        steps: Vec::new(),
        updated_at: world.now(),
        ..first.clone()
    };
    part.add(record);
    part
}

async fn added(world: &World, part: &AttemptPart) -> bool {
    commit!(world, tx => sign_in_attempt::add(tx, part))
}

async fn stored(world: &World, part: &AttemptPart) -> AttemptPart {
    let (project, id) = (part.head.project_id, part.head.id);
    let found = look!(world, tx => sign_in_attempt::find(tx, project, id));
    found.unwrap().part
}

fn page(after: Option<String>, limit: u32) -> PageRequest {
    PageRequest { after, limit }
}

async fn parts_of_one_attempt_are_merged_in_any_order(world: World) {
    let setting = world.setting().await;
    let first = new_part(&world, &setting, &[Step::Authorize, Step::Redirect]);
    world.clock.advance(Duration::from_secs(5));
    let mut second = later_part(&world, &first, StepRecord::done(Step::Token, world.now()));
    second.user_id = Some(setting.user.id);
    second.progress = Progress::Succeeded;
    let mut expected = first.clone();
    expected.steps.extend(second.steps.clone());
    expected.user_id = Some(setting.user.id);
    expected.progress = Progress::Succeeded;
    expected.updated_at = second.updated_at;
    assert!(added(&world, &second).await);
    assert_eq!(stored(&world, &second).await, second);
    assert!(added(&world, &first).await);
    assert_eq!(stored(&world, &first).await, expected);
    let id = first.head.id;
    let found = look!(world, tx => sign_in_attempt::find(tx, setting.project.id, id)).unwrap();
    assert_eq!(found.subject, Some(setting.user.key.subject.clone()));
    assert!(found.stored);
}

async fn two_replicas_write_one_whole_attempt(world: World) {
    let setting = world.setting().await;
    let mut other = world.clone();
    other.store = world.replica().await;
    let parts: Vec<_> = (0..20)
        .map(|_| new_part(&world, &setting, &[Step::Redirect]))
        .collect();
    let write = |world: World, step: Step| {
        let parts = parts.clone();
        async move {
            for part in &parts {
                let part = later_part(&world, part, StepRecord::done(step, world.now()));
                let mut tx = world.write().await;
                sign_in_attempt::add(&mut tx, &part).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    };
    let one = tokio::spawn(write(world.clone(), Step::Callback));
    let two = tokio::spawn(write(other.clone(), Step::Token));
    one.await.unwrap();
    two.await.unwrap();
    for part in &parts {
        let mut steps: Vec<_> = stored(&world, part)
            .await
            .steps
            .iter()
            .map(|step| step.step)
            .collect();
        steps.sort_unstable();
        assert_eq!(steps, [Step::Callback, Step::Token]);
    }
    other.store.close().await;
}

async fn success_is_final_and_a_failure_is_not(world: World) {
    let setting = world.setting().await;
    let first = new_part(&world, &setting, &[Step::Redirect]);
    let failed = || StepRecord::done(Step::Callback, world.now()).failed("why", "what to do");
    for (part, expected) in [
        (first.clone(), Progress::InProgress),
        (later_part(&world, &first, failed()), Progress::Failed),
        (
            later_part(&world, &first, StepRecord::done(Step::Code, world.now())),
            Progress::Failed,
        ),
        (
            AttemptPart {
                progress: Progress::Succeeded,
                ..later_part(&world, &first, StepRecord::done(Step::Token, world.now()))
            },
            Progress::Succeeded,
        ),
        (later_part(&world, &first, failed()), Progress::Succeeded),
    ] {
        assert!(added(&world, &part).await);
        assert_eq!(stored(&world, &first).await.progress, expected);
    }
    assert_eq!(stored(&world, &first).await.steps.len(), 5);
}

async fn an_attempt_grows_only_so_far(world: World) {
    let setting = world.setting().await;
    let first = new_part(&world, &setting, &[Step::Redirect]);
    let detail = "x".repeat(300);
    for _ in 0..100 {
        let record = StepRecord::done(Step::Callback, world.now()).with_detail(&detail);
        assert!(added(&world, &later_part(&world, &first, record)).await);
    }
    let steps = stored(&world, &first).await.steps.len();
    assert!((30..60).contains(&steps), "{steps}");
}

async fn lists_are_filtered_and_come_in_pages(world: World) {
    let setting = world.setting().await;
    let mut other = setting.clone();
    other.source = world.source(setting.project.id).await;
    other.gateway = world.gateway(&other.source).await;
    let given_up = new_part(&world, &setting, &[Step::Redirect]);
    world.clock.advance(Duration::from_mins(20));
    let open = new_part(&world, &other, &[Step::Redirect]);
    world.clock.advance(Duration::from_secs(1));
    let mut failed = new_part(&world, &setting, &[]);
    failed.add(StepRecord::done(Step::IdToken, world.now()).failed("why", "what to do"));
    world.clock.advance(Duration::from_secs(1));
    let mut good = new_part(&world, &setting, &[Step::Token]);
    good.progress = Progress::Succeeded;
    good.user_id = Some(setting.user.id);
    let all = [&good, &failed, &open, &given_up];
    for part in all {
        assert!(added(&world, part).await);
    }
    let ids = async |filter: AttemptFilter| {
        let project = setting.project.id;
        let listed =
            look!(world, tx => sign_in_attempt::list(tx, project, &filter, world.now(), &page(None, 50)));
        let ids: Vec<_> = listed.items.iter().map(|attempt| attempt.part.head.id).collect();
        ids
    };
    let of = |parts: &[&AttemptPart]| parts.iter().map(|part| part.head.id).collect::<Vec<_>>();
    let filter = AttemptFilter::default;
    assert_eq!(ids(filter()).await, of(&all));
    let only = AttemptFilter {
        gateway_id: Some(other.gateway.id),
        ..filter()
    };
    assert_eq!(ids(only).await, of(&[&open]));
    let only = AttemptFilter {
        user_source_id: Some(setting.source.id),
        ..filter()
    };
    assert_eq!(ids(only).await, of(&[&good, &failed, &given_up]));
    let only = AttemptFilter {
        user_id: Some(setting.user.id),
        ..filter()
    };
    assert_eq!(ids(only).await, of(&[&good]));
    let only = AttemptFilter {
        reference: failed.head.reference,
        ..filter()
    };
    assert_eq!(ids(only).await, of(&[&failed]));
    for (outcome, expected) in [
        (Outcome::InProgress, &open),
        (Outcome::Abandoned, &given_up),
        (Outcome::Failed, &failed),
        (Outcome::Succeeded, &good),
    ] {
        let only = AttemptFilter {
            outcome: Some(outcome),
            ..filter()
        };
        assert_eq!(ids(only).await, of(&[expected]), "{outcome:?}");
    }
    let project = setting.project.id;
    let first =
        look!(world, tx => sign_in_attempt::list(tx, project, &filter(), world.now(), &page(None, 3)));
    assert_eq!(first.items.len(), 3);
    let rest =
        look!(world, tx => sign_in_attempt::list(tx, project, &filter(), world.now(), &page(first.next, 3)));
    assert_eq!((rest.items.len(), rest.next), (1, None));
}

async fn another_project_finds_nothing(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let part = new_part(&world, &setting, &[Step::Redirect]);
    assert!(added(&world, &part).await);
    let project = other.project.id;
    let id = part.head.id;
    assert!(look!(world, tx => sign_in_attempt::find(tx, project, id)).is_none());
    let filter = AttemptFilter {
        reference: part.head.reference,
        ..AttemptFilter::default()
    };
    let listed =
        look!(world, tx => sign_in_attempt::list(tx, project, &filter, world.now(), &page(None, 50)));
    assert!(listed.items.is_empty());
    // A part that names a gateway or source of another project creates nothing.
    let mut foreign = new_part(&world, &setting, &[Step::Redirect]);
    foreign.head.project_id = other.project.id;
    assert!(!added(&world, &foreign).await);
    foreign.head.gateway_id = other.gateway.id;
    assert!(!added(&world, &foreign).await);
    foreign.head.user_source_id = None;
    assert!(added(&world, &foreign).await);
}

async fn each_outcome_has_its_own_room(world: World) {
    let (setting, other) = (world.setting().await, world.setting().await);
    let mut failed = new_part(&world, &setting, &[]);
    failed.add(StepRecord::done(Step::IdToken, world.now()).failed("why", "what to do"));
    assert!(added(&world, &failed).await);
    let elsewhere = new_part(&world, &other, &[Step::Redirect]);
    assert!(added(&world, &elsewhere).await);
    let mut newest = Vec::new();
    for _ in 0..8 {
        world.clock.advance(Duration::from_secs(1));
        let part = new_part(&world, &setting, &[Step::Redirect]);
        assert!(added(&world, &part).await);
        newest.insert(0, part.head.id);
    }
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    for (limit, gone) in [(3, 3), (10, 2), (10, 0)] {
        let evicted = commit!(world, tx => sign_in_attempt::evict(tx, project, gateway, Progress::InProgress, 3, limit));
        assert_eq!(evicted, gone);
    }
    let filter = AttemptFilter::default();
    let left = look!(world, tx => sign_in_attempt::list(tx, project, &filter, world.now(), &page(None, 50)));
    let left: Vec<_> = left.items.iter().map(|attempt| attempt.part.head.id).collect();
    newest.truncate(3);
    newest.push(failed.head.id);
    assert_eq!(left, newest);
    assert_eq!(stored(&world, &elsewhere).await, elsewhere);
}

async fn old_attempts_are_deleted(world: World) {
    let setting = world.setting().await;
    let old = new_part(&world, &setting, &[Step::Redirect]);
    assert!(added(&world, &old).await);
    world.clock.advance(Duration::from_hours(1));
    let new = new_part(&world, &setting, &[Step::Redirect]);
    assert!(added(&world, &new).await);
    assert_eq!(
        commit!(world, tx => sign_in_attempt::prune(tx, new.updated_at, 10)),
        1
    );
    let id = old.head.id;
    assert!(look!(world, tx => sign_in_attempt::find(tx, setting.project.id, id)).is_none());
    assert_eq!(stored(&world, &new).await, new);
}

async fn an_attempt_is_deleted_with_what_it_depends_on(world: World) {
    let setting = world.setting().await;
    let (project_id, gateway_id) = (setting.project.id, setting.gateway.id);
    let mut of_gateway = setting.clone();
    of_gateway.gateway = world.gateway(&setting.source).await;
    let mut of_source = setting.clone();
    of_source.source = world.source(project_id).await;
    let parts = [
        new_part(&world, &of_gateway, &[Step::Redirect]),
        new_part(&world, &of_source, &[Step::Redirect]),
        new_part(&world, &setting, &[Step::Redirect]),
    ];
    let left = async || {
        let filter = AttemptFilter::default();
        let listed =
            look!(world, tx => sign_in_attempt::list(tx, project_id, &filter, world.now(), &page(None, 50)));
        listed.items.len()
    };
    for part in &parts {
        assert!(added(&world, part).await);
    }
    assert_eq!(left().await, 3);
    let id = of_gateway.gateway.id;
    assert!(commit!(world, tx => gateway::delete(tx, project_id, id)));
    assert_eq!(left().await, 2);
    let id = of_source.source.id;
    commit!(world, tx => user_source::delete(tx, project_id, id));
    assert_eq!(left().await, 1);
    // Late parts for deleted objects are not written.
    for part in &parts[..2] {
        assert!(!added(&world, part).await);
    }
    assert!(added(&world, &parts[2]).await);
    assert_eq!(left().await, 1);
    assert!(commit!(world, tx => project::delete(tx, project_id)));
    assert_eq!(left().await, 0);
    assert!(!added(&world, &parts[2]).await);
    assert_eq!(
        commit!(world, tx => sign_in_attempt::evict(tx, project_id, gateway_id, Progress::InProgress, 0, 9)),
        0
    );
}

async fn a_deleted_user_leaves_no_subject(world: World) {
    let setting = world.setting().await;
    let mut part = new_part(&world, &setting, &[Step::Token]);
    part.user_id = Some(setting.user.id);
    assert!(added(&world, &part).await);
    let (project, user) = (setting.project.id, setting.user.id);
    assert!(commit!(world, tx => user::delete(tx, project, user, world.now())));
    let id = part.head.id;
    let found = look!(world, tx => sign_in_attempt::find(tx, project, id)).unwrap();
    assert_eq!((found.subject, found.part.user_id), (None, None));
    assert_eq!(found.part.steps, part.steps);
}
