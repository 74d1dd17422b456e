//! MCP clients whose Client ID Metadata Document is known, to be chosen by name for `trusted_clients`.

use serde::Serialize;
use utoipa::ToSchema;

/// A client that can be trusted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct KnownClient {
    /// What people call it.
    pub name: &'static str,
    /// Its Client ID Metadata Document URL: the `url` of a trusted client.
    #[schema(format = "uri")]
    pub url: &'static str,
    /// Where it has people sent back to.
    pub redirect: RedirectKind,
    /// What to know before trusting it; null if there is nothing.
    #[schema(required = true)]
    pub warning: Option<&'static str>,
}

/// Where a client has people sent back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedirectKind {
    /// An https address that belongs to the client's maker.
    Https,
    /// The loopback interface of the person's own machine (RFC 8252 section 7.3).
    Loopback,
}

/// Why trust in a client on loopback is less than it seems (RFC 8252 section 8.6).
const LOOPBACK_WARNING: &str = "It receives sign-ins on the person's own machine, where any other program can listen in its \
     place and present the same document. Its consent page is skipped only with `allow_loopback: true`; leave that off \
     unless people run nothing there that you do not trust.";

/// All of them. They are not secret: any key with access to the API can read them.
pub const KNOWN_CLIENTS: [KnownClient; 3] = [
    KnownClient {
        name: "Claude",
        url: "https://claude.ai/oauth/mcp-oauth-client-metadata",
        redirect: RedirectKind::Https,
        warning: None,
    },
    KnownClient {
        name: "Claude Code",
        url: "https://claude.ai/oauth/claude-code-client-metadata",
        redirect: RedirectKind::Loopback,
        warning: Some(LOOPBACK_WARNING),
    },
    KnownClient {
        name: "VS Code",
        url: "https://vscode.dev/oauth/client-metadata.json",
        redirect: RedirectKind::Loopback,
        warning: Some(LOOPBACK_WARNING),
    },
];

/// The name of the client with this metadata document, if it is known.
pub fn name_of(url: &str) -> Option<&'static str> {
    let known = KNOWN_CLIENTS.iter().find(|client| client.url == url);
    known.map(|client| client.name)
}
