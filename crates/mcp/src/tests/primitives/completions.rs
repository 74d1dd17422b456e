//! Completion follows its reference.

use gatewright_domain::server::IdentityForwarding;
use rstest::rstest;

use super::{ADA, Client};
use crate::{
    testing::{
        net::{World, raw_param},
        offers::{Offers, prompt, resource, template},
    },
    wire::version::Era,
};

#[rstest]
#[tokio::test]
async fn completion_goes_where_its_reference_leads(
    #[values(Era::Modern, Era::Legacy)] client: Era,
    #[values(Era::Modern, Era::Legacy)] server: Era,
) {
    let one = Offers {
        prompts: vec![prompt("p")],
        templates: vec![template("file:///{path}")],
        ..Offers::default()
    }
    .server(Era::Modern);
    let two = Offers {
        prompts: vec![prompt("p")],
        resources: vec![resource("note://1")],
        templates: vec![template("db://{table}/{id}")],
        ..Offers::default()
    }
    .server(server);
    let world = World::new(&[("one", &one), ("two", &two)]);
    let plan = world.plan(IdentityForwarding::None, &[]);
    let client = Client::new(&world, &plan, &ADA, client).await;
    let argument = r#"{"name":"a", "value":"x\u0079"}"#;
    for (reference, there) in [
        (
            r#"{"type":"ref/prompt","name":"two_p","title":"é"}"#,
            r#"{"type":"ref/prompt","name":"p","title":"é"}"#,
        ),
        (
            r#"{"type":"ref/resource","uri":"db://{table}/{id}"}"#,
            r#"{"type":"ref/resource","uri":"db://{table}/{id}"}"#,
        ),
        (
            r#"{"type":"ref/resource","uri":"db://users/7"}"#,
            r#"{"type":"ref/resource","uri":"db://users/7"}"#,
        ),
        (
            r#"{"type":"ref/resource","uri":"note://1"}"#,
            r#"{"type":"ref/resource","uri":"note://1"}"#,
        ),
    ] {
        let answer = client
            .ask(
                "completion/complete",
                &format!(r#""ref":{reference},"argument":{argument},"context":{{"arguments":{{}}}}"#),
            )
            .await;
        assert_eq!(answer["result"]["x-n"], 1500.0, "{answer}");
        let asked = two.received("completion/complete");
        assert_eq!(raw_param(asked.last().unwrap(), "ref"), there);
        assert_eq!(raw_param(asked.last().unwrap(), "argument"), argument);
    }
    assert_eq!(one.received("completion/complete").len(), 0);
    for (reference, says) in [
        (
            r#""ref":{"type":"ref/prompt","name":"two_x"}"#,
            "Unknown prompt: two_x",
        ),
        (r#""ref":{"type":"ref/prompt"}"#, "params.ref.name is missing"),
        (
            r#""ref":{"type":"ref/tool","name":"two_t"}"#,
            "params.ref is missing or of an unknown type",
        ),
        (
            r#""ref":{"name":"two_p"}"#,
            "params.ref is missing or of an unknown type",
        ),
        (r#""x":1"#, "params.ref is missing or of an unknown type"),
        (
            r#""ref":{"type":"ref/resource","uri":"ftp://x"}"#,
            "Resource not found",
        ),
    ] {
        let answer = client
            .ask(
                "completion/complete",
                &format!(r#"{reference},"argument":{argument}"#),
            )
            .await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(says), "{answer}");
    }
    assert_eq!(two.received("completion/complete").len(), 4);
}
