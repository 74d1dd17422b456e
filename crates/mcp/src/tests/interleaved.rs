//! Attacks on what is kept for conversations: many of them at once, in any order, with sessions that servers lose, and more of
//! them than there is room for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use futures_util::future::join_all;
use gatewright_domain::server::IdentityForwarding;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::{
    federation::plan::Plan,
    testing::net::{
        FakeBody, FakeServer, Received, User, World, answer, event, events, json_answer, read, tool,
    },
};

const USERS: [User; 3] = [User("ada"), User("bob"), User("cyd")];

/// A server that lists and returns the session that it was asked in, with the user who began it, and loses sessions.
#[derive(Default)]
struct Sessions {
    begun: usize,
    /// By session, who began it.
    alive: HashMap<String, String>,
    ended: HashSet<String>,
}

fn server(loses: bool) -> (Arc<FakeServer>, Arc<Mutex<Sessions>>) {
    let sessions = Arc::<Mutex<Sessions>>::default();
    let kept = Arc::clone(&sessions);
    let server = FakeServer::new(move |received| Ok(reply(&mut kept.lock().unwrap(), received, loses)));
    (server, sessions)
}

fn reply(sessions: &mut Sessions, received: &Received, loses: bool) -> http::Response<FakeBody> {
    let id = &received.json["id"];
    let user = received
        .header("gatewright-assertion")
        .unwrap_or_default()
        .to_owned();
    if received.method() == "initialize" {
        sessions.begun += 1;
        let session = format!("{user}-{}", sessions.begun);
        sessions.alive.insert(session.clone(), user);
        let begun = json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}});
        let mut response = json_answer(200, &begun.to_string());
        response
            .headers_mut()
            .insert("mcp-session-id", session.parse().unwrap());
        return response;
    }
    let session = received.header("mcp-session-id").unwrap_or_default().to_owned();
    if received.verb == Method::DELETE {
        sessions.alive.remove(&session);
        sessions.ended.insert(session);
        return answer(204, "", FakeBody::of(&[]));
    }
    let is_asked = matches!(received.method(), "tools/call" | "tools/list");
    if is_asked && loses && session.len() % 2 == received.body.len() % 2 && id.as_u64() == Some(3) {
        sessions.alive.remove(&session);
    }
    let Some(owner) = sessions.alive.get(&session) else {
        return answer(404, "", FakeBody::of(&[]));
    };
    assert_eq!(*owner, user, "a session of another user");
    let result = match received.method() {
        "tools/list" => json!({"tools": [tool("whose"), tool(&format!("of-{session}"))]}),
        "tools/call" => {
            let result =
                json!({"content": [], "session": session, "of": received.json["params"]["arguments"]});
            let message = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
            return answer(200, "text/event-stream", FakeBody::of(&[&event(&message)]));
        }
        _ => return answer(202, "", FakeBody::of(&[])),
    };
    json_answer(
        200,
        &json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
    )
}

async fn ask(world: &World, plan: &Plan, who: (&User, &HeaderMap), method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let (_, text) = read(world.post(plan, who.0, who.1, &body).await).await;
    let text = events(&text).pop().unwrap_or(text);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

/// The sessions that lists of a conversation and its calls showed, in many rounds at the same time.
async fn shown(
    world: &World,
    plan: &Plan,
    user: &User,
    headers: &HeaderMap,
    number: usize,
) -> HashSet<String> {
    let mut shown = HashSet::new();
    for round in 0..40 {
        let who = (user, headers);
        if (number + round).is_multiple_of(3) {
            let listed = ask(world, plan, who, "tools/list", json!({})).await;
            let name = listed["result"]["tools"][1]["name"].as_str().map(str::to_owned);
            let name = name.unwrap_or_else(|| panic!("{listed}"));
            shown.insert(name.trim_start_matches("of-").to_owned());
        } else {
            let arguments = json!({"number": number, "round": round});
            let params = json!({"name": "whose", "arguments": arguments});
            let called = ask(world, plan, who, "tools/call", params).await;
            if let Some(session) = called["result"]["session"].as_str() {
                assert_eq!(called["result"]["of"], arguments);
                shown.insert(session.to_owned());
            }
        }
    }
    shown
}

#[tokio::test]
async fn conversations_of_several_people_at_once_never_meet_in_a_session() {
    for loses in [false, true] {
        let (server, _) = server(loses);
        let world = World::new(&[("one", &server)]);
        let plan = world.plan(IdentityForwarding::Assertion, &[]);
        let mut all = Vec::new();
        for user in &USERS {
            for _ in 0..10 {
                all.push((user, world.begin(&plan, user).await));
            }
        }
        let reading = all
            .iter()
            .enumerate()
            .map(|(number, (user, headers))| shown(&world, &plan, user, headers, number));
        let shown = join_all(reading).await;
        let mut seen: HashMap<&String, usize> = HashMap::new();
        for (number, (sessions, (user, _))) in shown.iter().zip(&all).enumerate() {
            assert!(!sessions.is_empty());
            assert!(loses || sessions.len() == 1, "{sessions:?}");
            for session in sessions {
                assert!(session.starts_with(user.0), "{session} of {}", user.0);
                let before = seen.insert(session, number);
                assert!(
                    before.is_none_or(|before| before == number),
                    "{session} of two conversations"
                );
            }
        }
    }
}

#[tokio::test]
async fn one_person_with_any_number_of_conversations_keeps_so_many_sessions_and_pushes_no_other_out() {
    const CONVERSATIONS: usize = 1_000;
    let (server, sessions) = server(false);
    let world = World::new(&[("one", &server)]);
    let plan = world.plan(IdentityForwarding::Assertion, &[]);
    let [ada, bob, _] = &USERS;
    let of_bob = world.begin(&plan, bob).await;
    let before = shown(&world, &plan, bob, &of_bob, 0).await;
    for _ in 0..CONVERSATIONS {
        let headers = world.begin(&plan, ada).await;
        let listed = ask(&world, &plan, (ada, &headers), "tools/list", json!({})).await;
        assert!(listed["result"].is_object(), "{listed}");
    }
    assert_eq!(shown(&world, &plan, bob, &of_bob, 0).await, before);
    // The sessions that were replaced were ended at the server, after the requests.
    let ended = async {
        while sessions.lock().unwrap().ended.len() < CONVERSATIONS - 256 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), ended)
        .await
        .unwrap();
    let sessions = sessions.lock().unwrap();
    assert!(sessions.ended.iter().all(|session| session.starts_with("ada")));
    let alive = sessions.alive.len();
    assert!((256..=258).contains(&alive), "{alive}");
}
