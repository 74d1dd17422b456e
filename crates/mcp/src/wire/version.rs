//! Protocol versions and the two eras they fall into (MCP 2026-07-28, "Versioning and Compatibility").

use std::fmt;

/// A supported revision of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 2024-11-05: defined with another transport; some servers and clients use it over Streamable HTTP.
    V2024_11_05,
    /// 2025-03-26: the first with Streamable HTTP; no `MCP-Protocol-Version` header yet.
    V2025_03_26,
    /// 2025-06-18: header `MCP-Protocol-Version`, elicitation, structured content.
    V2025_06_18,
    /// 2025-11-25: the last with sessions.
    V2025_11_25,
    /// 2026-07-28: stateless, metadata on every request.
    V2026_07_28,
}

/// How a revision carries version, identity and capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// An `initialize` handshake opens a session (2025-11-25 and earlier).
    Legacy,
    /// Each request carries them in `_meta` (2026-07-28 and later).
    Modern,
}

impl ProtocolVersion {
    /// Every version, newest first: the order in which they are offered.
    pub const ALL: [Self; 5] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
        Self::V2024_11_05,
    ];
    /// The newest version of the modern era.
    pub const LATEST_MODERN: Self = Self::V2026_07_28;
    /// The newest version of the legacy era: the answer to an `initialize` that asks for one unknown here.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// The version of a request of the legacy era without `MCP-Protocol-Version`, unless a session says otherwise.
    pub const WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The version of that exact name, if it is supported.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// The era it belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// Whether requests after `initialize` carry the `MCP-Protocol-Version` header in this version.
    pub fn has_version_header(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether a server of this version may answer with an array of messages (2025-03-26 basic, "Batching"; the version before
    /// has the whole of JSON-RPC 2.0).
    pub fn may_have_batches(self) -> bool {
        self <= Self::V2025_03_26
    }

    /// The version a session gets whose `initialize` asks for `requested`: that one if it is of the legacy era and
    /// supported, else the newest of that era (2025-11-25, Lifecycle, "Version Negotiation").
    pub fn negotiate_initialize(requested: &str) -> Self {
        Self::parse(requested)
            .filter(|version| version.era() == Era::Legacy)
            .unwrap_or(Self::LATEST_LEGACY)
    }

    /// The newest version that both sides support, according to the list of a server.
    pub fn best_of<'a>(supported: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        supported.into_iter().filter_map(Self::parse).max()
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nothing_else_parses() {
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(version.as_str()), Some(version));
        }
        for other in ["", "2026-07-2", "2026-07-28 ", "2024-10-07", "1900-01-01"] {
            assert_eq!(ProtocolVersion::parse(other), None, "{other}");
        }
    }

    #[test]
    fn initialize_gets_its_version_or_the_newest_with_sessions() {
        for (asked, given) in [
            ("2025-03-26", ProtocolVersion::V2025_03_26),
            ("2025-06-18", ProtocolVersion::V2025_06_18),
            ("2025-11-25", ProtocolVersion::V2025_11_25),
            ("2026-07-28", ProtocolVersion::V2025_11_25),
            ("2024-11-05", ProtocolVersion::V2024_11_05),
            ("tomorrow", ProtocolVersion::V2025_11_25),
        ] {
            assert_eq!(ProtocolVersion::negotiate_initialize(asked), given);
        }
    }

    #[test]
    fn the_newest_shared_version_wins() {
        assert_eq!(
            ProtocolVersion::best_of(["2025-06-18", "2031-01-01", "2026-07-28"]),
            Some(ProtocolVersion::V2026_07_28)
        );
        assert_eq!(ProtocolVersion::best_of(["2031-01-01"]), None);
    }

    #[test]
    fn only_the_newest_is_modern() {
        let modern: Vec<_> = ProtocolVersion::ALL
            .into_iter()
            .filter(|version| version.era() == Era::Modern)
            .collect();
        assert_eq!(modern, [ProtocolVersion::V2026_07_28]);
        assert!(!ProtocolVersion::V2024_11_05.has_version_header());
        assert!(!ProtocolVersion::V2025_03_26.has_version_header());
        assert!(ProtocolVersion::V2025_06_18.has_version_header());
    }
}
