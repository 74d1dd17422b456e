//! Finding servers by a text, and the gateways that offer them.

use std::time::Duration;

use gatewright_domain::{gateway::GatewayStatus, server::IdentityForwarding};
use gatewright_store::{PageRequest, assertion_origin, gateway, server};

use crate::{
    races::all_at_once,
    start::by_hand,
    world::{World, commit, contract, look},
};

contract!(
    servers_are_found_by_name_slug_and_url,
    the_gateways_of_a_server_are_those_that_name_it_or_offer_all,
    an_origin_learns_the_users_of_one_project,
    of_many_projects_at_once_one_begins_to_send_assertions_to_an_origin,
    origins_of_an_older_version_are_filled_in,
);

const PAGE: PageRequest = PageRequest {
    after: None,
    limit: 10,
};

async fn servers_are_found_by_name_slug_and_url(world: World) {
    let (project, stranger) = (world.project().await.id, world.project().await.id);
    let mut ids = Vec::new();
    for (slug, name, url) in [
        ("github", "Git Hub", "https://api.example.com/mcp"),
        ("wiki", "100%_pages", "https://wiki.example.com/mcp"),
    ] {
        world.clock.advance(Duration::from_millis(1));
        let mut new = world.new_server(project);
        (new.slug, new.name, new.url) = (slug.to_owned(), name.to_owned(), url.to_owned());
        commit!(world, tx => server::insert(tx, &new));
        ids.push(new.id);
    }
    for (text, found) in [
        ("", ids.as_slice()),
        ("EXAMPLE.com", &ids),
        ("git h", &ids[..1]),
        ("github", &ids[..1]),
        ("api.", &ids[..1]),
        ("%_", &ids[1..]),
        ("nothing", &[]),
        ("\0", &[]),
    ] {
        let page = look!(world, tx => server::search(tx, project, text, &PAGE));
        let these: Vec<_> = page.items.iter().map(|server| server.id).collect();
        assert_eq!(these, found, "{text:?}");
        assert_eq!(
            look!(world, tx => server::search(tx, stranger, text, &PAGE)).items,
            []
        );
    }
    let first = PageRequest::first(1);
    let page = look!(world, tx => server::search(tx, project, "example", &first));
    assert_eq!((page.items[0].id, page.next), (ids[0], Some(ids[0].to_string())));
}

async fn the_gateways_of_a_server_are_those_that_name_it_or_offer_all(world: World) {
    let (project, stranger) = (world.project().await, world.project().await.id);
    let source = world.source(project.id).await;
    let mut servers = Vec::new();
    for _ in 0..2 {
        world.clock.advance(Duration::from_millis(1));
        servers.push(world.server(project.id).await.id);
    }
    let mut gateways = Vec::new();
    for (named, status) in [
        (vec![servers[0]], GatewayStatus::Active),
        (vec![servers[1]], GatewayStatus::Active),
        (vec![], GatewayStatus::Inactive),
    ] {
        world.clock.advance(Duration::from_millis(1));
        let mut new = world.new_gateway(project.id, source.id);
        (new.servers, new.status) = (named, status);
        commit!(world, tx => gateway::insert(tx, &new));
        gateways.push(new.id);
    }
    let using = look!(world, tx => server::list_using_gateways(tx, project.id, servers[0], 10));
    let told: Vec<_> = using
        .iter()
        .map(|one| (one.id, one.status, one.names_it))
        .collect();
    assert_eq!(
        told,
        [
            (gateways[0], GatewayStatus::Active, true),
            (gateways[2], GatewayStatus::Inactive, false)
        ]
    );
    assert_eq!(
        look!(world, tx => server::list_using_gateways(tx, project.id, servers[0], 1)).len(),
        1
    );
    assert_eq!(
        look!(world, tx => server::list_using_gateways(tx, stranger, servers[0], 10)),
        []
    );
    let counted = look!(world, tx => server::count_using_gateways(tx, project.id, servers[0], servers[1]));
    assert_eq!(counted, [(servers[0], 2), (servers[1], 2)]);
    let one = look!(world, tx => server::count_using_gateways(tx, project.id, servers[1], servers[1]));
    assert_eq!(one, [(servers[1], 2)]);
    assert_eq!(
        look!(world, tx => server::count_using_gateways(tx, stranger, servers[0], servers[1])),
        []
    );
}

const ORIGIN: &str = "https://crm.example.com";

async fn an_origin_learns_the_users_of_one_project(world: World) {
    let first = world.project().await;
    let (acme, other) = (first.id, world.project().await.id);
    assert!(commit!(world, tx => assertion_origin::claim(tx, acme, ORIGIN)));
    assert!(
        commit!(world, tx => assertion_origin::claim(tx, other, ORIGIN)),
        "a claim without a server means nothing"
    );
    let mut told = world.new_server(acme);
    told.url = format!("{ORIGIN}/mcp");
    commit!(world, tx => server::insert(tx, &told));
    assert!(commit!(world, tx => assertion_origin::claim(tx, acme, ORIGIN)));
    assert!(!commit!(world, tx => assertion_origin::claim(tx, other, ORIGIN)));
    let holders = look!(world, tx => assertion_origin::list_other_projects(tx, other, ORIGIN, 10));
    assert_eq!(holders, [first.name]);
    let others = look!(world, tx => assertion_origin::list_other_projects(tx, acme, ORIGIN, 10));
    assert_eq!(others, [""; 0]);
    assert_eq!(
        look!(world, tx => assertion_origin::list_all_shared(tx, 10)),
        [""; 0]
    );

    // Two that share it are found from either side.
    let mut second = world.new_server(other);
    second.url = format!("{ORIGIN}/");
    commit!(world, tx => server::insert(tx, &second));
    assert_eq!(
        look!(world, tx => assertion_origin::list_all_shared(tx, 10)),
        [ORIGIN]
    );
    let found = look!(world, tx => assertion_origin::list_shared(tx, other, 10));
    assert_eq!(found, [(second.id, second.name.clone(), ORIGIN.to_owned())]);
    commit!(world, tx => server::delete(tx, other, second.id));
    assert_eq!(
        look!(world, tx => assertion_origin::list_shared(tx, acme, 10)),
        []
    );

    let seen = told.updated_at;
    told.identity = IdentityForwarding::None;
    assert!(commit!(world, tx => server::update(tx, &told, seen)));
    assert!(commit!(world, tx => assertion_origin::claim(tx, other, ORIGIN)));
}

async fn of_many_projects_at_once_one_begins_to_send_assertions_to_an_origin(world: World) {
    let mut new = Vec::new();
    for _ in 0..12 {
        let project = world.project().await.id;
        let mut server = world.new_server(project);
        server.url = format!("{ORIGIN}/mcp");
        new.push(server);
    }
    let outcomes = all_at_once(&world, new.len(), |number, store| {
        let new = new[number].clone();
        async move {
            let mut tx = store.write().await.unwrap();
            let claimed = assertion_origin::claim(&mut tx, new.project_id, ORIGIN)
                .await
                .unwrap();
            if claimed {
                server::insert(&mut tx, &new).await.unwrap();
            }
            tx.commit().await.unwrap();
            claimed
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|claimed| **claimed).count(), 1);
}

async fn origins_of_an_older_version_are_filled_in(world: World) {
    let (acme, other) = (world.project().await.id, world.project().await.id);
    let mut told = world.new_server(acme);
    told.url = format!("{ORIGIN}:443/mcp");
    let mut untold = world.new_server(acme);
    untold.identity = IdentityForwarding::None;
    commit!(world, tx => server::insert(tx, &told));
    commit!(world, tx => server::insert(tx, &untold));
    by_hand(&world, "UPDATE servers SET assertion_origin = NULL").await;
    assert!(
        commit!(world, tx => assertion_origin::claim(tx, other, ORIGIN)),
        "it is not known"
    );
    world.store.migrate().await.unwrap();
    assert!(!commit!(world, tx => assertion_origin::claim(tx, other, ORIGIN)));
    by_hand(&world, "UPDATE servers SET identity = 'none'").await;
    world.store.migrate().await.unwrap();
    assert!(commit!(world, tx => assertion_origin::claim(tx, other, ORIGIN)));
}
