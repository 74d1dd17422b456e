//! When the names of a gateway's tools and prompts begin with the prefix of their server.

use serde::{Deserialize, Serialize};

use crate::words::worded;

worded! {
    /// When the names of a gateway's tools and prompts begin with the prefix of their server.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub enum PrefixMode {
        /// Always: the names stay the same when a second server is added.
        Always = "always", "Always";
        /// When the gateway has several servers.
        #[default]
        WhenSeveral = "when_several", "With several servers";
        /// Never. Of several servers that have the same name, the first in the gateway's order serves it.
        Never = "never", "Never";
    }
}

/// Whether a gateway with this many servers names tools and prompts `{prefix}_{name}`. It depends on the number that is
/// configured, never on the health of the servers.
pub const fn names_tools_by_server(mode: PrefixMode, servers: usize) -> bool {
    match mode {
        PrefixMode::Always => true,
        PrefixMode::WhenSeveral => servers > 1,
        PrefixMode::Never => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_decides_and_the_number_of_servers_only_where_it_says_so() {
        let named = |mode| [0, 1, 2, 200].map(|servers| names_tools_by_server(mode, servers));
        assert_eq!(named(PrefixMode::Always), [true; 4]);
        assert_eq!(named(PrefixMode::default()), [false, false, true, true]);
        assert_eq!(named(PrefixMode::Never), [false; 4]);
    }
}
