//! Prompts, resources, resource templates and completion.

mod apps;
mod capabilities;
mod completions;
mod extensions;
mod prompts;
mod resources;
mod selection;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::{
    federation::plan::Plan,
    testing::net::{User, World, events, meta, modern_headers, read},
    wire::version::Era,
};

const ADA: User = User("ada");
const BOB: User = User("bob");
const BOTH: [Era; 2] = [Era::Modern, Era::Legacy];

/// A client of one era.
struct Client<'a> {
    world: &'a World,
    plan: &'a Plan,
    user: &'a User,
    /// The headers of its session, if it has one.
    session: Option<HeaderMap>,
}

impl<'a> Client<'a> {
    async fn new(world: &'a World, plan: &'a Plan, user: &'a User, era: Era) -> Self {
        let session = match era {
            Era::Modern => None,
            Era::Legacy => Some(world.begin(plan, user).await),
        };
        Self {
            world,
            plan,
            user,
            session,
        }
    }

    /// The text of the answer to a request; `params` is the text of its members, without braces.
    async fn text(&self, method: &str, params: &str) -> String {
        let (headers, params) = if let Some(headers) = &self.session {
            (headers.clone(), params.to_owned())
        } else {
            let members: Value = serde_json::from_str(&format!("{{{params}}}")).unwrap();
            let named = members.get("name").or_else(|| members.get("uri"));
            let comma = if params.is_empty() { "" } else { "," };
            (
                modern_headers(method, named.and_then(Value::as_str)),
                format!("{params}{comma}{}", meta("")),
            )
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":"i","method":"{method}","params":{{{params}}}}}"#);
        let answer = self.world.post(self.plan, self.user, &headers, &body).await;
        read(answer).await.1
    }

    async fn ask(&self, method: &str, params: &str) -> Value {
        let text = self.text(method, params).await;
        // The last event, if it is a stream.
        let text = events(&text).pop().unwrap_or(text);
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["id"], "i", "{answer}");
        answer
    }

    /// The keys of a list, in order, following its pages.
    async fn list(&self, method: &str, member: &str, key: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut params = String::new();
        loop {
            let answer = self.ask(method, &params).await;
            let entries = answer["result"][member].as_array();
            let entries = entries.unwrap_or_else(|| panic!("{answer}"));
            keys.extend(
                entries
                    .iter()
                    .map(|entry| entry[key].as_str().unwrap().to_owned()),
            );
            match answer["result"]["nextCursor"].as_str() {
                Some(cursor) => params = format!(r#""cursor":"{cursor}""#),
                None => return keys,
            }
        }
    }

    async fn read(&self, uri: &str) -> Value {
        self.ask("resources/read", &format!(r#""uri":"{uri}""#)).await
    }
}

/// The members of a result, without those that only one era has.
fn bare(answer: &Value) -> Map<String, Value> {
    let mut result = answer["result"]
        .as_object()
        .unwrap_or_else(|| panic!("{answer}"))
        .clone();
    for hint in ["resultType", "ttlMs", "cacheScope"] {
        result.remove(hint);
    }
    result
}

/// That a resource was refused as one that does not exist.
#[track_caller]
fn assert_not_found(answer: &Value, era: Era, uri: &str) {
    let code = match era {
        Era::Modern => -32602,
        Era::Legacy => -32002,
    };
    assert_eq!(
        answer["error"],
        json!({"code": code, "message": "Resource not found", "data": {"uri": uri}})
    );
}
