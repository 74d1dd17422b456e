//! Prompts: listed under the names that tools would have, and got from the server they are of.

use gatewright_domain::server::IdentityForwarding;
use rstest::rstest;
use serde_json::{Value, json};

use super::{ADA, BOB, BOTH, Client, bare};
use crate::{
    testing::{
        net::{
            FakeBody, FakeServer, World, answer, event, json_answer, meta, modern_headers, raw_param, read,
        },
        offers::{Offers, prompt, resource},
    },
    wire::version::Era,
};

fn prompts(names: &[&str]) -> Offers {
    Offers {
        prompts: names.iter().map(|name| prompt(name)).collect(),
        ..Offers::default()
    }
}

#[rstest]
#[tokio::test]
async fn prompts_pass_between_clients_and_servers_of_any_era(
    #[values(Era::Modern, Era::Legacy)] client: Era,
    #[values(Era::Modern, Era::Legacy)] server: Era,
) {
    let one = prompts(&["b", "a"]).server(server);
    let two = prompts(&["a"]).server(Era::Modern);
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, client).await;
    let listed = client.list("prompts/list", "prompts", "name").await;
    assert_eq!(listed, ["one_b", "one_a", "two_a"]);
    let arguments = r#"{ "x" : 1.0,"\u0061":"é" }"#;
    let text = client
        .text(
            "prompts/get",
            &format!(r#""name":"one_a","arguments":{arguments},"more":[1e2]"#),
        )
        .await;
    // What the server said, byte for byte.
    assert!(
        text.contains(&format!(
            r#""x-n":1.50e+3, "user":"nobody","name":"a","uri":null,"ref":null,"argument":null,"arguments":{arguments},"content":[]"#
        )),
        "{text}"
    );
    let got = &one.received("prompts/get")[0];
    assert_eq!(raw_param(got, "arguments"), arguments);
    assert_eq!(raw_param(got, "more"), "[1e2]");
    assert_eq!(two.received("prompts/get").len(), 0);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let result_type = answer["result"].get("resultType");
    assert_eq!(result_type.is_some(), client.session.is_none(), "{text}");
    assert_eq!(bare(&answer)["name"], "a");
}

#[tokio::test]
async fn a_merged_list_is_kept_as_short_and_as_private_as_the_strictest_of_its_parts() {
    let short = Offers {
        cache: (20_000, "public"),
        ..prompts(&["a"])
    };
    let long = Offers {
        cache: (50_000, "public"),
        ..prompts(&["b"])
    };
    let private = Offers {
        cache: (50_000, "private"),
        ..prompts(&["c"])
    };
    for (parts, ttl_ms, scope) in [
        ([&short, &long], 20_000, "public"),
        ([&long, &private], 50_000, "private"),
    ] {
        let [one, two] = parts.map(|offers| offers.clone().server(Era::Modern));
        let world = World::new(&[("one", &one), ("two", &two)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
        let answer = client.ask("prompts/list", "").await;
        assert_eq!(answer["result"]["ttlMs"], ttl_ms);
        assert_eq!(answer["result"]["cacheScope"], scope);
        // From memory for that long, and for the users it can be shared with.
        let other = Client::new(&world, &plan, &BOB, Era::Modern).await;
        client.ask("prompts/list", "").await;
        other.ask("prompts/list", "").await;
        assert_eq!(one.received("prompts/list").len(), 1);
        assert_eq!(
            two.received("prompts/list").len(),
            if scope == "private" { 2 } else { 1 }
        );
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages_of_our_own() {
    let large = |name: &str| json!({"name": name, "description": "x".repeat(3_000_000)});
    let offers = Offers {
        prompts: vec![large("a"), large("b")],
        ..Offers::default()
    };
    let world_servers = [offers.server(Era::Modern), prompts(&["c"]).server(Era::Legacy)];
    let world = World::new(&[("one", &world_servers[0]), ("two", &world_servers[1])]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    for era in BOTH {
        let client = Client::new(&world, &plan, &ADA, era).await;
        let first = client.ask("prompts/list", "").await;
        assert_eq!(first["result"]["prompts"].as_array().unwrap().len(), 1);
        let listed = client.list("prompts/list", "prompts", "name").await;
        assert_eq!(listed, ["one_a", "one_b", "two_c"]);
        let bad = client.ask("prompts/list", r#""cursor":"theirs""#).await;
        assert_eq!(bad["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn a_prompt_that_is_not_there_is_refused_by_name() {
    let one = prompts(&["a"]).server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    for era in BOTH {
        let client = Client::new(&world, &plan, &ADA, era).await;
        // A tool is not a prompt, whatever its name.
        let answer = client.ask("prompts/get", r#""name":"t""#).await;
        assert_eq!(answer["error"]["code"], -32602);
        assert_eq!(answer["error"]["message"], "Unknown prompt: t");
        let answer = client.ask("prompts/get", r#""arguments":{}"#).await;
        assert_eq!(
            answer["error"]["message"],
            "params.name is missing; send the name of a prompt from prompts/list."
        );
    }
    assert_eq!(one.received("prompts/get").len(), 0);
}

#[tokio::test]
async fn headers_must_say_which_prompt_it_is() {
    let one = prompts(&["a"]).server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{{"name":"a",{}}}}}"#,
        meta("")
    );
    for (method, name) in [
        ("prompts/get", None),
        ("prompts/get", Some("b")),
        ("tools/call", Some("a")),
    ] {
        let answer = world
            .post(&plan, &ADA, &modern_headers(method, name), &body)
            .await;
        let (status, text) = read(answer).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains("-32020"), "{text}");
    }
    assert_eq!(one.received("prompts/get").len(), 0);
}

#[tokio::test]
async fn a_server_that_fails_at_its_prompts_harms_no_other() {
    let good = prompts(&["a"]).server(Era::Modern);
    for (status, text) in [
        (
            200,
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"no"}}"#,
        ),
        (200, r#"{"jsonrpc":"2.0","id":0,"result":{"prompts":7}}"#),
        (500, "oh no"),
    ] {
        let well = prompts(&["b"]).server(Era::Modern);
        let bad = FakeServer::new(move |received| match received.method() {
            "prompts/list" => Ok(json_answer(status, text)),
            _ => (well.handler)(received),
        });
        let world = World::new(&[("bad", &bad), ("good", &good)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
        assert_eq!(client.list("prompts/list", "prompts", "name").await, ["good_a"]);
        let answer = client.ask("prompts/get", r#""name":"good_a""#).await;
        assert_eq!(answer["result"]["name"], "a", "{answer}");
        let called = client.ask("tools/call", r#""name":"bad_t","arguments":{}"#).await;
        assert_eq!(called["result"]["name"], "t", "{called}");
    }
}

#[tokio::test]
async fn a_server_that_declares_no_prompts_is_not_asked_for_any() {
    let offers = Offers {
        capabilities: json!({"tools": {}}),
        ..prompts(&["a"])
    };
    for era in BOTH {
        let quiet = offers.clone().server(era);
        let world = World::new(&[("quiet", &quiet)]);
        let plan = world.plan(IdentityForwarding::None, &[]);
        let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
        assert_eq!(client.list("prompts/list", "prompts", "name").await, [""; 0]);
        assert_eq!(quiet.received("prompts/list").len(), 0);
        assert_eq!(client.list("tools/list", "tools", "name").await, ["t"]);
    }
}

#[tokio::test]
async fn a_list_that_its_server_says_has_changed_is_read_again() {
    let well = Offers {
        prompts: vec![prompt("p")],
        resources: vec![resource("a://1")],
        ..Offers::default()
    }
    .server(Era::Modern);
    let server = FakeServer::new(move |received| {
        if received.method() != "tools/call" {
            return (well.handler)(received);
        }
        let changed =
            |what: &str| json!({"jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed")});
        let result = json!({"jsonrpc": "2.0", "id": received.json["id"], "result": {"resultType": "complete", "content": []}});
        let stream: String = [changed("prompts"), changed("resources"), result]
            .iter()
            .map(|message| event(&message.to_string()))
            .collect();
        Ok(answer(200, "text/event-stream", FakeBody::of(&[&stream])))
    });
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    let lists = ["prompts/list", "resources/list", "resources/templates/list"];
    for times in [1, 2] {
        for _ in 0..2 {
            for method in lists {
                client.ask(method, "").await;
            }
        }
        for method in lists {
            assert_eq!(server.received(method).len(), times, "{method}");
        }
        client.text("tools/call", r#""name":"t","arguments":{}"#).await;
    }
}
