//! A gateway for the members of its project.

use std::time::Duration;

use gatewright_domain::{
    account::{Account, Email},
    account_session::AccountSession,
    entropy::{self, SystemEntropy},
    gateway::Authentication,
    id::{AccountId, AccountSessionId},
    member::{Member, Role},
    token_hash::TokenHash,
};
use gatewright_store::{account, account_session, member};
use http::{Request, StatusCode};

use super::world::{Answer, World};

pub const PATH: &str = "/mcp/acme/oauth2/authorize";

/// An instance whose gateway `acme` is for the members of its project.
pub async fn world() -> World {
    let world = World::new().await;
    let members = |gateway: &mut gatewright_domain::gateway::Gateway| {
        gateway.authentication = Authentication::ProjectMembers;
    };
    world.change_gateway("acme", members).await;
    world
}

/// A person with an account and a session; returns the account and the cookie.
pub async fn person(world: &World, name: &str, role: Option<Role>) -> (AccountId, String) {
    let (clock, at) = (world.clock.as_ref(), world.app.now());
    let id = AccountId::generate(clock, &SystemEntropy);
    let email = Email::check("", &format!("{name}@example.com")).unwrap();
    let made = Account {
        address_proven: true,
        ..Account::new(id, email, name.to_owned(), at)
    };
    let token = entropy::token(&SystemEntropy);
    let session = AccountSession {
        id: AccountSessionId::generate(clock, &SystemEntropy),
        account_id: made.id,
        hash: TokenHash::of(&token),
        epoch: 1,
        created_at: at,
        last_seen_at: at,
        expires_at: at.plus(Duration::from_hours(24)),
        address: "127.0.0.1".to_owned(),
        user_agent: String::new(),
    };
    let mut tx = world.app.store.write().await.unwrap();
    account::insert(&mut tx, &made, None).await.unwrap();
    if let Some(role) = role {
        let row = Member::new(world.project, made.id, role, at);
        assert!(member::insert(&mut tx, &row).await.unwrap());
    }
    assert!(account_session::begin(&mut tx, &session).await.unwrap());
    tx.commit().await.unwrap();
    world.app.refresh_directory().await.unwrap();
    (made.id, format!("gatewright-session={token}"))
}

pub async fn get_as(world: &World, path: &str, cookie: &str) -> Answer {
    let request = Request::get(path).header("cookie", cookie);
    world.send(request.body(String::new()).unwrap()).await
}

pub async fn allow_as(world: &World, form: &str, cookie: &str) -> Answer {
    let headers = [("sec-fetch-site", "same-origin"), ("cookie", cookie)];
    world
        .post_with(PATH, &[("request", form), ("decision", "allow")], &headers)
        .await
}

/// What a request of the client with its token is answered.
pub async fn call(world: &World, access_token: &str) -> StatusCode {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
        "capabilities":{},"clientInfo":{"name":"client","version":"1"}}}"#;
    let request = Request::post("/mcp/acme")
        .header("authorization", format!("Bearer {access_token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    world.send(request.body(message.to_owned()).unwrap()).await.status
}
