//! What a gateway does not offer is neither listed nor reached, however it is requested.

use std::collections::HashSet;

use gatewright_domain::server::IdentityForwarding;
use proptest::prelude::*;
use serde_json::json;

use super::{ADA, BOTH, Client, assert_not_found};
use crate::{
    federation::{Choice, OfServer},
    testing::{
        net::World,
        offers::{Offers, prompt, resource, template},
    },
    wire::{uri_template::UriTemplate, version::Era},
};

fn offers() -> Offers {
    Offers {
        prompts: vec![prompt("p"), prompt("q")],
        resources: vec![resource("file:///a"), resource("file:///b")],
        templates: vec![template("file:///{path}"), template("db://{t}")],
        content: json!([{"type": "resource_link", "uri": "tmp://x", "name": "l"}]),
        ..Offers::default()
    }
}

#[tokio::test]
async fn prompts_that_are_not_offered_are_exactly_like_unknown_ones() {
    for era in BOTH {
        let [one, two] = [(); 2].map(|()| offers().server(era));
        let world = World::new(&[("one", &one), ("two", &two)]);
        let plan = world.plan_of(IdentityForwarding::None, world.choice(&[(0, "q")]), Choice::All);
        let client = Client::new(&world, &plan, &ADA, era).await;
        assert_eq!(client.list("prompts/list", "prompts", "name").await, ["one_q"]);
        for (method, with) in [
            ("prompts/get", r#""name":"NAME""#),
            (
                "completion/complete",
                r#""ref":{"type":"ref/prompt","name":"NAME"},"argument":{"name":"a","value":""}"#,
            ),
        ] {
            let asked = async |name: &str| client.ask(method, &with.replace("NAME", name)).await;
            assert_eq!(asked("one_q").await["result"]["x-n"], 1500.0);
            let unknown = asked("one_z").await.to_string();
            for hidden in ["one_p", "two_p", "two_q"] {
                assert_eq!(asked(hidden).await.to_string().replace(hidden, "one_z"), unknown);
            }
            assert_eq!(one.received(method).len() + two.received(method).len(), 1);
        }
    }
}

#[tokio::test]
async fn no_read_escapes_what_is_offered() {
    for era in BOTH {
        let [one, two] = [(); 2].map(|()| offers().server(era));
        let world = World::new(&[("one", &one), ("two", &two)]);
        // Of the first a resource and a template, of the second nothing.
        let plan = world.plan_of(
            IdentityForwarding::None,
            Choice::All,
            world.choice(&[(0, "file:///a"), (0, "file:///{path}")]),
        );
        let client = Client::new(&world, &plan, &ADA, era).await;
        assert_eq!(
            client.list("resources/list", "resources", "uri").await,
            ["file:///a"]
        );
        let listed = client
            .list("resources/templates/list", "resourceTemplates", "uriTemplate")
            .await;
        assert_eq!(listed, ["file:///{path}"]);
        for uri in ["file:///a", "file:///other"] {
            assert_eq!(client.read(uri).await["result"]["uri"], uri);
        }
        // Both servers have named it.
        for tool in ["one_t", "two_t"] {
            client
                .ask("tools/call", &format!(r#""name":"{tool}","arguments":{{}}"#))
                .await;
        }
        for uri in ["file:///b", "db://x", "tmp://x"] {
            assert_not_found(&client.read(uri).await, era, uri);
        }
        for reference in ["db://{t}", "db://x", "file:///b"] {
            let params = format!(
                r#""ref":{{"type":"ref/resource","uri":"{reference}"}},"argument":{{"name":"t","value":""}}"#
            );
            // What a reference names does not have its own error code in either revision.
            let answer = client.ask("completion/complete", &params).await;
            assert_not_found(&answer, Era::Modern, reference);
        }
        assert_eq!(one.received("resources/read").len(), 2);
        assert_eq!(two.received("resources/read").len(), 0);
    }
}

#[tokio::test]
async fn another_spelling_of_a_resource_that_is_not_offered_is_not_read_by_a_template() {
    let one = Offers {
        resources: vec![resource("file:///a/caf%C3%A9"), resource("file:///a/menu")],
        templates: vec![template("file:///{+path}")],
        ..Offers::default()
    }
    .server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let chosen = world.choice(&[(0, "file:///{+path}"), (0, "file:///a/menu")]);
    let plan = world.plan_of(IdentityForwarding::None, Choice::All, chosen);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    for other in [
        "file:///a/caf%c3%a9",
        "file:///a/caf%C3%A9?",
        "file:///a/caf%C3%A9#1",
    ] {
        assert_not_found(&client.read(other).await, Era::Modern, other);
    }
    assert_eq!(one.received("resources/read").len(), 0);
    for open in ["file:///a/menu", "file:///a/menu?day=1", "file:///b"] {
        assert_eq!(client.read(open).await["result"]["uri"], open);
    }
}

#[tokio::test]
async fn a_uri_that_matches_a_template_which_is_not_offered_is_not_read_by_another() {
    let one = Offers {
        templates: vec![template("db://{+any}"), template("db://secret/{id}")],
        ..Offers::default()
    }
    .server(Era::Modern);
    let world = World::new(&[("one", &one)]);
    let chosen = world.choice(&[(0, "db://{+any}")]);
    let plan = world.plan_of(IdentityForwarding::None, Choice::All, chosen);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    assert_eq!(client.read("db://open/1").await["result"]["uri"], "db://open/1");
    assert_not_found(&client.read("db://secret/1").await, Era::Modern, "db://secret/1");
}

#[tokio::test]
async fn where_a_template_that_is_not_offered_cannot_be_matched_no_template_of_its_server_is_used() {
    let many: Vec<_> = (0..300)
        .map(|number| template(&format!("x{number}://{{a}}")))
        .collect();
    for hidden in [vec![template("db://{=secret}")], many] {
        let templates = [vec![template("db://{+any}")], hidden].concat();
        let one = Offers {
            templates,
            ..Offers::default()
        }
        .server(Era::Modern);
        let world = World::new(&[("one", &one)]);
        let chosen = world.choice(&[(0, "db://{+any}")]);
        let plan = world.plan_of(IdentityForwarding::None, Choice::All, chosen);
        let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
        assert_not_found(&client.read("db://x").await, Era::Modern, "db://x");
        // Where all are offered, those that can be matched are used.
        let plan = world.plan_of(IdentityForwarding::None, Choice::All, Choice::All);
        let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
        assert_eq!(client.read("db://x").await["result"]["uri"], "db://x");
    }
}

#[tokio::test]
async fn what_is_chosen_of_one_server_may_be_all_of_it() {
    let [one, two] = [(); 2].map(|()| offers().server(Era::Modern));
    let world = World::new(&[("one", &one), ("two", &two)]);
    let second = world.plan(IdentityForwarding::None, &[]).servers[1]
        .server
        .upstream
        .config
        .id;
    let chosen = Choice::Only([(second, OfServer::All)].into());
    let plan = world.plan_of(IdentityForwarding::None, chosen.clone(), chosen);
    let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
    assert_eq!(
        client.list("prompts/list", "prompts", "name").await,
        ["two_p", "two_q"]
    );
    client.ask("tools/call", r#""name":"two_t","arguments":{}"#).await;
    for uri in ["file:///a", "db://x", "tmp://x"] {
        assert_eq!(client.read(uri).await["result"]["uri"], uri);
    }
    assert_eq!(one.received("resources/read").len(), 0);
}

const URIS: [&str; 6] = ["a://1", "a://2", "b://1", "b://1/2", "c://x", "tmp://x"];
const TEMPLATES: [&str; 4] = ["a://{n}", "b://{+n}", "b://{n}", "{+any}"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever servers list and the gateway offers: a URI is read only if an offered item covers it, and never if the server
    /// lists it as an item, or matches it with a template, that is not offered.
    #[test]
    fn a_read_is_covered_by_what_is_offered(
        listed in proptest::array::uniform2(proptest::sample::subsequence(URIS[..5].to_vec(), 0..=5)),
        templates in proptest::array::uniform2(proptest::sample::subsequence(TEMPLATES.to_vec(), 0..=4)),
        offered in proptest::array::uniform2(proptest::option::of(proptest::sample::subsequence([&URIS[..], &TEMPLATES[..]].concat(), 0..=10))),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let servers = [0, 1].map(|n| Offers {
                resources: listed[n].iter().map(|uri| resource(uri)).collect(),
                templates: templates[n].iter().map(|one| template(one)).collect(),
                content: json!([{"uri": "tmp://x"}]),
                ..Offers::default()
            }.server(Era::Modern));
            let world = World::new(&[("one", &servers[0]), ("two", &servers[1])]);
            let ids: Vec<_> = world.plan(IdentityForwarding::None, &[]).servers.iter().map(|offered| offered.server.upstream.config.id).collect();
            let of_server = |n: usize| offered[n].as_ref().map_or(OfServer::All, |items| OfServer::Items(items.iter().map(|item| (*item).to_owned()).collect::<HashSet<_>>()));
            let chosen = Choice::Only([(ids[0], of_server(0)), (ids[1], of_server(1))].into());
            let plan = world.plan_of(IdentityForwarding::None, Choice::All, chosen);
            let client = Client::new(&world, &plan, &ADA, Era::Modern).await;
            for tool in ["one_t", "two_t"] {
                client.ask("tools/call", &format!(r#""name":"{tool}","arguments":{{}}"#)).await;
            }
            for uri in URIS {
                let before = [0, 1].map(|n| servers[n].received("resources/read").len());
                let answer = client.read(uri).await;
                let read = [0, 1].map(|n| servers[n].received("resources/read").len() > before[n]);
                assert_eq!(answer.get("result").is_some(), read[0] || read[1]);
                for n in [0, 1].into_iter().filter(|n| read[*n]) {
                    let of_server = of_server(n);
                    let matching: Vec<_> = templates[n].iter().filter(|one| UriTemplate::parse(one).unwrap().matches_within(uri, &mut 100_000).unwrap()).collect();
                    let is_listed = listed[n].contains(&uri);
                    let covered = if is_listed {
                        of_server.offers(uri)
                    } else if of_server == OfServer::All {
                        !matching.is_empty() || uri == "tmp://x"
                    } else {
                        !matching.is_empty() && matching.iter().all(|one| of_server.offers(one))
                    };
                    assert!(covered, "{uri} of server {n}");
                }
            }
        });
    }
}
