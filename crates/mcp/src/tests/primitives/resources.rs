//! Resources: a URI stays as its server wrote it, and leads to one server.

use std::time::Duration;

use gatewright_domain::server::IdentityForwarding;
use rstest::rstest;
use serde_json::{Value, json};

use super::{ADA, BOB, BOTH, Client, assert_not_found, bare};
use crate::{
    inspection::shared_keys,
    testing::{
        net::{FakeBody, FakeServer, World, answer, event, json_answer},
        offers::{Offers, resource, template},
    },
    upstream::Unavailable,
    wire::{listing::ServerList, version::Era},
};

fn resources(uris: &[&str], templates: &[&str]) -> Offers {
    Offers {
        resources: uris.iter().map(|uri| resource(uri)).collect(),
        templates: templates.iter().map(|one| template(one)).collect(),
        ..Offers::default()
    }
}

fn uris(list: &Result<ServerList, Unavailable>) -> Vec<&str> {
    let entries = &list.as_ref().unwrap().entries;
    entries.iter().map(|entry| &*entry.key).collect()
}

#[rstest]
#[tokio::test]
async fn resources_pass_between_clients_and_servers_of_any_era(
    #[values(Era::Modern, Era::Legacy)] client: Era,
    #[values(Era::Modern, Era::Legacy)] server: Era,
) {
    let one = resources(&["file:///b", "ui://a"], &["db://{t}"]).server(server);
    let two = resources(&["note://1"], &["note://{+rest}"]).server(Era::Modern);
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, client).await;
    let listed = client.list("resources/list", "resources", "uri").await;
    assert_eq!(listed, ["file:///b", "ui://a", "note://1"]);
    let listed = client
        .list("resources/templates/list", "resourceTemplates", "uriTemplate")
        .await;
    assert_eq!(listed, ["db://{t}", "note://{+rest}"]);
    // The bytes of the request and of the result are what they were.
    let text = client
        .text("resources/read", r#""uri":"ui:\/\/a","more":[1e2]"#)
        .await;
    assert!(
        text.contains(r#""x-n":1.50e+3, "user":"nobody","name":null,"uri":"ui:\/\/a","ref":null"#),
        "{text}"
    );
    let answer: Value = serde_json::from_str(&text).unwrap();
    let hints = ["resultType", "ttlMs", "cacheScope"].map(|hint| answer["result"][hint].clone());
    let expected = match (client.session.is_some(), server) {
        (true, _) => json!([null, null, null]),
        (false, Era::Modern) => json!(["complete", 7, "public"]),
        // A server with sessions says nothing of it, and a result must.
        (false, Era::Legacy) => json!(["complete", 0, "private"]),
    };
    assert_eq!(json!(hints), expected, "{text}");
    assert_eq!(bare(&answer)["content"], json!([]));
    for (uri, server) in [("db://users", &one), ("note://1", &two), ("note://2/3", &two)] {
        let before = server.received("resources/read").len();
        assert_eq!(client.read(uri).await["result"]["uri"], uri);
        assert_eq!(server.received("resources/read").len(), before + 1);
    }
}

#[tokio::test]
async fn a_uri_of_no_server_is_not_found_in_the_words_of_each_era() {
    let one = resources(&["file:///a"], &["db://{t}"]).server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    for era in BOTH {
        let client = Client::new(&world, &plan, &ADA, era).await;
        for uri in ["file:///b", "db://a/b", "one_file:///a"] {
            assert_not_found(&client.read(uri).await, era, uri);
        }
        let answer = client.ask("resources/read", "").await;
        assert_eq!(
            answer["error"]["message"],
            "params.uri is missing; send the uri of a resource from resources/list."
        );
    }
    assert_eq!(one.received("resources/read").len(), 0);
}

#[tokio::test]
async fn of_two_servers_that_list_one_uri_the_first_serves_it_and_the_page_can_tell() {
    let one = resources(&["file:///a", "file:///b"], &["db://{t}"]).server(Era::Modern);
    let two = resources(&["file:///b", "file:///c", "file:///b"], &["db://{t}"]).server(Era::Legacy);
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    let listed = client.list("resources/list", "resources", "uri").await;
    assert_eq!(listed, ["file:///a", "file:///b", "file:///c"]);
    let listed = client
        .list("resources/templates/list", "resourceTemplates", "uriTemplate")
        .await;
    assert_eq!(listed, ["db://{t}"]);
    client.read("file:///b").await;
    client.read("db://x").await;
    assert_eq!(one.received("resources/read").len(), 2);
    assert_eq!(two.received("resources/read").len(), 0);

    let mut seen = Vec::new();
    for offered in &plan.servers {
        let config = offered.server.upstream.config.clone();
        seen.push(
            world
                .endpoint
                .inspect(config, Duration::from_secs(8))
                .await
                .unwrap(),
        );
    }
    let lists: Vec<_> = seen.iter().map(|seen| uris(&seen.resources)).collect();
    let shared = shared_keys(&lists);
    assert_eq!(shared.len(), 1);
    assert_eq!(
        (&*shared[0].key, &shared[0].servers[..]),
        ("file:///b", &[0, 1][..])
    );
    let lists: Vec<_> = seen.iter().map(|seen| uris(&seen.resource_templates)).collect();
    assert_eq!(shared_keys(&lists)[0].servers, [0, 1]);
}

#[tokio::test]
async fn a_server_that_lists_a_uri_comes_before_one_whose_template_matches() {
    let one = resources(&[], &["file:///{+path}"]).server(Era::Modern);
    let two = resources(&["file:///a/b"], &[]).server(Era::Modern);
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    client.read("file:///a/b").await;
    assert_eq!(two.received("resources/read").len(), 1);
    client.read("file:///a/c").await;
    assert_eq!(one.received("resources/read").len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_uri_that_an_answer_named_is_read_at_its_server_by_the_user_who_saw_it(
    #[values(Era::Modern, Era::Legacy)] client: Era,
    #[values(Era::Modern, Era::Legacy)] server: Era,
) {
    let naming = |offers: Offers, n: u32| Offers {
        content: json!([
            {"type": "resource_link", "uri": "tmp://link", "name": "l"},
            {"type": "resource", "resource": {"uri": format!("tmp://embedded-{n}"), "text": "x"}},
        ]),
        ..offers
    };
    let one = naming(Offers::default(), 1).server(Era::Modern);
    let two = naming(Offers::default(), 2).server(server);
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let ada = Client::new(&world, &plan, &ADA, client).await;
    let bob = Client::new(&world, &plan, &BOB, client).await;
    assert_not_found(&ada.read("tmp://link").await, client, "tmp://link");
    ada.ask("tools/call", r#""name":"two_t","arguments":{}"#).await;
    for uri in ["tmp://link", "tmp://embedded-2"] {
        assert_eq!(ada.read(uri).await["result"]["uri"], uri);
        // Another user did not see it.
        assert_not_found(&bob.read(uri).await, client, uri);
    }
    assert_eq!(two.received("resources/read").len(), 2);
    // The server that named it last has it, for each user by themselves.
    bob.ask("tools/call", r#""name":"one_t","arguments":{}"#).await;
    bob.read("tmp://link").await;
    ada.read("tmp://link").await;
    assert_eq!(one.received("resources/read").len(), 1);
    assert_eq!(two.received("resources/read").len(), 3);
    ada.ask("tools/call", r#""name":"one_t","arguments":{}"#).await;
    ada.read("tmp://link").await;
    assert_eq!(one.received("resources/read").len(), 2);
}

#[tokio::test]
async fn a_uri_in_an_answer_of_events_is_remembered_too() {
    let well = Offers::default().server(Era::Modern);
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/call" {
            return (well.handler)(received);
        }
        let result = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {"resultType": "complete",
            "content": [{"type": "resource_link", "uri": "tmp://x", "name": "l"}]}});
        Ok(answer(
            200,
            "text/event-stream",
            FakeBody::of(&[&event(&result.to_string())]),
        ))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    client.text("tools/call", r#""name":"t","arguments":{}"#).await;
    assert_eq!(client.read("tmp://x").await["result"]["uri"], "tmp://x");
}

#[tokio::test]
async fn a_resource_that_appears_can_be_read_at_once() {
    let there = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (before, after) = (
        resources(&["file:///a"], &[]).server(Era::Modern),
        resources(&["file:///a", "file:///b"], &[]).server(Era::Modern),
    );
    let switch = std::sync::Arc::clone(&there);
    let server = FakeServer::new(move |received| {
        let now = if switch.load(std::sync::atomic::Ordering::SeqCst) {
            &after
        } else {
            &before
        };
        (now.handler)(received)
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    assert_not_found(&client.read("file:///b").await, Era::Modern, "file:///b");
    there.store(true, std::sync::atomic::Ordering::SeqCst);
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(client.read("file:///b").await["result"]["uri"], "file:///b");
}

#[tokio::test(start_paused = true)]
async fn a_hung_server_holds_up_no_read_of_another() {
    let one = resources(&["file:///a"], &["db://{t}"]).server(Era::Modern);
    let hung = FakeServer::hung();
    let world = World::new(&[("hung", &hung), ("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    let began = tokio::time::Instant::now();
    for uri in ["file:///a", "db://x"] {
        assert_eq!(client.read(uri).await["result"]["uri"], uri);
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn equal_uris_of_two_users_stay_each_their_own() {
    for era in BOTH {
        let server = resources(&["me://inbox"], &["me://{x}"]).server(era);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::Assertion, &[]);
        let clients = [
            Client::new(&world, &plan, &ADA, Era::Modern).await,
            Client::new(&world, &plan, &BOB, Era::Legacy).await,
        ];
        for round in 0..50 {
            let uri = if round % 2 == 0 { "me://inbox" } else { "me://x" };
            let answers = futures_util::future::join_all(clients.iter().map(|client| client.read(uri))).await;
            for (client, answer) in clients.iter().zip(answers) {
                assert_eq!(answer["result"]["user"], client.user.0);
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_resource_that_a_server_does_not_find_is_not_found_in_the_words_of_the_clients_era(
    #[values(Era::Modern, Era::Legacy)] client: Era,
    #[values(Era::Modern, Era::Legacy)] server: Era,
    #[values("json", "events", "status")] way: &'static str,
) {
    let code = match server {
        Era::Modern => -32602,
        Era::Legacy => -32002,
    };
    let usual = resources(&["file:///gone"], &[]).server(server);
    let one = FakeServer::new(move |received| {
        if received.method() != "resources/read" {
            return (usual.handler)(received);
        }
        let error = json!({"jsonrpc": "2.0", "id": received.json["id"], "error": {"code": code,
            "message": "Resource not found", "data": {"uri": "file:///gone"}}});
        Ok(match way {
            "json" => json_answer(200, &error.to_string()),
            "status" => json_answer(400, &error.to_string()),
            _ => answer(
                200,
                "text/event-stream",
                FakeBody::of(&[&event(&error.to_string())]),
            ),
        })
    });
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let asking = Client::new(&world, &plan, &ADA, client).await;
    let read = asking.read("file:///gone").await;
    assert_not_found(&read, client, "file:///gone");
    // Of a tool, the code means something else.
    let called = asking.ask("tools/call", r#""name":"t","arguments":{}"#).await;
    assert!(called["result"].is_object(), "{called}");
}

#[tokio::test]
async fn an_error_to_an_invalid_read_keeps_its_code() {
    let usual = resources(&["file:///a"], &[]).server(Era::Modern);
    let one = FakeServer::new(move |received| {
        if received.method() != "resources/read" {
            return (usual.handler)(received);
        }
        let error = json!({"jsonrpc": "2.0", "id": received.json["id"], "error": {"code": -32602, "message": "Too long"}});
        Ok(json_answer(200, &error.to_string()))
    });
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Legacy).await;
    assert_eq!(client.read("file:///a").await["error"]["code"], -32602);
}
