//! What servers declare that they can do (2026-07-28 server/discover; 2025-11-25 basic/lifecycle, "Capability
//! Negotiation"), as far as a gateway passes it on.

use super::{
    extensions::Extensions,
    listing::ListKind,
    scan::{self, Kind, Member, Span},
};

/// Something a server can declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `tools`
    Tools = 1,
    /// `prompts`
    Prompts = 2,
    /// `resources`
    Resources = 4,
    /// `completions`
    Completions = 8,
    /// `subscribe` of `resources`: whether it announces that a resource has changed.
    Subscribe = 16,
    /// `logging`
    Logging = 32,
    /// `requests.tools.call` of `tasks`: tools can be called as tasks (2025-11-25 basic/utilities/tasks).
    TaskCalls = 64,
    /// `list` of `tasks`
    TaskList = 128,
    /// `cancel` of `tasks`
    TaskCancel = 256,
}

impl Capability {
    /// Those that are separate objects, in the order in which they are written.
    pub const ALL: [Self; 5] = [
        Self::Tools,
        Self::Prompts,
        Self::Resources,
        Self::Completions,
        Self::Logging,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Completions => "completions",
            Self::Subscribe => "subscribe",
            Self::Logging => "logging",
            Self::TaskCalls => "requests",
            Self::TaskList => "list",
            Self::TaskCancel => "cancel",
        }
    }

    /// The members of `tasks`.
    const OF_TASKS: [Self; 3] = [Self::TaskList, Self::TaskCancel, Self::TaskCalls];

    /// The capability a server declares that has lists of this kind.
    pub const fn of_list(kind: ListKind) -> Self {
        match kind {
            ListKind::Tools => Self::Tools,
            ListKind::Prompts => Self::Prompts,
            ListKind::Resources | ListKind::ResourceTemplates => Self::Resources,
        }
    }
}

/// What a server declares, or several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Everything that can be passed on, except tasks: clients that learn of those call tools in another way.
    pub const EVERYTHING: Self = Self(63);

    /// Read from the result of `server/discover` or `initialize` in a message.
    pub fn read(body: &[u8], result: Span) -> Self {
        let Ok([Some(declared)]) = scan::pick(body, result, ["capabilities"]) else {
            return Self::default();
        };
        if declared.kind != Kind::Object {
            return Self::default();
        }
        let found = scan::pick(body, declared.value, Capability::ALL.map(Capability::as_str));
        let found = found.unwrap_or_default();
        let is_declared = |(capability, member): (Capability, Option<scan::Member>)| {
            member
                .is_some_and(|member| member.kind == Kind::Object)
                .then_some(capability)
        };
        let resources = found[2].filter(|member| member.kind == Kind::Object);
        let subscribe = resources.and_then(|resources| {
            let [subscribe] = scan::pick(body, resources.value, [Capability::Subscribe.as_str()]).ok()?;
            (subscribe?.value.of(body) == b"true").then_some(Capability::Subscribe)
        });
        Capability::ALL
            .into_iter()
            .zip(found)
            .filter_map(is_declared)
            .chain(subscribe)
            .collect::<Self>()
            .or(Self::of_tasks(body, declared.value))
    }

    /// What the member `tasks` of a `capabilities` object declares.
    fn of_tasks(body: &[u8], declared: Span) -> Self {
        let object = |object: Span, name| {
            let [member] = scan::pick(body, object, [name]).ok()?;
            let is_object = |member: &Member| member.kind == Kind::Object;
            Some(member.filter(is_object)?.value)
        };
        let Some(tasks) = object(declared, "tasks") else {
            return Self::default();
        };
        let is_declared = |one: &Capability| match (object(tasks, one.as_str()), one) {
            (Some(requests), Capability::TaskCalls) => {
                object(requests, "tools").is_some_and(|tools| object(tools, "call").is_some())
            }
            (declared, _) => declared.is_some(),
        };
        Capability::OF_TASKS.into_iter().filter(is_declared).collect()
    }

    /// Whether it includes this one.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability as u16 != 0
    }

    /// All of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same without this one.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(capability as u16))
    }

    /// The same without tasks.
    #[must_use]
    pub const fn without_tasks(self) -> Self {
        self.without(Capability::TaskCalls)
            .without(Capability::TaskList)
            .without(Capability::TaskCancel)
    }

    /// The `capabilities` object with these and the extensions, as JSON text. Changes of all lists are announced:
    /// the gateway itself can change.
    pub(crate) fn to_json(self, extensions: &Extensions) -> String {
        let declared = Capability::ALL
            .into_iter()
            .filter(|capability| self.has(*capability));
        let mut members: Vec<_> = declared
            .map(|one| {
                let details = match one {
                    Capability::Completions | Capability::Logging => "",
                    Capability::Resources if self.has(Capability::Subscribe) => {
                        r#""listChanged":true,"subscribe":true"#
                    }
                    _ => r#""listChanged":true"#,
                };
                format!(r#""{}":{{{details}}}"#, one.as_str())
            })
            .collect();
        members.extend(self.tasks());
        if !extensions.is_empty() {
            members.push(format!(r#""extensions":{}"#, extensions.to_json()));
        }
        format!("{{{}}}", members.join(","))
    }

    /// The member `tasks` that lists what is supported; `None` if tools cannot be called as tasks.
    fn tasks(self) -> Option<String> {
        self.has(Capability::TaskCalls).then(|| {
            let declared = Capability::OF_TASKS.into_iter().filter(|one| self.has(*one));
            let members: Vec<_> = declared
                .map(|one| {
                    let details = match one {
                        Capability::TaskCalls => r#""tools":{"call":{}}"#,
                        _ => "",
                    };
                    format!(r#""{}":{{{details}}}"#, one.as_str())
                })
                .collect();
            format!(r#""tasks":{{{}}}"#, members.join(","))
        })
    }

    /// As a number, to be kept in an atomic.
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    /// The meaning of [`Self::bits`].
    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |bits, one| bits | one as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: &str) -> String {
        let object = Span::new(0, result.len());
        let extensions = Extensions::of_result(result.as_bytes(), object);
        Capabilities::read(result.as_bytes(), object).to_json(&extensions)
    }

    #[test]
    fn what_is_declared_is_read_and_written_in_one_order() {
        for (result, read_as) in [
            (
                r#"{"capabilities":{"resources":{"subscribe":true},"x":{},"prompts":{}}}"#,
                r#"{"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true}}"#,
            ),
            (
                r#"{"capabilities":{"resources":{"subscribe":"true"}}}"#,
                r#"{"resources":{"listChanged":true}}"#,
            ),
            (
                r#"{"capabilities":{"logging":{},"completions":{},"tools":{"listChanged":true}}}"#,
                r#"{"tools":{"listChanged":true},"completions":{},"logging":{}}"#,
            ),
            (r#"{"capabilities":{"tools":null,"prompts":false}}"#, "{}"),
            (
                r#"{"capabilities":{"tasks":{"requests":{"tools":{"call":{}}},"cancel":{},"x":{}},"extensions":{"a/b":{}}}}"#,
                r#"{"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}},"extensions":{"a/b":{}}}"#,
            ),
            // What does not work for tasks is not declared.
            (
                r#"{"capabilities":{"tasks":{"list":{},"requests":{"tools":{}}}}}"#,
                "{}",
            ),
            (r#"{"capabilities":[]}"#, "{}"),
            ("{}", "{}"),
        ] {
            assert_eq!(read(result), read_as);
        }
        let all = Capability::ALL.into_iter().chain([Capability::Subscribe]);
        assert_eq!(Capabilities::EVERYTHING, all.collect());
    }

    #[test]
    fn sets_are_joined_and_narrowed() {
        let tools: Capabilities = [Capability::Tools].into_iter().collect();
        let prompts: Capabilities = [Capability::Prompts].into_iter().collect();
        let both = tools.or(prompts);
        assert!(
            both.has(Capability::Tools) && both.has(Capability::Prompts) && !both.has(Capability::Resources)
        );
        assert_eq!(both.without(Capability::Tools), prompts);
        assert_eq!(Capabilities::from_bits(both.bits()), both);
    }
}
