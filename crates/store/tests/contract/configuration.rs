//! Everything that an administrator configures is read back as written, stays inside its project, is not
//! overwritten unseen, and reaches the directory.

use std::time::Duration;

use gatewright_domain::{
    api_key::{KeyRole, KeyScope},
    id::ProjectId,
    server::ProtocolChoice,
};
use gatewright_store::{
    PageRequest, api_key, directory, gateway, project, revision, secret,
    server::{self, ServerDelete},
    user_source,
};

use crate::world::{World, commit, contract, is_taken, look};

contract!(
    stored_configuration_is_read_back_and_seen_by_the_directory,
    names_are_unique_ignoring_case,
    another_project_sees_and_changes_nothing,
    an_edit_of_an_outdated_version_is_not_written,
    lists_go_page_by_page_from_the_oldest,
    a_server_that_gateways_name_stays,
    deleting_a_project_takes_everything_inside_and_nothing_else,
    keys_are_renamed_revoked_once_and_their_use_recorded,
    only_what_requests_must_see_grows_the_revision,
);

async fn stored_configuration_is_read_back_and_seen_by_the_directory(world: World) {
    let before = look!(world, tx => directory::read(tx));
    assert!(before.gateways.is_empty());

    let project = world.project().await;
    let source = world.source(project.id).await;
    let first = world.server(project.id).await;
    world.clock.advance(Duration::from_millis(1));
    let second = world.server(project.id).await;
    let mut gateway = world.new_gateway(project.id, source.id);
    gateway.servers = vec![second.id, first.id];
    commit!(world, tx => gateway::insert(tx, &gateway));
    let stored = world.new_secret(project.id);
    commit!(world, tx => secret::insert(tx, &stored));
    let key = world.new_key(KeyScope::Project {
        project_id: project.id,
        role: KeyRole::Gateway,
        gateway_id: Some(gateway.id),
    });
    commit!(world, tx => api_key::insert(tx, &key));

    assert_eq!(
        look!(world, tx => project::find(tx, project.id)).as_ref(),
        Some(&project)
    );
    assert_eq!(
        look!(world, tx => user_source::find(tx, project.id, source.id)).as_ref(),
        Some(&source)
    );
    assert_eq!(
        look!(world, tx => server::find(tx, project.id, first.id)).as_ref(),
        Some(&first)
    );
    assert_eq!(
        look!(world, tx => gateway::find(tx, project.id, gateway.id)).as_ref(),
        Some(&gateway)
    );
    assert_eq!(
        look!(world, tx => secret::find(tx, project.id, stored.id)).as_ref(),
        Some(&stored)
    );
    assert_eq!(
        look!(world, tx => api_key::find(tx, Some(project.id), key.id)).as_ref(),
        Some(&key)
    );
    assert_eq!(
        look!(world, tx => api_key::find_by_hash(tx, key.hash)).as_ref(),
        Some(&key)
    );

    let after = look!(world, tx => directory::read(tx));
    assert!(after.revision > before.revision);
    assert_eq!(after.gateways, [gateway]);
    assert_eq!(after.user_sources, [source]);
    assert_eq!(after.servers, [first, second]);
    assert_eq!(after.secrets, [stored]);
    assert_eq!(after.gateway_keys, [key]);
    assert!(after.denied.is_empty());
}

async fn names_are_unique_ignoring_case(world: World) {
    let (here, elsewhere) = (world.project().await, world.project().await);
    let mut shouting = world.new_project();
    shouting.name = here.name.to_uppercase();
    let mut tx = world.write().await;
    assert!(is_taken(&project::insert(&mut tx, &shouting).await, "name"));
    drop(tx);
    let mut renamed = elsewhere.clone();
    renamed.name = here.name.to_uppercase();
    let mut tx = world.write().await;
    assert!(is_taken(
        &project::update(&mut tx, &renamed, elsewhere.updated_at).await,
        "name"
    ));
    drop(tx);

    // Beyond ASCII too, where the engines alone would disagree.
    let mut source = world.new_source(here.id);
    source.name = String::from("Übersee");
    commit!(world, tx => user_source::insert(tx, &source));
    let mut same = world.new_source(here.id);
    same.name = String::from("ÜBERSEE");
    let mut tx = world.write().await;
    assert!(is_taken(&user_source::insert(&mut tx, &same).await, "name"));
    drop(tx);
    same.project_id = elsewhere.id;
    commit!(world, tx => user_source::insert(tx, &same));

    let server = world.server(here.id).await;
    let mut same = world.new_server(here.id);
    same.slug.clone_from(&server.slug);
    let mut tx = world.write().await;
    assert!(is_taken(&server::insert(&mut tx, &same).await, "slug"));
    drop(tx);
    let other = world.server(here.id).await;
    let mut renamed = other.clone();
    renamed.slug.clone_from(&server.slug);
    let mut tx = world.write().await;
    assert!(is_taken(
        &server::update(&mut tx, &renamed, other.updated_at).await,
        "slug"
    ));
    drop(tx);
    same.project_id = elsewhere.id;
    commit!(world, tx => server::insert(tx, &same));
    prefixes_of_servers_are_unique(&world, here.id, elsewhere.id).await;

    let stored = world.new_secret(here.id);
    commit!(world, tx => secret::insert(tx, &stored));
    let mut same = world.new_secret(here.id);
    same.name.clone_from(&stored.name);
    let mut tx = world.write().await;
    assert!(is_taken(&secret::insert(&mut tx, &same).await, "name"));
}

/// What the names of a server's tools begin with is its prefix, or else its slug: no two of a project share it.
async fn prefixes_of_servers_are_unique(world: &World, here: ProjectId, elsewhere: ProjectId) {
    let mut short = world.new_server(here);
    short.prefix = Some("gh".to_owned());
    commit!(world, tx => server::insert(tx, &short));
    assert_eq!(
        look!(world, tx => server::find(tx, here, short.id)).as_ref(),
        Some(&short)
    );
    let plain = world.server(here).await;
    let changed = |slug: Option<&str>, prefix: Option<&str>| {
        let mut changed = plain.clone();
        if let Some(slug) = slug {
            slug.clone_into(&mut changed.slug);
        }
        changed.prefix = prefix.map(str::to_owned);
        changed
    };
    for (next, field) in [
        (changed(None, Some("gh")), "prefix"),
        (changed(None, Some(&short.slug)), "nothing"),
        (changed(Some("gh"), None), "slug"),
        (changed(Some(&short.slug), Some("other")), "slug"),
        (changed(Some("gh"), Some("other")), "nothing"),
        (changed(None, Some(&plain.slug)), "nothing"),
    ] {
        let mut tx = world.write().await;
        let updated = server::update(&mut tx, &next, plain.updated_at).await;
        drop(tx);
        let mut tx = world.write().await;
        let mut new = world.new_server(here);
        if next.slug != plain.slug {
            new.slug.clone_from(&next.slug);
        }
        if next.prefix.as_ref() != Some(&plain.slug) {
            new.prefix.clone_from(&next.prefix);
        }
        let inserted = server::insert(&mut tx, &new).await;
        drop(tx);
        if field == "nothing" {
            assert!(updated.unwrap() && inserted.is_ok(), "{next:?}");
        } else {
            assert!(
                is_taken(&updated, field) && is_taken(&inserted, field),
                "{next:?}"
            );
        }
    }
    let mut same = world.new_server(elsewhere);
    same.prefix.clone_from(&short.prefix);
    commit!(world, tx => server::insert(tx, &same));
}

async fn another_project_sees_and_changes_nothing(world: World) {
    let stranger = world.project().await.id;
    let project = world.project().await;
    let source = world.source(project.id).await;
    let gateway = world.gateway(&source).await;
    let server = world.server(project.id).await;
    let stored = world.new_secret(project.id);
    commit!(world, tx => secret::insert(tx, &stored));
    let key = world.new_key(KeyScope::Project {
        project_id: project.id,
        role: KeyRole::Admin,
        gateway_id: None,
    });
    commit!(world, tx => api_key::insert(tx, &key));

    assert_eq!(
        look!(world, tx => user_source::find(tx, stranger, source.id)),
        None
    );
    assert_eq!(look!(world, tx => gateway::find(tx, stranger, gateway.id)), None);
    assert_eq!(look!(world, tx => server::find(tx, stranger, server.id)), None);
    assert_eq!(look!(world, tx => secret::find(tx, stranger, stored.id)), None);
    for nobody in [None, Some(stranger)] {
        assert_eq!(look!(world, tx => api_key::find(tx, nobody, key.id)), None);
        assert!(!commit!(world, tx => api_key::revoke(tx, nobody, key.id, world.now())));
        assert!(!commit!(world, tx => api_key::rename(tx, nobody, key.id, "mine")));
    }
    assert!(!commit!(world, tx => gateway::delete(tx, stranger, gateway.id)));
    assert!(!commit!(world, tx => secret::delete(tx, stranger, stored.id)));
    assert_eq!(
        commit!(world, tx => server::delete(tx, stranger, server.id)),
        ServerDelete::NotFound
    );
    assert!(!commit!(world, tx => user_source::activate(tx, stranger, source.id, world.now())));
    let moved = |project_id: ProjectId| {
        let mut moved = server.clone();
        moved.project_id = project_id;
        moved
    };
    assert!(!commit!(world, tx => server::update(tx, &moved(stranger), server.updated_at)));
    assert_eq!(
        look!(world, tx => server::find(tx, project.id, server.id)),
        Some(server.clone())
    );
    assert!(commit!(world, tx => server::update(tx, &moved(project.id), server.updated_at)));
}

async fn an_edit_of_an_outdated_version_is_not_written(world: World) {
    let project = world.project().await;
    let server = world.server(project.id).await;
    world.clock.advance(Duration::from_secs(1));
    let mut mine = server.clone();
    mine.name = String::from("Mine");
    mine.protocol = ProtocolChoice::Automatic;
    mine.updated_at = world.now();
    assert!(commit!(world, tx => server::update(tx, &mine, server.updated_at)));
    let mut theirs = server.clone();
    theirs.name = String::from("Theirs");
    assert!(!commit!(world, tx => server::update(tx, &theirs, server.updated_at)));
    assert_eq!(
        look!(world, tx => server::find(tx, project.id, server.id)),
        Some(mine)
    );

    let stored = world.new_secret(project.id);
    commit!(world, tx => secret::insert(tx, &stored));
    world.clock.advance(Duration::from_secs(1));
    let mut mine = stored.clone();
    mine.origins = vec!["https://other.example.com".to_owned()];
    mine.updated_at = world.now();
    assert!(commit!(world, tx => secret::update(tx, &mine, &stored)));
    assert!(!commit!(world, tx => secret::update(tx, &stored, &stored)));
    assert_eq!(
        look!(world, tx => secret::find(tx, project.id, stored.id)),
        Some(mine)
    );

    let mut renamed = project.clone();
    renamed.name = String::from("Renamed");
    renamed.updated_at = world.now();
    assert!(commit!(world, tx => project::update(tx, &renamed, project.updated_at)));
    assert!(!commit!(world, tx => project::update(tx, &project, project.updated_at)));
    assert_eq!(look!(world, tx => project::find(tx, project.id)), Some(renamed));
}

async fn lists_go_page_by_page_from_the_oldest(world: World) {
    let project = world.project().await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        world.clock.advance(Duration::from_millis(1));
        expected.push(world.server(project.id).await.id);
    }
    let mut seen = Vec::new();
    let mut after = None;
    let mut pages = 0;
    loop {
        let page = PageRequest { after, limit: 2 };
        let page = look!(world, tx => server::list(tx, project.id, &page));
        seen.extend(page.items.into_iter().map(|server| server.id));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(pages, 3);
    // A cursor that is not an ID starts again without harm, and so does a limit out of range.
    for (after, limit) in [("\0", 0), ("'; --", 1)] {
        let page = PageRequest {
            after: Some(after.to_owned()),
            limit,
        };
        let page = look!(world, tx => server::list(tx, project.id, &page));
        assert_eq!(page.items[0].id, expected[0]);
        assert_eq!(page.items.len(), 1);
    }
}

async fn a_server_that_gateways_name_stays(world: World) {
    let project = world.project().await;
    let source = world.source(project.id).await;
    let server = world.server(project.id).await;
    let mut gateway = world.new_gateway(project.id, source.id);
    gateway.allowed_resources = vec![gatewright_domain::gateway::AllowedResource {
        server: server.id,
        uri: "file:///a".to_owned(),
    }];
    commit!(world, tx => gateway::insert(tx, &gateway));
    assert_eq!(
        commit!(world, tx => server::delete(tx, project.id, server.id)),
        ServerDelete::InUse(vec![(gateway.id, gateway.name.clone())])
    );
    let seen = gateway.updated_at;
    gateway.allowed_resources.clear();
    gateway.allowed_tools = vec![gatewright_domain::gateway::AllowedTool {
        server: server.id,
        tool: "search".to_owned(),
    }];
    commit!(world, tx => gateway::update(tx, &gateway, seen));
    // Named only by a tool, it is not one of the chosen servers.
    let stored = look!(world, tx => gateway::find(tx, project.id, gateway.id));
    assert_eq!(stored.unwrap(), gateway);
    assert_eq!(
        commit!(world, tx => server::delete(tx, project.id, server.id)),
        ServerDelete::InUse(vec![(gateway.id, gateway.name.clone())])
    );
    assert!(commit!(world, tx => gateway::delete(tx, project.id, gateway.id)));
    assert_eq!(
        commit!(world, tx => server::delete(tx, project.id, server.id)),
        ServerDelete::Done
    );
}

async fn deleting_a_project_takes_everything_inside_and_nothing_else(world: World) {
    let (doomed, spared) = (world.setting().await, world.setting().await);
    let grant = doomed.grant(&world).await;
    let mut gateway = doomed.gateway.clone();
    gateway.servers = vec![world.server(doomed.project.id).await.id];
    commit!(world, tx => gateway::update(tx, &gateway, gateway.updated_at));
    let key = world.new_key(KeyScope::Project {
        project_id: doomed.project.id,
        role: KeyRole::Owner,
        gateway_id: None,
    });
    commit!(world, tx => api_key::insert(tx, &key));

    assert!(commit!(world, tx => project::delete(tx, doomed.project.id)));
    assert!(!commit!(world, tx => project::delete(tx, doomed.project.id)));
    assert_eq!(look!(world, tx => api_key::find_by_hash(tx, key.hash)), None);
    let live = look!(world, tx => gatewright_store::grant::find(tx, doomed.gateway.id, grant.id));
    assert_eq!(live, None);
    let left = look!(world, tx => directory::read(tx));
    assert_eq!(left.gateways, [spared.gateway]);
    assert_eq!(left.user_sources, [spared.source]);
    assert!(left.servers.is_empty());
}

async fn keys_are_renamed_revoked_once_and_their_use_recorded(world: World) {
    let key = world.new_key(KeyScope::Instance);
    commit!(world, tx => api_key::insert(tx, &key));
    assert!(commit!(world, tx => api_key::rename(tx, None, key.id, "Terraform")));
    let later = world.now().plus(Duration::from_mins(5));
    commit!(world, tx => api_key::note_used(tx, &[(key.id, later)]));
    // A batch that arrives late undoes nothing.
    commit!(world, tx => api_key::note_used(tx, &[(key.id, world.now())]));
    assert!(commit!(world, tx => api_key::revoke(tx, None, key.id, later)));
    assert!(!commit!(world, tx => api_key::revoke(tx, None, key.id, later)));
    let stored = look!(world, tx => api_key::find_by_hash(tx, key.hash)).unwrap();
    assert_eq!(stored.name, "Terraform");
    assert_eq!(stored.last_used_at, Some(later));
    assert_eq!(stored.revoked_at, Some(later));
    let all = PageRequest::first(10);
    assert_eq!(look!(world, tx => api_key::list(tx, None, &all)).items, [stored]);
}

async fn only_what_requests_must_see_grows_the_revision(world: World) {
    let project = world.project().await;
    let before = look!(world, tx => revision::read(tx));
    world.project().await;
    assert_eq!(look!(world, tx => revision::read(tx)), before);
    world.source(project.id).await;
    let after = look!(world, tx => revision::read(tx));
    assert_eq!(after, before + 1);
    // Increased at the beginning, it is not increased a second time at the end.
    let mut tx = world.write().await;
    assert_eq!(revision::bump(&mut tx).await.unwrap(), after + 1);
    server::insert(&mut tx, &world.new_server(project.id))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(look!(world, tx => revision::read(tx)), after + 1);
}
