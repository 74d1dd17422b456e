//! The trace that a call takes along to its server.

use std::sync::Arc;

use gatewright_domain::{
    server::IdentityForwarding,
    trace_context::{NamedTrace, SpanId},
};

use crate::{
    endpoint::Reached,
    peer::{
        caller::{Alive, Caller, Identify, RuleClass},
        carried::Carried,
        config::UpstreamConfig,
        credentials::Asked,
    },
    testing::net::{
        User, World, echo, json_answer, legacy_server, meta, modern_headers, modern_server, read, tool,
    },
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// What no one may change: spaces, escapes and a number that no program writes like this.
const ARGUMENTS: &str = r#"{ "traceparent":"mine", "a":1.50e+2 ,"b":"\u00e9"}"#;

/// A user whose requests take their trace along, recorded or not.
struct Traced {
    is_recorded: bool,
}

impl Identify for Traced {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        User("ada").credentials(server)
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(User("ada"))
    }

    fn alive(&self) -> Alive {
        Box::new(|| true)
    }

    fn carries(&self, named: Option<&NamedTrace>) -> Option<Carried> {
        let named = named?;
        let span = self.is_recorded.then(|| SpanId::of_number(0xabc));
        Some(Carried {
            context: span.map_or(named.context, |span| named.context.within(span)),
            state: named.state.clone(),
            span,
        })
    }
}

/// What a server receives of a call whose `_meta` has these members: its body, `traceparent` and `tracestate`.
async fn received(is_legacy: bool, is_recorded: bool, members: &str) -> (String, [Option<String>; 2]) {
    let server = if is_legacy {
        legacy_server(vec![tool("a")], |received| json_answer(200, &echo(received)))
    } else {
        modern_server(vec![tool("a")], 60_000, "public")
    };
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","arguments":{ARGUMENTS},{}}}}}"#,
        meta(members)
    );
    let user = Traced { is_recorded };
    let caller = Caller {
        key: world.key(&User("ada")),
        class: RuleClass::EVERYONE,
        identity: &user,
        conversation: None,
    };
    let mut reached = Reached::default();
    let (headers, bytes) = (modern_headers("tools/call", Some("a")), body.into());
    let answer = world
        .endpoint
        .post(&plan, caller, &headers, &bytes, None, &mut reached)
        .await;
    let _ = read(answer).await;
    assert_eq!(reached.span.is_some(), is_recorded && !members.is_empty());
    let call = server.received("tools/call").pop().unwrap();
    let header = |name: &str| Some(call.headers.get(name)?.to_str().unwrap().to_owned());
    let sent = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(sent.contains(ARGUMENTS), "{sent}");
    (sent, ["traceparent", "tracestate"].map(header))
}

#[tokio::test]
async fn the_span_of_the_attempt_takes_the_place_of_the_clients_and_nothing_else_changes() {
    let theirs = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let ours = format!("00-{TRACE}-0000000000000abc-01");
    let members = format!(r#","traceparent" : "{theirs}","tracestate":"a=1,b=2" "#);
    for is_legacy in [false, true] {
        let (as_it_came, headers) = received(is_legacy, false, &members).await;
        assert!(as_it_came.contains(&members[1..]), "{as_it_came}");
        assert_eq!(headers, [Some(theirs.clone()), Some("a=1,b=2".to_owned())]);
        let (sent, headers) = received(is_legacy, true, &members).await;
        assert_eq!(sent, as_it_came.replace(&theirs, &ours));
        assert_eq!(headers, [Some(ours.clone()), Some("a=1,b=2".to_owned())]);
    }
}

#[tokio::test]
async fn a_trace_that_is_not_valid_is_none() {
    for members in ["", r#","traceparent":"00-0-0-01""#, r#","traceparent":7"#] {
        let (sent, headers) = received(false, false, members).await;
        assert!(sent.contains(members), "{sent}");
        assert_eq!(headers, [None, None], "{members}");
    }
}
