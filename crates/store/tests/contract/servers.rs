//! Finding servers by a text, and the gateways that offer them.

use std::time::Duration;

use gatewright_domain::gateway::GatewayStatus;
use gatewright_store::{PageRequest, gateway, server};

use crate::world::{World, commit, contract, look};

contract!(
    servers_are_found_by_name_slug_and_url,
    the_gateways_of_a_server_are_those_that_name_it_or_offer_all,
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
    let first = PageRequest {
        after: None,
        limit: 1,
    };
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
