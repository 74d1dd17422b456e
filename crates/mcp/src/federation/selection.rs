//! The entries of several servers by their exposed names, and the outcome for names that two of them have.

use std::{borrow::Cow, collections::HashMap};

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
    /// The server lists this name more than once, or two names of it became one; the first is offered.
    Duplicate,
    /// A server before it in the gateway's order has this name or URI too, and serves it.
    ServedByFirst,
}

/// An entry under its exposed name.
#[derive(Debug)]
pub struct Named<'a> {
    /// The index of the server among all.
    pub server: usize,
    /// The entry's index in that server's list.
    pub entry: usize,
    /// The name or URI at that server.
    pub upstream_name: &'a str,
    /// The name or URI that clients use.
    pub exposed: Cow<'a, str>,
}

/// Exposed names and where they lead: exact, and one to one.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    by_name: HashMap<Box<str>, Target>,
}

impl Selection {
    /// Builds it from what is offered, servers in the gateway's order and entries in that of their lists: of several entries
    /// under one name the first is offered. With a prefix each server has its own names; without one, as with URIs, the
    /// administrator's order decides.
    pub fn build<'a, 'n: 'a>(offered: impl IntoIterator<Item = &'a Named<'n>>) -> (Self, Vec<NameReport>) {
        let mut by_name: HashMap<Box<str>, Target> = HashMap::new();
        let mut reports = Vec::new();
        for Named {
            server,
            entry,
            upstream_name,
            exposed,
        } in offered
        {
            if let Some(first) = by_name.get(&**exposed) {
                reports.push(NameReport {
                    server: *server,
                    upstream_name: (*upstream_name).into(),
                    exposed: (**exposed).into(),
                    finding: if first.server == *server {
                        Finding::Duplicate
                    } else {
                        Finding::ServedByFirst
                    },
                });
                continue;
            }
            let target = Target {
                server: *server,
                entry: *entry,
                upstream_name: (*upstream_name).into(),
            };
            by_name.insert((**exposed).into(), target);
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
    use crate::federation::naming::Naming;

    fn build<S: AsRef<str>>(
        naming: Naming,
        servers: &[(&str, &[S])],
    ) -> (Selection, Vec<(Finding, usize, String)>) {
        let offered = servers.iter().enumerate().flat_map(|(server, (prefix, names))| {
            names.iter().enumerate().map(move |(entry, name)| Named {
                server,
                entry,
                upstream_name: name.as_ref(),
                exposed: naming.expose(prefix, name.as_ref()).into(),
            })
        });
        let offered: Vec<Named<'_>> = offered.collect();
        let (selection, reports) = Selection::build(&offered);
        let reports = reports
            .into_iter()
            .map(|report| (report.finding, report.server, report.exposed.into()))
            .collect();
        (selection, reports)
    }

    #[test]
    fn resolves_exactly() {
        let (selection, reports) = build(Naming::Prefixed, &[("a", &["x", "b_x"][..]), ("a-b", &["x"])]);
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
    fn a_name_listed_twice_counts_once_and_a_shared_one_is_the_first_servers() {
        let (selection, reports) = build(
            Naming::Plain,
            &[("a", &["x", "y", "x"][..]), ("b", &["y", "z", "y"])],
        );
        assert_eq!(selection.resolve("x").map(|target| target.entry), Some(0));
        let leads_to = |name| {
            selection
                .resolve(name)
                .map(|target| (target.server, target.entry))
        };
        assert_eq!((leads_to("y"), leads_to("z")), (Some((0, 1)), Some((1, 1))));
        assert_eq!(
            reports,
            [
                (Finding::Duplicate, 0, "x".to_owned()),
                (Finding::ServedByFirst, 1, "y".to_owned()),
                (Finding::ServedByFirst, 1, "y".to_owned()),
            ]
        );
    }

    /// A server that finds a name with the hash of another's is read as any server with the same name.
    #[test]
    fn what_looks_like_the_changed_name_of_another_server_does_not_take_it() {
        let changed = Naming::Plain.expose("a", "files.read");
        let (selection, reports) = build(Naming::Plain, &[("a", &["files.read"][..]), ("b", &[&changed])]);
        assert_eq!((selection.len(), reports.len()), (2, 0));
        let target = selection.resolve(&changed).expect("is offered");
        assert_eq!((target.server, &*target.upstream_name), (0, "files.read"));
    }

    proptest! {
        /// No two tools ever share a name, and each name leads back to the tool it came from.
        #[test]
        fn is_one_to_one(names in proptest::collection::vec(proptest::collection::btree_set("[a-z_.]{0,4}|n{58,66}", 0..6), 1..4)) {
            let prefixes = ["a", "b", "a-b"];
            let names: Vec<Vec<String>> = names.into_iter().map(|names| names.into_iter().collect()).collect();
            let servers: Vec<_> = prefixes.into_iter().zip(names.iter().map(Vec::as_slice)).collect();
            let (selection, reports) = build(Naming::Prefixed, &servers);
            prop_assert!(reports.is_empty());
            let offered: usize = names.iter().map(Vec::len).sum();
            prop_assert_eq!(selection.len(), offered);
            for (server, (prefix, names)) in servers.into_iter().enumerate() {
                for name in names {
                    let exposed = Naming::Prefixed.expose(prefix, name);
                    let target = selection.resolve(&exposed);
                    prop_assert_eq!(target.map(|target| (target.server, &*target.upstream_name)), Some((server, name.as_str())));
                }
            }
        }
    }
}
