//! What servers declare that they can do (2026-07-28 server/discover; 2025-11-25 basic/lifecycle, "Capability
//! Negotiation"), as far as a gateway passes it on.

use super::{
    listing::ListKind,
    scan::{self, Kind, Span},
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
}

impl Capability {
    /// Those that are objects of their own, in the order in which they are written.
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
        }
    }

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
pub struct Capabilities(u8);

impl Capabilities {
    /// Everything that can be passed on.
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
            .collect()
    }

    /// Whether this one is among them.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability as u8 != 0
    }

    /// All of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The same without this one.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(capability as u8))
    }

    /// The `capabilities` object that says so, as JSON text. Changes of all lists are announced: the gateway itself can change.
    pub fn to_json(self) -> String {
        let declared = Capability::ALL
            .into_iter()
            .filter(|capability| self.has(*capability));
        let members: Vec<_> = declared
            .map(|one| {
                let details = match one {
                    Capability::Completions | Capability::Subscribe | Capability::Logging => "",
                    Capability::Resources if self.has(Capability::Subscribe) => {
                        r#""listChanged":true,"subscribe":true"#
                    }
                    _ => r#""listChanged":true"#,
                };
                format!(r#""{}":{{{details}}}"#, one.as_str())
            })
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// As a number, to be kept in an atomic.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What [`Self::bits`] stands for.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |bits, one| bits | one as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: &str) -> String {
        Capabilities::read(result.as_bytes(), Span::new(0, result.len())).to_json()
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
