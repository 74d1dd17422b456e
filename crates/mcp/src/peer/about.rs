//! What we call ourselves towards servers, and what they call themselves.

use super::era::text_member;
use crate::wire::{
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

/// What a server calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name, as it wrote it.
    pub name: String,
    /// Its version, as it wrote it.
    pub version: String,
}

impl About {
    /// Read from the result of `server/discover` (2026-07-28: `_meta`) or `initialize` (2025-11-25: `serverInfo`).
    pub(super) fn read(body: &[u8], result: Span) -> Option<Self> {
        let object = |object: Span, name: &str| {
            let [member] = scan::pick(body, object, [name]).ok()?;
            Some(member.filter(|member| member.kind == Kind::Object)?.value)
        };
        let info = object(result, "serverInfo")
            .or_else(|| object(object(result, "_meta")?, meta_keys::SERVER_INFO))?;
        let text = |name: &str| {
            let text = text_member(body, info, name).unwrap_or_default();
            text.chars().take(MAX_NAME).collect()
        };
        Some(Self {
            name: text("name"),
            version: text("version"),
        })
    }
}
