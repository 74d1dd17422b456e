//! Scopes: `mcp`, always granted, and `offline_access`, granted on request. Unknown ones are dropped, and the
//! response says what was granted (RFC 6749 section 3.3).

use std::fmt;

/// Calls at this gateway on the user's behalf. The only scope of the protected resource.
const MCP: &str = "mcp";

/// Staying signed in. A refresh token is issued with or without it; it is echoed because clients compare
/// (OpenID Connect Core section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Granted scopes. Always includes `mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes {
    offline_access: bool,
}

impl Scopes {
    /// The scopes granted for `requested`.
    pub fn grant(requested: Option<&str>) -> Self {
        let offline_access = requested
            .unwrap_or_default()
            .split_ascii_whitespace()
            .any(|scope| scope == OFFLINE_ACCESS);
        Self { offline_access }
    }

    /// All scopes, for metadata.
    pub const fn all() -> Self {
        Self { offline_access: true }
    }

    /// The scopes as a list, for metadata.
    pub const fn names(self) -> &'static [&'static str] {
        if self.offline_access {
            &[MCP, OFFLINE_ACCESS]
        } else {
            &[MCP]
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.offline_access {
            "mcp offline_access"
        } else {
            MCP
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcp_is_always_granted_and_unknown_scopes_are_dropped() {
        let granted = |requested| Scopes::grant(requested).to_string();
        assert_eq!(granted(None), "mcp");
        assert_eq!(granted(Some("")), "mcp");
        assert_eq!(granted(Some("openid profile mcp")), "mcp");
        assert_eq!(granted(Some("offline_access")), "mcp offline_access");
        assert_eq!(granted(Some("mcp  offline_access email")), "mcp offline_access");
        assert_eq!(granted(Some("Offline_Access")), "mcp");
    }

    proptest::proptest! {
        #[test]
        fn granting_what_was_granted_changes_nothing(requested in ".{0,80}") {
            let granted = Scopes::grant(Some(&requested));
            proptest::prop_assert_eq!(Scopes::grant(Some(&granted.to_string())), granted);
        }
    }
}
