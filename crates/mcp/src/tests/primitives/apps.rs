//! Pages that tools bring with them (MCP Apps): which can be read follows from which tools are offered.

use std::sync::Arc;

use gatewright_domain::server::IdentityForwarding;
use serde_json::{Value, json};

use super::{ADA, BOB, BOTH, Client, assert_not_found};
use crate::{
    federation::{Choice, plan::Plan},
    testing::{
        net::{FakeServer, World},
        offers::{Offers, resource, template},
    },
    wire::version::Era,
};

const PAGE: &str = "ui://shop/cart.html";

/// A tool with a page.
fn with_page(name: &str, uri: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}, "_meta": {"ui": {"resourceUri": uri, "visibility": ["model", "app"]}, "x": 1.0}})
}

fn offers(tools: Vec<Value>, resources: Vec<Value>) -> Offers {
    Offers {
        capabilities: json!({"tools": {}, "resources": {}, "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}),
        tools,
        resources,
        content: json!([{"uri": PAGE, "mimeType": "text/html;profile=mcp-app", "text": "<p>", "_meta": {"ui": {"csp": {}}}}]),
        ..Offers::default()
    }
}

/// How often a server was asked for a page.
fn reads(server: &Arc<FakeServer>) -> usize {
    server.received("resources/read").len()
}

async fn reads_page(world: &World, plan: &Plan, era: Era) -> Value {
    let client = Client::new(world, plan, &ADA, era).await;
    client.read(PAGE).await
}

#[tokio::test]
async fn the_page_of_a_tool_passes_unchanged_and_is_read_though_it_is_not_listed() {
    let flat = json!({"name": "old", "inputSchema": {"type": "object"}, "_meta": {"ui/resourceUri": PAGE}});
    for (era, tool) in BOTH
        .into_iter()
        .flat_map(|era| [(era, with_page("cart", PAGE)), (era, flat.clone())])
    {
        let (other, shop) = (Offers::default(), offers(vec![tool.clone()], Vec::new()));
        let (other, shop) = (other.server(era), shop.server(era));
        let world = World::new(&[("other", &other), ("shop", &shop)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        for client_era in BOTH {
            let client = Client::new(&world, &plan, &ADA, client_era).await;
            let listed = client.ask("tools/list", "").await;
            let tools = listed["result"]["tools"].as_array().unwrap();
            let listed = tools
                .iter()
                .find(|one| one["name"] == format!("shop_{}", tool["name"].as_str().unwrap()));
            assert_eq!(listed.unwrap()["_meta"], tool["_meta"]);
            let page = client.read(PAGE).await;
            assert_eq!(page["result"]["uri"], PAGE, "{page}");
            assert_eq!(
                page["result"]["content"][0]["mimeType"],
                "text/html;profile=mcp-app"
            );
            assert_eq!(page["result"]["content"][0]["_meta"], json!({"ui": {"csp": {}}}));
        }
        assert_eq!((reads(&other), reads(&shop)), (0, 2));
    }
}

#[tokio::test]
async fn the_page_of_a_tool_that_is_not_offered_is_not_read() {
    for era in BOTH {
        // It is listed and matched by a template; another tool that is offered has its own page.
        let shop = Offers {
            templates: vec![template("ui://shop/{page}")],
            ..offers(
                vec![with_page("cart", PAGE), with_page("help", "ui://shop/help.html")],
                vec![resource(PAGE)],
            )
        };
        let shop = shop.server(era);
        let world = World::new(&[("one", &shop)]);
        let plan = world.plan(IdentityForwarding::None, &[(0, "help")]);
        assert_not_found(&reads_page(&world, &plan, era).await, era, PAGE);
        assert_eq!(reads(&shop), 0);
        let client = Client::new(&world, &plan, &ADA, era).await;
        assert!(client.read("ui://shop/help.html").await["error"].is_null());
        assert_eq!(reads(&shop), 1);
        // Nor by another spelling, which the template matches and its server may take for the same.
        for other in [
            "UI://shop/cart.html",
            "ui://shop/c%61rt.html",
            "ui://shop/./cart.html",
            "ui://shop/cart.html#x",
            "ui://SHOP/cart.html",
        ] {
            assert_not_found(&client.read(other).await, era, other);
        }
        assert_eq!(reads(&shop), 1);
        // Who chooses it as a resource offers it.
        let chosen = world.plan_of_all(&[(0, "help")], Choice::All, world.choice(&[(0, PAGE)]));
        assert!(reads_page(&world, &chosen, era).await["error"].is_null());
    }
}

#[tokio::test]
async fn the_page_of_a_tool_that_is_offered_is_read_where_no_resources_are() {
    for era in BOTH {
        let shop = offers(
            vec![with_page("cart", PAGE)],
            vec![resource(PAGE), resource("a://secret")],
        )
        .server(era);
        let world = World::new(&[("one", &shop)]);
        let none = || Choice::Only(std::collections::HashMap::new());
        let plan = world.plan_of(IdentityForwarding::None, Choice::All, none());
        let client = Client::new(&world, &plan, &ADA, era).await;
        assert!(client.read(PAGE).await["error"].is_null());
        assert_not_found(&client.read("a://secret").await, era, "a://secret");
        // Clients ask for resources only if there are some.
        let told = Client::new(&world, &plan, &ADA, Era::Modern).await;
        let told = told.ask("server/discover", "").await;
        assert!(told["result"]["capabilities"]["resources"].is_object(), "{told}");
        assert_eq!(reads(&shop), 1);
    }
}

#[tokio::test]
async fn a_page_of_a_server_that_is_not_in_the_gateway_is_not_read() {
    for era in BOTH {
        let (other, shop) = (
            Offers::default(),
            offers(vec![with_page("cart", PAGE)], vec![resource(PAGE)]),
        );
        let (other, shop) = (other.server(era), shop.server(era));
        let world = World::new(&[("other", &other), ("shop", &shop)]);
        let both = world.plan(IdentityForwarding::None, &[]);
        assert!(reads_page(&world, &both, era).await["error"].is_null());
        let alone = world.plan_of_servers(&[0]);
        assert_not_found(&reads_page(&world, &alone, era).await, era, PAGE);
        assert_eq!((reads(&other), reads(&shop)), (0, 1));
    }
}

#[tokio::test]
async fn of_two_pages_of_one_uri_each_user_reads_that_of_the_tool_they_called_last() {
    let server = || offers(vec![with_page("cart", PAGE)], Vec::new()).server(Era::Modern);
    let (one, two) = (server(), server());
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    client.read(PAGE).await;
    assert_eq!((reads(&one), reads(&two)), (1, 0), "the first of the gateway");
    client.ask("tools/call", r#""name":"two_cart""#).await;
    client.read(PAGE).await;
    assert_eq!((reads(&one), reads(&two)), (1, 1));
    let other = Client::new(&world, &plan, &BOB, Era::Modern).await;
    other.read(PAGE).await;
    assert_eq!((reads(&one), reads(&two)), (2, 1));
}
