//! Our name for servers, and the names that they report.

use super::era::text_member;
use crate::wire::{
    extensions::Extensions,
    meta_keys,
    scan::{self, Kind, Span},
};

/// What we call ourselves towards servers.
pub(crate) const CLIENT_INFO: &str = concat!(
    r#"{"name":"gatewright","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

/// A name or version longer than this many characters says no more for being whole.
const MAX_NAME: usize = 120;
/// Characters that are kept of the instructions of a server: they fill the context of every model that gets them.
pub(crate) const INSTRUCTIONS_MAX: usize = 4_000;

/// The name that a server reports, and how it wants to be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Its name, as it wrote it.
    pub name: String,
    /// Its version, as it wrote it.
    pub version: String,
    /// Its `instructions` for the model, cut; empty for none.
    pub instructions: String,
    /// Whether it says that this can be shared between users (2026-07-28, `cacheScope`).
    pub(crate) is_public: bool,
    /// The extensions it declares.
    pub(crate) extensions: Extensions,
}

impl About {
    /// Read from the result of `server/discover` (2026-07-28: `_meta`) or `initialize` (2025-11-25: `serverInfo`).
    pub(super) fn read(body: &[u8], result: Span) -> Self {
        let object = |object: Span, name: &str| {
            let [member] = scan::pick(body, object, [name]).ok()?;
            Some(member.filter(|member| member.kind == Kind::Object)?.value)
        };
        let info =
            object(result, "serverInfo").or_else(|| object(object(result, "_meta")?, meta_keys::SERVER_INFO));
        let text = |name: &str| {
            let text = info.and_then(|info| text_member(body, info, name));
            text.unwrap_or_default().chars().take(MAX_NAME).collect()
        };
        let instructions = text_member(body, result, "instructions").unwrap_or_default();
        Self {
            name: text("name"),
            version: text("version"),
            instructions: instructions.trim().chars().take(INSTRUCTIONS_MAX).collect(),
            is_public: text_member(body, result, "cacheScope").as_deref() == Some("public"),
            extensions: Extensions::of_result(body, result),
        }
    }
}
