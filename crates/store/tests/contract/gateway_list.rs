//! The list of gateways: what it shows, and how it is filtered.

use std::time::Duration;

use gatewright_domain::{
    gateway::{Authentication, GatewayStatus, Mode},
    id::ProjectId,
};
use gatewright_store::{
    PageRequest,
    gateway::{self, GatewayWrite},
    gateway_list::{self, GatewayFilter},
    user_source,
};

use crate::world::{World, commit, contract, look};

contract!(
    filters_narrow_a_list_to_this_project,
    pages_follow_each_other,
    a_deleted_source_has_no_name,
);

async fn names(world: &World, project: ProjectId, filter: &GatewayFilter) -> Vec<String> {
    let page = PageRequest::first(50);
    let read = look!(world, tx => gateway_list::list(tx, project, filter, &page));
    let names: Vec<String> = read.items.into_iter().map(|item| item.name).collect();
    let whole = look!(world, tx => gateway::list(tx, project, filter, &page));
    let whole: Vec<String> = whole.items.into_iter().map(|item| item.name).collect();
    assert_eq!(names, whole, "both lists use the same filter");
    names
}

async fn filters_narrow_a_list_to_this_project(world: World) {
    let (setting, stranger) = (world.setting().await, world.setting().await);
    let project = setting.project.id;
    let add = async |name: &str, slug: &str, authentication, status| {
        // IDs show the millisecond.
        world.clock.advance(Duration::from_millis(1));
        let mut gateway = world.new_gateway(project, setting.source.id);
        gateway.name = name.to_owned();
        gateway.slug = slug.to_owned();
        gateway.authentication = authentication;
        gateway.status = status;
        assert_eq!(
            commit!(world, tx => gateway::insert(tx, &gateway)),
            GatewayWrite::Done
        );
    };
    add(
        "Support 100%",
        "Help",
        Authentication::UserSource(setting.source.id),
        GatewayStatus::Inactive,
    )
    .await;
    add(
        "Night_batch",
        "nb",
        Authentication::Headers,
        GatewayStatus::Active,
    )
    .await;
    add(
        "Office",
        "support-office",
        Authentication::ProjectMembers,
        GatewayStatus::Active,
    )
    .await;
    let by_text = |search: &str| GatewayFilter {
        search: search.to_owned(),
        ..GatewayFilter::default()
    };
    let mine = setting.gateway.name.clone();
    assert_eq!(
        names(&world, project, &by_text("")).await,
        [mine.as_str(), "Support 100%", "Night_batch", "Office"]
    );
    assert_eq!(
        names(&world, project, &by_text("SUPPORT")).await,
        ["Support 100%", "Office"]
    );
    assert_eq!(names(&world, project, &by_text("0%")).await, ["Support 100%"]);
    assert_eq!(names(&world, project, &by_text("t_b")).await, ["Night_batch"]);
    assert_eq!(names(&world, project, &by_text("%' OR 1=1")).await, [""; 0]);
    let by_mode = GatewayFilter {
        mode: Some(Mode::Headers),
        ..GatewayFilter::default()
    };
    assert_eq!(names(&world, project, &by_mode).await, ["Night_batch"]);
    let by_both = GatewayFilter {
        search: "help".to_owned(),
        mode: Some(Mode::UserSource),
        status: Some(GatewayStatus::Inactive),
    };
    assert_eq!(names(&world, project, &by_both).await, ["Support 100%"]);
    assert_eq!(
        names(&world, stranger.project.id, &by_text("")).await,
        [stranger.gateway.name.as_str()]
    );
}

async fn pages_follow_each_other(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    for _ in 0..4 {
        let gateway = world.new_gateway(project, setting.source.id);
        assert_eq!(
            commit!(world, tx => gateway::insert(tx, &gateway)),
            GatewayWrite::Done
        );
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { after, limit: 2 };
        let read = look!(world, tx => gateway_list::list(tx, project, &GatewayFilter::default(), &page));
        assert!(read.items.len() <= 2);
        seen.extend(read.items.into_iter().map(|item| item.id));
        match read.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
}

async fn a_deleted_source_has_no_name(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let page = PageRequest::first(2);
    let first = async || {
        let read = look!(world, tx => gateway_list::list(tx, project, &GatewayFilter::default(), &page));
        read.items.into_iter().next().unwrap()
    };
    assert_eq!(first().await.user_source_name, Some(setting.source.name.clone()));
    let mut gateway = setting.gateway.clone();
    gateway.status = GatewayStatus::Inactive;
    assert_eq!(
        commit!(world, tx => gateway::update(tx, &gateway, setting.gateway.updated_at)),
        GatewayWrite::Done
    );
    commit!(world, tx => user_source::delete(tx, project, setting.source.id));
    let left = first().await;
    assert_eq!(
        (left.user_source_id, left.user_source_name),
        (Some(setting.source.id), None)
    );
}
