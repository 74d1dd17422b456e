//! What a gateway offers of its servers: which kinds of things, and which of each kind.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{Invalid, id::ServerId};

/// Entries of one kind that a gateway names, at most.
const MAX_NAMED: usize = 10_000;
const MAX_NAME: usize = 200;
/// Characters of the URI or URI template of a resource that can be chosen.
pub const MAX_RESOURCE_URI: usize = 2_000;

/// A tool that a gateway offers, identified by its server and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `server` and `tool`")]
pub struct AllowedTool {
    /// The server.
    pub server: ServerId,
    /// The tool's name at that server.
    pub tool: String,
}

/// A prompt that a gateway offers, identified by its server and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `server` and `prompt`")]
pub struct AllowedPrompt {
    /// The server.
    pub server: ServerId,
    /// The prompt's name at that server.
    pub prompt: String,
}

/// A resource or resource template that a gateway offers, identified by its server and its URI or URI template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `server` and `uri`")]
pub struct AllowedResource {
    /// The server.
    pub server: ServerId,
    /// The URI of the resource, or the URI template (RFC 6570) of the resource template, exactly as the server lists it.
    pub uri: String,
}

/// An entry of a gateway's lists of what it offers.
pub trait Allowed: Clone {
    /// The list it is an entry of, as the API names it.
    const LIST: &'static str;
    /// The member of an entry that identifies it at its server, as the API names it.
    const MEMBER: &'static str;
    /// What people call one.
    const SINGULAR: &'static str;
    /// What people call several.
    const PLURAL: &'static str;
    /// What people call the member that identifies it.
    const KEY: &'static str;
    /// Characters of that member, at most.
    const MAX_KEY: usize;

    /// One of this server.
    fn new(server: ServerId, key: String) -> Self;
    /// Its server.
    fn server(&self) -> ServerId;
    /// Its name or URI at that server.
    fn key(&self) -> &str;
}

macro_rules! allowed {
    ($type:ident, $list:literal, $member:ident, $singular:literal, $plural:literal, $key:literal, $max:expr) => {
        impl Allowed for $type {
            const LIST: &'static str = $list;
            const MEMBER: &'static str = stringify!($member);
            const SINGULAR: &'static str = $singular;
            const PLURAL: &'static str = $plural;
            const KEY: &'static str = $key;
            const MAX_KEY: usize = $max;

            fn new(server: ServerId, $member: String) -> Self {
                Self { server, $member }
            }

            fn server(&self) -> ServerId {
                self.server
            }

            fn key(&self) -> &str {
                &self.$member
            }
        }
    };
}

allowed!(
    AllowedTool,
    "allowed_tools",
    tool,
    "tool",
    "tools",
    "name",
    MAX_NAME
);
allowed!(
    AllowedPrompt,
    "allowed_prompts",
    prompt,
    "prompt",
    "prompts",
    "name",
    MAX_NAME
);
allowed!(
    AllowedResource,
    "allowed_resources",
    uri,
    "resource",
    "resources",
    "URI or URI template",
    MAX_RESOURCE_URI
);

/// Which kinds of things a gateway offers. Of a kind that is turned off it offers nothing, whatever its list names: an empty
/// list means all, so no list can say *none*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "an object with `tools`, `prompts` and `resources`"
)]
pub struct OfferedKinds {
    /// Tools.
    pub tools: bool,
    /// Prompts.
    pub prompts: bool,
    /// Resources and resource templates.
    pub resources: bool,
}

impl Default for OfferedKinds {
    fn default() -> Self {
        Self {
            tools: true,
            prompts: true,
            resources: true,
        }
    }
}

/// Checks one list of what a gateway offers; `servers` are those it federates, and empty means all.
pub(super) fn check<A: Allowed>(items: &[A], servers: &[ServerId]) -> Result<(), Invalid> {
    let (list, singular) = (A::LIST, A::SINGULAR);
    if items.len() > MAX_NAMED {
        return Err(Invalid::one(
            format!("/{list}"),
            format!("Choose at most {MAX_NAMED} {}.", A::PLURAL),
        ));
    }
    let mut invalid = Invalid::default();
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let (server, key) = (item.server(), item.key());
        let length = key.chars().count();
        if length == 0 || length > A::MAX_KEY || key.chars().any(char::is_control) {
            invalid.add(
                format!("/{list}/{index}/{}", A::MEMBER),
                format!(
                    "Enter the {singular}'s {} as its server lists it, 1 to {} characters.",
                    A::KEY,
                    A::MAX_KEY
                ),
            );
        } else if !seen.insert((server, key)) {
            invalid.add(
                format!("/{list}/{index}"),
                format!("This {singular} is chosen twice: remove one of them."),
            );
        }
        if !servers.is_empty() && !servers.contains(&server) {
            invalid.add(
                format!("/{list}/{index}/server"),
                format!(
                    "This {singular} belongs to a server that the gateway does not federate: add the server to `servers`, or \
                     remove the {singular}."
                ),
            );
        }
    }
    invalid.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    fn pointers<A: Allowed>(items: &[A], servers: &[ServerId]) -> Vec<String> {
        let invalid = check(items, servers).err().unwrap_or_default();
        invalid.violations().iter().map(|v| v.pointer.clone()).collect()
    }

    #[test]
    fn each_kind_is_checked_by_the_same_rules_and_named_as_the_api_names_it() {
        let (clock, entropy) = (FixedClock::at_seconds(1), SeededEntropy::new(1));
        let server = ServerId::generate(&clock, &entropy);
        let other = ServerId::generate(&clock, &entropy);
        let prompt = |server, key: &str| AllowedPrompt::new(server, key.to_owned());
        let uri = |server, key: &str| AllowedResource::new(server, key.to_owned());
        assert_eq!(
            pointers(
                &[
                    prompt(server, "ask"),
                    prompt(other, "ask"),
                    prompt(server, ""),
                    prompt(server, "ask")
                ],
                &[server]
            ),
            [
                "/allowed_prompts/1/server",
                "/allowed_prompts/2/prompt",
                "/allowed_prompts/3"
            ]
        );
        let longest = format!("db://{}", "x".repeat(MAX_RESOURCE_URI - 5));
        let too_long = format!("{longest}x");
        assert_eq!(
            pointers(
                &[
                    uri(server, "file:///{path}"),
                    uri(server, &longest),
                    uri(server, &too_long),
                    uri(server, "a\nb")
                ],
                &[]
            ),
            ["/allowed_resources/2/uri", "/allowed_resources/3/uri"]
        );
        let many = vec![prompt(server, "x"); MAX_NAMED + 1];
        assert_eq!(pointers(&many, &[]), ["/allowed_prompts"]);
    }

    #[test]
    fn a_kind_that_is_not_mentioned_is_offered() {
        let read = |text| serde_json::from_str::<OfferedKinds>(text);
        assert_eq!(read("{}").unwrap(), OfferedKinds::default());
        let kinds = read(r#"{"prompts":false}"#).unwrap();
        assert!(kinds.tools && !kinds.prompts && kinds.resources);
        assert!(read(r#"{"promts":false}"#).is_err());
    }
}
