//! The names under which gateways show a tool or prompt of a server.

use gatewright_mcp::naming::Naming;

/// The names under which gateways show a tool or prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShownAs {
    /// At gateways that do not add a prefix.
    pub without_prefix: Box<str>,
    /// At gateways that do.
    pub with_prefix: Box<str>,
    /// Whether the name had to be changed, without and with the prefix.
    is_changed: [bool; 2],
}

impl ShownAs {
    /// Those of `name` at a server with this prefix.
    pub(super) fn of(prefix: &str, name: &str) -> Self {
        let shown = |naming: Naming| {
            let exposed = naming.expose(prefix, name);
            let is_changed = naming.unchanged(prefix, &exposed).is_none();
            (exposed.into_boxed_str(), is_changed)
        };
        let ((without_prefix, plain), (with_prefix, prefixed)) =
            (shown(Naming::Plain), shown(Naming::Prefixed));
        Self {
            without_prefix,
            with_prefix,
            is_changed: [plain, prefixed],
        }
    }

    /// The name at gateways that add a prefix, or at others.
    pub fn name(&self, is_prefixed: bool) -> &str {
        if is_prefixed {
            &self.with_prefix
        } else {
            &self.without_prefix
        }
    }

    /// The same, if it differs from its own name with or without the prefix.
    pub fn changed(&self, is_prefixed: bool) -> Option<&str> {
        self.is_changed[usize::from(is_prefixed)].then(|| self.name(is_prefixed))
    }

    /// Bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        48 + self.without_prefix.len() + self.with_prefix.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_need_a_change_only_with_the_prefix() {
        let short = ShownAs::of("gh", "search");
        assert_eq!((short.name(false), short.name(true)), ("search", "gh_search"));
        assert_eq!((short.changed(false), short.changed(true)), (None, None));
        let long = "n".repeat(62);
        let long = ShownAs::of("gh", &long);
        assert_eq!(
            (long.changed(false), long.changed(true)),
            (None, Some(long.name(true)))
        );
        let dotted = ShownAs::of("gh", "files.read");
        assert!(
            dotted
                .changed(false)
                .is_some_and(|name| name.starts_with("files_read_x"))
        );
        assert!(
            dotted
                .changed(true)
                .is_some_and(|name| name.starts_with("gh_files_read_x"))
        );
    }
}
