//! Gateways: slugs are held permanently, and neither source nor server can be missing.

use std::time::Duration;

use gatewright_domain::{
    gateway::{AllowedPrompt, AllowedResource, AllowedTool, Authentication, GatewayStatus},
    id::ServerId,
};
use gatewright_store::{
    directory,
    gateway::{self, GatewayWrite, SlugHolder},
    gateway_list::GatewayFilter,
    user_source::{self, Guarded},
};

use crate::world::{World, commit, contract, look};

contract!(
    slugs_ignore_case,
    a_slug_once_used_comes_back_to_its_project_only,
    source_and_servers_must_be_of_the_project,
    an_active_gateway_needs_an_active_source,
    an_edit_replaces_everything_or_nothing,
    every_mode_is_read_back,
    a_slug_has_a_holder,
);

async fn slugs_ignore_case(world: World) {
    let setting = world.setting().await;
    let mut second = world.new_gateway(setting.project.id, setting.source.id);
    second.slug = setting.gateway.slug.to_uppercase();
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &second)),
        GatewayWrite::SlugTaken
    );
    assert_eq!(
        look!(world, tx => gateway::find(tx, setting.project.id, second.id)),
        None
    );

    second.slug = String::from("free");
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &second)),
        GatewayWrite::Done
    );
    let mut renamed = second.clone();
    renamed.slug = setting.gateway.slug.to_lowercase();
    let mut tx = world.write().await;
    let outcome = gateway::update(&mut tx, &renamed, second.updated_at)
        .await
        .unwrap();
    assert_eq!(outcome, GatewayWrite::SlugTaken);
    drop(tx);
    // Its own slug in another case is not a conflict.
    renamed.slug = String::from("FREE");
    assert_eq!(
        commit!(world, tx => gateway::update(tx, &renamed, second.updated_at)),
        GatewayWrite::Done
    );
}

async fn a_slug_once_used_comes_back_to_its_project_only(world: World) {
    let (setting, stranger) = (world.setting().await, world.setting().await);
    assert!(commit!(world, tx => gateway::delete(tx, setting.project.id, setting.gateway.id)));
    let mut theirs = world.new_gateway(stranger.project.id, stranger.source.id);
    theirs.slug = setting.gateway.slug.to_uppercase();
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &theirs)),
        GatewayWrite::SlugTaken
    );
    let mut ours = world.new_gateway(setting.project.id, setting.source.id);
    ours.slug.clone_from(&setting.gateway.slug);
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &ours)),
        GatewayWrite::Done
    );
    // Not even after the project was deleted.
    assert!(commit!(world, tx => gatewright_store::project::delete(tx, setting.project.id)));
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &theirs)),
        GatewayWrite::SlugTaken
    );
    theirs.slug = String::from("something-else");
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &theirs)),
        GatewayWrite::Done
    );
}

async fn source_and_servers_must_be_of_the_project(world: World) {
    let (here, elsewhere) = (world.setting().await, world.setting().await);
    let mut gateway = world.new_gateway(here.project.id, elsewhere.source.id);
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &gateway)),
        GatewayWrite::SourceNotFound
    );
    gateway.authentication = Authentication::UserSource(here.source.id);
    let foreign = world.server(elsewhere.project.id).await;
    let unknown = ServerId::generate(&*world.clock, &*world.entropy);
    for server in [foreign.id, unknown] {
        gateway.servers = vec![server];
        gateway.allowed_tools = Vec::new();
        let refused = GatewayWrite::ServerNotFound(server);
        assert_eq!(commit!(world, tx => gateway::insert(tx, &gateway)), refused);
        gateway.servers = Vec::new();
        gateway.allowed_tools = vec![AllowedTool {
            server,
            tool: "search".to_owned(),
        }];
        assert_eq!(commit!(world, tx => gateway::insert(tx, &gateway)), refused);
        gateway.allowed_tools = Vec::new();
        gateway.allowed_prompts = vec![AllowedPrompt {
            server,
            prompt: "ask".to_owned(),
        }];
        assert_eq!(commit!(world, tx => gateway::insert(tx, &gateway)), refused);
        gateway.allowed_prompts = Vec::new();
        gateway.allowed_resources = vec![AllowedResource {
            server,
            uri: "file:///a".to_owned(),
        }];
        assert_eq!(commit!(world, tx => gateway::insert(tx, &gateway)), refused);
        gateway.allowed_resources = Vec::new();
    }
    gateway.servers = vec![world.server(here.project.id).await.id];
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &gateway)),
        GatewayWrite::Done
    );
    let mut moved = gateway.clone();
    moved.authentication = Authentication::UserSource(elsewhere.source.id);
    let mut tx = world.write().await;
    let outcome = gateway::update(&mut tx, &moved, gateway.updated_at)
        .await
        .unwrap();
    assert_eq!(outcome, GatewayWrite::SourceNotFound);
}

async fn an_active_gateway_needs_an_active_source(world: World) {
    let project = world.project().await;
    let source = world.source(project.id).await;
    let deactivated = commit!(world, tx => user_source::deactivate(tx, project.id, source.id, world.now()));
    assert_eq!(deactivated, Guarded::Done);
    let mut gateway = world.new_gateway(project.id, source.id);
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &gateway)),
        GatewayWrite::SourceInactive
    );
    gateway.status = GatewayStatus::Inactive;
    assert_eq!(
        commit!(world, tx => gateway::insert(tx, &gateway)),
        GatewayWrite::Done
    );
    let mut active = gateway.clone();
    active.status = GatewayStatus::Active;
    let refused = commit!(world, tx => gateway::update(tx, &active, gateway.updated_at));
    assert_eq!(refused, GatewayWrite::SourceInactive);
    assert!(commit!(world, tx => user_source::activate(tx, project.id, source.id, world.now())));
    let done = commit!(world, tx => gateway::update(tx, &active, gateway.updated_at));
    assert_eq!(done, GatewayWrite::Done);
}

async fn an_edit_replaces_everything_or_nothing(world: World) {
    let setting = world.setting().await;
    let project = setting.project.id;
    let servers = [world.server(project).await.id, world.server(project).await.id];
    world.clock.advance(Duration::from_secs(1));
    let mut edited = setting.gateway.clone();
    edited.name = String::from("Edited");
    edited.instructions = String::from("Be brief.");
    edited.servers = vec![servers[1], servers[0]];
    edited.allowed_tools = vec![AllowedTool {
        server: servers[0],
        tool: "search".to_owned(),
    }];
    edited.offers.prompts = false;
    edited.allowed_prompts = vec![AllowedPrompt {
        server: servers[1],
        prompt: "ask".to_owned(),
    }];
    edited.allowed_resources = vec![AllowedResource {
        server: servers[1],
        uri: "db://{table}/{row}".to_owned(),
    }];
    edited.settings.access_token_seconds = 600;
    edited.trusted_clients = Vec::new();
    edited.updated_at = world.now();
    let seen = setting.gateway.updated_at;
    assert_eq!(
        commit!(world, tx => gateway::update(tx, &edited, seen)),
        GatewayWrite::Done
    );
    assert_eq!(
        look!(world, tx => gateway::find(tx, project, edited.id)),
        Some(edited.clone())
    );
    assert_eq!(
        commit!(world, tx => gateway::update(tx, &setting.gateway, seen)),
        GatewayWrite::Stale
    );
    assert_eq!(
        look!(world, tx => gateway::find(tx, project, edited.id)),
        Some(edited.clone())
    );

    let mut off = edited.clone();
    off.status = GatewayStatus::Inactive;
    assert_eq!(
        commit!(world, tx => gateway::update(tx, &off, edited.updated_at)),
        GatewayWrite::Done
    );
    assert!(look!(world, tx => directory::read(tx)).gateways.is_empty());
}

async fn every_mode_is_read_back(world: World) {
    let setting = world.setting().await;
    let all = gatewright_store::PageRequest::first(200);
    let mut expected = vec![setting.gateway.clone()];
    let server = world.server(setting.project.id).await;
    for authentication in [Authentication::Headers, Authentication::ProjectMembers] {
        world.clock.advance(Duration::from_millis(1));
        let mut gateway = world.new_gateway(setting.project.id, setting.source.id);
        gateway.authentication = authentication;
        gateway.servers = vec![server.id];
        assert_eq!(
            commit!(world, tx => gateway::insert(tx, &gateway)),
            GatewayWrite::Done
        );
        expected.push(gateway);
    }
    assert_eq!(
        look!(world, tx => gateway::list(tx, setting.project.id, &GatewayFilter::default(), &all)).items,
        expected
    );
    assert_eq!(look!(world, tx => directory::read(tx)).gateways, expected);
}

async fn a_slug_has_a_holder(world: World) {
    let setting = world.setting().await;
    let (project, gateway) = (setting.project.id, setting.gateway);
    let shouted = gateway.slug.to_uppercase();
    assert_eq!(
        look!(world, tx => gateway::holder_of_slug(tx, "never-used")),
        SlugHolder::NoOne
    );
    assert_eq!(
        look!(world, tx => gateway::holder_of_slug(tx, &shouted)),
        SlugHolder::Gateway(gateway.id)
    );
    assert!(commit!(world, tx => gateway::delete(tx, project, gateway.id)));
    assert_eq!(
        look!(world, tx => gateway::holder_of_slug(tx, &shouted)),
        SlugHolder::Project(project)
    );
}
