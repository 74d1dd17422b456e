//! Who starts test sign-ins of a User Source and reads them.

use std::time::Duration;

use gatewright_domain::{
    api_key::{KeyRole, KeyScope},
    entropy::SystemEntropy,
    id::{ProjectId, UserSourceId},
    testing,
};
use gatewright_gateway::relying_party::testing::{Test, World};
use url::Url;

use super::app;
use crate::service::{Authority, ServiceError, user_sources::test_sign_ins as service};

/// A key of this role, of the project of the world or of another.
fn authority(world: &World, role: KeyRole, project: Option<ProjectId>) -> Authority {
    let scope = KeyScope::Project {
        project_id: project.unwrap_or(world.source.project_id),
        role,
        gateway_id: None,
    };
    let key = testing::api_key(scope, world.app.now(), "key");
    Authority::of_key(&key, None).unwrap()
}

fn is_not_found<T: std::fmt::Debug>(result: &Result<T, ServiceError>) -> bool {
    matches!(result, Err(ServiceError::NotFound { .. }))
}

#[tokio::test]
async fn only_the_starter_reads_a_test() {
    let world = World::new().await;
    let app = app(&world.app);
    let (project, source) = (world.source.project_id, world.source.id);
    let starter = authority(&world, KeyRole::Admin, None);
    let begun = service::start(&app, &starter, project, source).await.unwrap();
    let test = Test {
        id: begun.test.id,
        path: Url::parse(&begun.url).unwrap().path().to_owned(),
    };
    world.click_and_come_back(&test).await;
    let elsewhere = ProjectId::generate(world.app.clock.as_ref(), &SystemEntropy);
    for who in [
        authority(&world, KeyRole::Admin, None),
        authority(&world, KeyRole::Owner, None),
        authority(&world, KeyRole::Viewer, None),
        authority(&world, KeyRole::Owner, Some(elsewhere)),
    ] {
        let read = service::find(&app, &who, project, source, test.id).await;
        assert!(is_not_found(&read));
    }
    let other_source = UserSourceId::generate(world.app.clock.as_ref(), &SystemEntropy);
    let through_another = service::find(&app, &starter, project, other_source, test.id).await;
    assert!(is_not_found(&through_another));
    let read = service::find(&app, &starter, project, source, test.id)
        .await
        .unwrap();
    assert!(read.report.unwrap().failure.is_none());
}

#[tokio::test]
async fn viewers_and_other_projects_start_no_test() {
    let world = World::new().await;
    let app = &app(&world.app);
    let (project, source) = (world.source.project_id, world.source.id);
    let viewer = authority(&world, KeyRole::Viewer, None);
    let refused = service::start(app, &viewer, project, source).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden(_))));
    let elsewhere = ProjectId::generate(world.app.clock.as_ref(), &SystemEntropy);
    let stranger = authority(&world, KeyRole::Owner, Some(elsewhere));
    assert!(is_not_found(
        &service::start(app, &stranger, project, source).await
    ));
    let admin = authority(&world, KeyRole::Admin, None);
    for _ in 0..50 {
        service::start(app, &admin, project, source).await.unwrap();
    }
    let too_many = service::start(app, &admin, project, source).await;
    assert!(matches!(too_many, Err(ServiceError::Conflict(_))));
    world.advance(Duration::from_mins(10)).await;
    service::start(app, &admin, project, source).await.unwrap();
}
