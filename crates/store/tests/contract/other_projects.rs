//! An ID does not open what belongs to another project: nothing is found, nothing is changed.

use std::time::Duration;

use gatewright_domain::{
    api_key::{KeyRole, KeyScope},
    audit::ActorKind,
    grant::RevocationReason,
    id::ProjectId,
    member::Role,
    registration::SecretMethod,
    user::UserStatus,
};
use gatewright_store::{
    api_key, client_block, client_use,
    gateway::{self, GatewayWrite},
    grant::{self, Holder},
    held_grants, invitation,
    member::{self, MemberWrite},
    preregistered_client, project_contents, secret,
    server::{self, ServerDelete},
    user,
    user_source::{self, Guarded},
};

use crate::{
    clients::{block, client},
    fixtures::{CLIENT, Setting},
    world::{World, commit, contract, look},
};

contract!(
    a_source_of_another_project_is_not_reached,
    a_gateway_of_another_project_is_not_reached,
    a_server_and_a_secret_of_another_project_are_not_reached,
    users_and_grants_of_another_project_are_not_reached,
    clients_of_another_project_are_not_reached,
    keys_and_people_of_another_project_are_not_reached,
);

/// Someone's setting, and the ID of another project.
async fn two_projects(world: &World) -> (Setting, ProjectId) {
    (world.setting().await, world.setting().await.project.id)
}

async fn a_source_of_another_project_is_not_reached(world: World) {
    let (Setting { source, .. }, other) = two_projects(&world).await;
    let (id, now, secret) = (source.id, world.now(), &source.client_secret.current);
    assert_eq!(look!(world, tx => user_source::find(tx, other, id)), None);
    assert_eq!(
        commit!(world, tx => user_source::find_and_hold(tx, other, id)),
        None
    );
    assert!(!commit!(world, tx => user_source::activate(tx, other, id, now)));
    for guarded in [
        commit!(world, tx => user_source::deactivate(tx, other, id, now)),
        commit!(world, tx => user_source::delete(tx, other, id)),
    ] {
        assert_eq!(guarded, Guarded::NotFound);
    }
    assert!(!commit!(world, tx => user_source::note_secret_accepted(tx, other, id, secret, now)));
    assert!(!commit!(world, tx => user_source::note_secret_refused(tx, other, id, secret, now)));
    let epoch = source.identity_epoch;
    let method = SecretMethod::Post;
    assert!(!commit!(world, tx => user_source::note_method_worked(tx, other, id, epoch, method)));
    let mut moved = source.clone();
    moved.project_id = other;
    moved.updated_at = now.plus(Duration::from_secs(1));
    assert!(!commit!(world, tx => user_source::update(tx, &moved, &source)));
    assert_eq!(
        look!(world, tx => user_source::find(tx, source.project_id, id)),
        Some(source)
    );
}

async fn a_gateway_of_another_project_is_not_reached(world: World) {
    let (Setting { gateway, source, .. }, other) = two_projects(&world).await;
    let (id, now) = (gateway.id, world.now());
    assert_eq!(look!(world, tx => gateway::find(tx, other, id)), None);
    assert!(!commit!(world, tx => gateway::hold(tx, other, id)));
    assert!(!commit!(world, tx => gateway::delete(tx, other, id)));
    assert!(look!(world, tx => gateway::list_of_user_source(tx, other, source.id)).is_empty());
    let counts = look!(world, tx => gateway::count_of_user_sources(tx, other, source.id, source.id));
    assert!(counts.is_empty());
    let mut moved = gateway.clone();
    moved.project_id = other;
    moved.updated_at = now.plus(Duration::from_secs(1));
    let mut tx = world.write().await;
    let written = gateway::update(&mut tx, &moved, gateway.updated_at).await;
    assert_ne!(written.unwrap(), GatewayWrite::Done);
    drop(tx);
    assert_eq!(
        look!(world, tx => gateway::find(tx, gateway.project_id, id)),
        Some(gateway)
    );
}

async fn a_server_and_a_secret_of_another_project_are_not_reached(world: World) {
    let (Setting { project, .. }, other) = two_projects(&world).await;
    let stored = world.server(project.id).await;
    assert_eq!(look!(world, tx => server::find(tx, other, stored.id)), None);
    assert_eq!(
        commit!(world, tx => server::delete(tx, other, stored.id)),
        ServerDelete::NotFound
    );
    assert!(look!(world, tx => server::list_using_gateways(tx, other, stored.id, 9)).is_empty());
    let mut moved = stored.clone();
    moved.project_id = other;
    moved.updated_at = world.now().plus(Duration::from_secs(1));
    assert!(!commit!(world, tx => server::update(tx, &moved, stored.updated_at)));
    assert_eq!(
        look!(world, tx => server::find(tx, project.id, stored.id)),
        Some(stored)
    );

    let kept = world.new_secret(project.id);
    commit!(world, tx => secret::insert(tx, &kept));
    assert_eq!(look!(world, tx => secret::find(tx, other, kept.id)), None);
    assert_eq!(
        commit!(world, tx => secret::find_and_hold(tx, other, kept.id)),
        None
    );
    assert!(!commit!(world, tx => secret::delete(tx, other, kept.id)));
    let mut moved = kept.clone();
    moved.project_id = other;
    moved.updated_at = world.now().plus(Duration::from_secs(1));
    assert!(!commit!(world, tx => secret::update(tx, &moved, &kept)));
    assert_eq!(
        look!(world, tx => secret::find(tx, project.id, kept.id)),
        Some(kept)
    );
}

async fn users_and_grants_of_another_project_are_not_reached(world: World) {
    let (setting, other) = two_projects(&world).await;
    let (project, id, now) = (setting.project.id, setting.user.id, world.now());
    let kept = setting.grant(&world).await;
    assert_eq!(look!(world, tx => user::find(tx, other, id)), None);
    assert!(!commit!(world, tx => user::set_status(tx, other, id, UserStatus::Blocked)));
    commit!(world, tx => user::forget_email(tx, other, id));
    assert!(!commit!(world, tx => user::delete(tx, other, id, now)));
    assert_eq!(
        look!(world, tx => user::find(tx, project, id)),
        Some(setting.user.clone())
    );

    let (holder, reason) = (Holder::User(id), RevocationReason::Administrator);
    let found = look!(world, tx => grant::find_unrevoked(tx, other, holder, kept.id));
    assert_eq!(found, None);
    assert!(!commit!(world, tx => grant::revoke(tx, other, kept.id, reason, now)));
    let gateway = setting.gateway.id;
    for ended in [
        commit!(world, tx => grant::revoke_of(tx, other, holder, reason, now)),
        commit!(world, tx => grant::revoke_of_gateway(tx, other, gateway, reason, now)),
        commit!(world, tx => grant::revoke_of_client(tx, other, gateway, CLIENT, reason, now)),
    ] {
        assert_eq!(ended, 0);
    }
    for held in [
        look!(world, tx => held_grants::count_of_user(tx, other, id, now)),
        look!(world, tx => held_grants::count_of_gateway(tx, other, gateway, now)),
        look!(world, tx => held_grants::count_of_user_source(tx, other, setting.source.id, now)),
    ] {
        assert_eq!((held.live, held.asleep), (0, 0));
    }
    assert_eq!(look!(world, tx => grant::find(tx, gateway, kept.id)), Some(kept));
}

async fn clients_of_another_project_are_not_reached(world: World) {
    let (setting, other) = two_projects(&world).await;
    let (project, gateway) = (setting.project.id, setting.gateway.id);
    let registered = client(&world, &setting, "Ticket desk");
    commit!(world, tx => preregistered_client::insert(tx, &registered));
    let id = registered.id;
    assert_eq!(
        look!(world, tx => preregistered_client::find(tx, other, gateway, id)),
        None
    );
    assert!(!commit!(world, tx => preregistered_client::hold(tx, other, gateway, id)));
    assert!(!commit!(world, tx => preregistered_client::delete(tx, other, gateway, id)));
    assert_eq!(
        look!(world, tx => preregistered_client::find(tx, project, gateway, id)),
        Some(registered)
    );

    setting.grant(&world).await;
    let name = look!(world, tx => client_use::name_of(tx, other, gateway, CLIENT));
    assert_eq!(name, None);
    let contents = look!(world, tx => project_contents::of_gateway(tx, other, gateway));
    assert_eq!(contents.registered_clients, 0);
    let blocked = block(&world, &setting);
    assert!(commit!(world, tx => client_block::insert(tx, &blocked)));
    assert!(!look!(world, tx => client_block::is_blocked(tx, other, gateway, CLIENT)));
    assert_eq!(
        look!(world, tx => client_block::find(tx, other, gateway, blocked.id)),
        None
    );
    assert!(!commit!(world, tx => client_block::delete(tx, other, gateway, blocked.id)));
    assert!(look!(world, tx => client_block::is_blocked(tx, project, gateway, CLIENT)));
}

async fn keys_and_people_of_another_project_are_not_reached(world: World) {
    let (Setting { project, .. }, other) = two_projects(&world).await;
    let (own, now) = (project.id, world.now());
    let key = world.new_key(KeyScope::Project {
        project_id: own,
        role: KeyRole::Owner,
        gateway_id: None,
    });
    commit!(world, tx => api_key::insert(tx, &key));
    for scope in [Some(other), None] {
        assert_eq!(look!(world, tx => api_key::find(tx, scope, key.id)), None);
        assert!(!commit!(world, tx => api_key::rename(tx, scope, key.id, "Mine")));
        assert!(!commit!(world, tx => api_key::revoke(tx, scope, key.id, now)));
        assert!(!commit!(world, tx => api_key::rotate(tx, scope, key.id, key.id, now, now)));
    }
    assert_eq!(
        look!(world, tx => api_key::find(tx, Some(own), key.id)),
        Some(key)
    );

    let account = world.member(own, Role::Owner).await;
    assert!(look!(world, tx => member::find(tx, other, account.id)).is_none());
    for written in [
        commit!(world, tx => member::change_role(tx, other, account.id, Role::Viewer, now)),
        commit!(world, tx => member::remove(tx, other, account.id)),
    ] {
        assert_eq!(written, MemberWrite::Missing);
    }
    let (found, _) = look!(world, tx => member::find(tx, own, account.id)).unwrap();
    assert_eq!(found.role, Role::Owner);

    let open = world.new_invitation(own, &account.email);
    commit!(world, tx => invitation::insert(tx, &open, ActorKind::Account(account.id)));
    assert!(look!(world, tx => invitation::find(tx, other, open.id)).is_none());
    assert!(!commit!(world, tx => invitation::revoke(tx, other, open.id, now)));
    assert!(look!(world, tx => invitation::find(tx, own, open.id)).is_some());
}
