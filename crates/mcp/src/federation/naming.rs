//! How tools and prompts of several servers are named, and found again.
//!
//! A server's slug has no underscore, so `{server}_{name}` can be read in one way only. The rule is checked all the same:
//! a name that two servers would expose is offered by neither, because whichever came first could shadow the other.

use std::collections::{HashMap, HashSet};

/// Names longer than this are reported: tool names should have 1 to 128 characters (MCP 2026-07-28, Tools, "Tool Names").
pub const RECOMMENDED_NAME_CHARS: usize = 128;

/// How names are exposed. It depends on the number of servers chosen, never on their health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// One server is chosen: names stay as they are.
    Plain,
    /// Several are chosen: `{server}_{name}`.
    Prefixed,
}

impl Naming {
    /// The naming for that many chosen servers.
    pub const fn for_servers(count: usize) -> Self {
        if count > 1 { Self::Prefixed } else { Self::Plain }
    }

    /// The exposed name of `name` at the server with this slug.
    pub fn expose(self, slug: &str, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Prefixed => format!("{slug}_{name}"),
        }
    }

    /// The slug and the name that an exposed name was made of; without a slug where names are plain.
    /// Says nothing about whether it is offered: only [`Selection::resolve`] does.
    pub fn split(self, exposed: &str) -> Option<(Option<&str>, &str)> {
        match self {
            Self::Plain => Some((None, exposed)),
            Self::Prefixed => exposed.split_once('_').map(|(slug, name)| (Some(slug), name)),
        }
    }
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The server, as the index it had in the list the selection was built from.
    pub server: usize,
    /// The entry's index in that server's list.
    pub entry: usize,
    /// The name at that server.
    pub upstream_name: Box<str>,
}

/// Something that was left out, or is offered with a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameReport {
    /// The server's index.
    pub server: usize,
    /// The name at that server.
    pub upstream_name: Box<str>,
    /// The name it would have.
    pub exposed: Box<str>,
    /// What happened.
    pub finding: Finding,
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The server lists this name more than once; the first is offered.
    Duplicate,
    /// Two servers would expose this name; none of them is offered.
    Collision,
    /// A server before it in the gateway's order lists this URI too, and serves it.
    ServedByFirst,
    /// Longer than the protocol recommends; offered, but some clients will refuse it.
    TooLong,
}

/// What becomes of a name that two servers would expose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// It is offered by neither: one could shadow the other.
    Neither,
    /// It is offered by the first: URIs stay as their servers wrote them, because links in results name them.
    First,
}

/// Exposed names and where they lead: exact, and one to one.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    by_name: HashMap<Box<str>, Target>,
}

impl Selection {
    /// Builds it from the slug and the names, in order, of each server.
    pub fn build<'a, N>(
        naming: Naming,
        servers: impl IntoIterator<Item = (&'a str, N)>,
    ) -> (Self, Vec<NameReport>)
    where
        N: IntoIterator<Item = &'a str>,
    {
        let named = servers
            .into_iter()
            .map(|(slug, names)| (slug, names.into_iter().enumerate()));
        Self::build_indexed(naming, Shared::Neither, named)
    }

    /// The same where the entries offered are not all entries of a server's list: each comes with its index there.
    pub fn build_indexed<'a, N>(
        naming: Naming,
        shared: Shared,
        servers: impl IntoIterator<Item = (&'a str, N)>,
    ) -> (Self, Vec<NameReport>)
    where
        N: IntoIterator<Item = (usize, &'a str)>,
    {
        let mut by_name: HashMap<Box<str>, Target> = HashMap::new();
        let mut reports = Vec::new();
        let mut collided: HashSet<Box<str>> = HashSet::new();
        for (server, (slug, names)) in servers.into_iter().enumerate() {
            for (entry, name) in names {
                let exposed: Box<str> = naming.expose(slug, name).into();
                let mut report = |server, upstream_name: &str, finding| {
                    reports.push(NameReport {
                        server,
                        upstream_name: upstream_name.into(),
                        exposed: exposed.clone(),
                        finding,
                    });
                };
                match by_name.get(&exposed) {
                    Some(other) if other.server == server => {
                        report(server, name, Finding::Duplicate);
                        continue;
                    }
                    Some(_) if shared == Shared::First => {
                        report(server, name, Finding::ServedByFirst);
                        continue;
                    }
                    Some(other) => {
                        if collided.insert(exposed.clone()) {
                            report(other.server, &other.upstream_name, Finding::Collision);
                        }
                        report(server, name, Finding::Collision);
                        continue;
                    }
                    None => {}
                }
                if shared == Shared::Neither && exposed.chars().count() > RECOMMENDED_NAME_CHARS {
                    report(server, name, Finding::TooLong);
                }
                let target = Target {
                    server,
                    entry,
                    upstream_name: name.into(),
                };
                by_name.insert(exposed, target);
            }
        }
        for name in &collided {
            by_name.remove(name);
        }
        (Self { by_name }, reports)
    }

    /// Where an exposed name leads.
    pub fn resolve(&self, exposed: &str) -> Option<&Target> {
        self.by_name.get(exposed)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(naming: Naming, servers: &[(&str, &[&str])]) -> (Selection, Vec<(Finding, usize, String)>) {
        let servers = servers.iter().map(|(slug, names)| (*slug, names.iter().copied()));
        let (selection, reports) = Selection::build(naming, servers);
        let reports = reports
            .into_iter()
            .map(|report| (report.finding, report.server, report.exposed.into()))
            .collect();
        (selection, reports)
    }

    #[test]
    fn the_number_of_servers_decides() {
        assert_eq!(Naming::for_servers(1).expose("files", "read"), "read");
        assert_eq!(Naming::for_servers(2).expose("files", "read"), "files_read");
        assert_eq!(
            Naming::Prefixed.split("files_read_all"),
            Some((Some("files"), "read_all"))
        );
        assert_eq!(Naming::Prefixed.split("read"), None);
        assert_eq!(Naming::Plain.split("a_b"), Some((None, "a_b")));
    }

    #[test]
    fn resolves_exactly() {
        let (selection, reports) = build(Naming::Prefixed, &[("a", &["x", "b_x"]), ("a-b", &["x"])]);
        assert_eq!(reports, []);
        assert_eq!(selection.len(), 3);
        let target = selection.resolve("a_b_x").expect("is offered");
        assert_eq!(
            (target.server, target.entry, &*target.upstream_name),
            (0, 1, "b_x")
        );
        for unknown in ["x", "A_x", "a_X", "a_x ", "a_", "", "a-b_b_x"] {
            assert_eq!(selection.resolve(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_name_listed_twice_counts_once_and_a_shared_one_not_at_all() {
        let (selection, reports) = build(Naming::Plain, &[("a", &["x", "y", "x"]), ("b", &["y", "z", "y"])]);
        assert_eq!(selection.resolve("x").map(|target| target.entry), Some(0));
        assert_eq!(selection.resolve("y"), None);
        assert!(selection.resolve("z").is_some());
        assert_eq!(
            reports,
            [
                (Finding::Duplicate, 0, "x".to_owned()),
                (Finding::Collision, 0, "y".to_owned()),
                (Finding::Collision, 1, "y".to_owned()),
                (Finding::Collision, 1, "y".to_owned()),
            ]
        );
    }

    #[test]
    fn long_names_are_offered_and_reported() {
        let long = "n".repeat(RECOMMENDED_NAME_CHARS);
        let (selection, reports) = build(Naming::Prefixed, &[("a", &[&long]), ("b", &["x"])]);
        assert_eq!(selection.len(), 2);
        assert_eq!(reports, [(Finding::TooLong, 0, format!("a_{long}"))]);
    }

    proptest! {
        /// No two tools ever share a name, and each name leads back to the tool it came from.
        #[test]
        fn is_one_to_one(names in proptest::collection::vec(proptest::collection::btree_set("[a-z_]{0,4}", 0..6), 1..4)) {
            let slugs = ["a", "b", "a-b"];
            let servers = names.iter().enumerate().map(|(index, names)| (slugs[index], names.iter().map(String::as_str)));
            let (selection, reports) = Selection::build(Naming::Prefixed, servers);
            prop_assert!(reports.is_empty());
            let offered: usize = names.iter().map(std::collections::BTreeSet::len).sum();
            prop_assert_eq!(selection.len(), offered);
            for (server, names) in names.iter().enumerate() {
                for name in names {
                    let exposed = Naming::Prefixed.expose(slugs[server], name);
                    let target = selection.resolve(&exposed);
                    prop_assert_eq!(target.map(|target| (target.server, &*target.upstream_name)), Some((server, name.as_str())));
                    prop_assert_eq!(Naming::Prefixed.split(&exposed), Some((Some(slugs[server]), name.as_str())));
                }
            }
        }
    }
}
