//! The contents of a project are counted, and nothing of its neighbours.

use gatewright_domain::api_key::{KeyRole, KeyScope};
use gatewright_store::{
    api_key, gateway,
    project_contents::{self, ProjectContents},
    secret,
};

use crate::world::{World, commit, contract, look};

contract!(a_project_counts_what_it_has_and_nothing_else);

async fn a_project_counts_what_it_has_and_nothing_else(world: World) {
    let (full, empty) = (world.project().await, world.project().await);
    let source = world.source(full.id).await;
    world.server(full.id).await;
    world.user(&source).await;
    world.user(&source).await;
    let gateway = world.new_gateway(full.id, source.id);
    commit!(world, tx => gateway::insert(tx, &gateway));
    let stored = world.new_secret(full.id);
    commit!(world, tx => secret::insert(tx, &stored));
    let of_project = |role| KeyScope::Project {
        project_id: full.id,
        role,
        gateway_id: None,
    };
    let (kept, revoked) = (
        world.new_key(of_project(KeyRole::Viewer)),
        world.new_key(of_project(KeyRole::Admin)),
    );
    for key in [&kept, &revoked] {
        commit!(world, tx => api_key::insert(tx, key));
    }
    commit!(world, tx => api_key::revoke(tx, Some(full.id), revoked.id, world.now()));
    let counted = look!(world, tx => project_contents::count(tx, full.id));
    assert_eq!(
        counted,
        ProjectContents {
            gateways: 1,
            user_sources: 1,
            servers: 1,
            secrets: 1,
            users: 2,
            api_keys: 1,
            members: 0,
        }
    );
    let counted = look!(world, tx => project_contents::count(tx, empty.id));
    assert_eq!(counted, ProjectContents::default());
}
