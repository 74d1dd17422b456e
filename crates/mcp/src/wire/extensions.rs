//! Extensions that servers and clients declare, by their identifiers (2026-07-28 basic/versioning, "Extension Negotiation"):
//! and which of them a gateway passes on.

use super::{
    json::json_string,
    scan::{self, Kind, Span, decode_string, each_member},
};

/// Tasks, of 2026-07-28; those of 2025-11-25 are a separate capability.
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";
/// MCP Apps: pages that tools bring with them as resources.
pub(crate) const UI: &str = "io.modelcontextprotocol/ui";
/// Extensions that say how a client signs in to the server that declares them, which do not apply to servers behind it.
const OF_CONNECTION: [&str; 2] = [
    "io.modelcontextprotocol/oauth-client-credentials",
    "io.modelcontextprotocol/enterprise-managed-authorization",
];
/// Extensions kept of one party, and of a gateway.
const EXTENSIONS_MAX: usize = 64;
/// Bytes of an identifier and its settings; an extension that says more is left out.
const EXTENSION_MAX: usize = 2 * 1024;

/// Extensions with their settings, in the order in which they were declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Extensions(Vec<Extension>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Extension {
    name: Box<str>,
    /// JSON text of an object, as written.
    settings: Box<str>,
}

impl Extensions {
    /// Read from a `capabilities` object in a body. What concerns a single connection is left out.
    pub(crate) fn of_capabilities(body: &[u8], capabilities: Span) -> Self {
        let mut extensions = Self::default();
        let Ok([Some(declared)]) = scan::pick(body, capabilities, ["extensions"]) else {
            return extensions;
        };
        if declared.kind != Kind::Object {
            return extensions;
        }
        for member in each_member(body, declared.value).map_while(Result::ok) {
            let name = decode_string(member.name.of(body));
            let settings = std::str::from_utf8(member.value.of(body)).ok();
            if let (Some(name), Some(settings), Kind::Object) = (name, settings, member.kind)
                && name.len() + settings.len() <= EXTENSION_MAX
                && !OF_CONNECTION.contains(&&*name)
            {
                extensions.add(&name, settings);
            }
        }
        extensions
    }

    /// The same of the result of `server/discover` or `initialize`.
    pub(crate) fn of_result(body: &[u8], result: Span) -> Self {
        match scan::pick(body, result, ["capabilities"]) {
            Ok([Some(declared)]) if declared.kind == Kind::Object => {
                Self::of_capabilities(body, declared.value)
            }
            _ => Self::default(),
        }
    }

    fn add(&mut self, name: &str, settings: &str) {
        if self.0.len() < EXTENSIONS_MAX && !self.has(name) {
            self.0.push(Extension {
                name: name.into(),
                settings: settings.into(),
            });
        }
    }

    /// Whether they include this one.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|extension| *extension.name == *name)
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same without this one.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|extension| *extension.name != *name);
        self
    }

    /// Adds those of another server that `passes` agrees to. Of one that both declare, the settings of the first stay.
    pub(crate) fn extend(&mut self, other: &Self, passes: impl Fn(&str) -> bool) {
        for extension in other.0.iter().filter(|extension| passes(&extension.name)) {
            self.add(&extension.name, &extension.settings);
        }
    }

    /// The object that declares them, JSON text.
    pub(crate) fn to_json(&self) -> String {
        let members: Vec<_> = self
            .0
            .iter()
            .map(|extension| format!("{}:{}", json_string(&extension.name), extension.settings))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: &str) -> Extensions {
        Extensions::of_result(result.as_bytes(), Span::new(0, result.len()))
    }

    #[test]
    fn extensions_are_read_as_they_were_written_without_those_of_a_connection() {
        for (extensions, kept) in [
            (
                r#"{"io.modelcontextprotocol/ui": {"mimeTypes" : ["a"]},"com.example/x":{}}"#,
                r#"{"io.modelcontextprotocol/ui":{"mimeTypes" : ["a"]},"com.example/x":{}}"#,
            ),
            (
                r#"{"io.modelcontextprotocol/oauth-client-credentials":{},"io.modelcontextprotocol/tasks":{}}"#,
                r#"{"io.modelcontextprotocol/tasks":{}}"#,
            ),
            (r#"{"a/b":true,"a/c":null,"a/d":{}}"#, r#"{"a/d":{}}"#),
            ("[]", "{}"),
        ] {
            let result = format!(r#"{{"capabilities":{{"tools":{{}},"extensions":{extensions}}}}}"#);
            assert_eq!(read(&result).to_json(), kept);
        }
        assert!(read(r#"{"capabilities":{}}"#).is_empty() && read("{}").is_empty());
    }

    #[test]
    fn extensions_of_servers_are_joined_and_the_first_decides_on_settings() {
        let mut all = read(r#"{"capabilities":{"extensions":{"a/b":{"x":1}}}}"#);
        let other = read(r#"{"capabilities":{"extensions":{"a/b":{"x":2},"a/c":{},"a/d":{}}}}"#);
        all.extend(&other, |name| name != "a/d");
        assert_eq!(all.to_json(), r#"{"a/b":{"x":1},"a/c":{}}"#);
        assert!(all.has("a/c") && !all.clone().without("a/c").has("a/c"));
    }

    #[test]
    fn extensions_are_bounded_in_number_and_size() {
        let long = "x".repeat(EXTENSION_MAX);
        let many: Vec<_> = (0..200).map(|number| format!(r#""a/{number}":{{}}"#)).collect();
        let text = format!(
            r#"{{"capabilities":{{"extensions":{{"a/long":{{"x":"{long}"}},{}}}}}}}"#,
            many.join(",")
        );
        let read = read(&text);
        assert!(!read.has("a/long") && read.has("a/0") && !read.has("a/199"));
    }
}
