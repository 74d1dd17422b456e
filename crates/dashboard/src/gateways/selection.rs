//! Which things of one kind are chosen in a form. A form shows a few of thousands at a time, so it carries the others along: what is
//! chosen and not shown is named in one hidden field per server, and what was never opened stays what the gateway has.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_domain::{
    gateway::{Allowed, Gateway},
    id::ServerId,
};

use super::kind::Kind;
use crate::form::Posted;

/// What is chosen at each server: names of tools or prompts, or URIs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection {
    chosen: BTreeMap<ServerId, BTreeSet<String>>,
}

impl Selection {
    /// What a gateway has.
    pub(super) fn stored(gateway: &Gateway, kind: Kind) -> Self {
        let mut selection = Self::default();
        for (server, name) in kind.named(gateway) {
            selection.add(server, name);
        }
        selection
    }

    /// What a form says. `gateway` is the one it was made from.
    pub(super) fn of(posted: &Posted, gateway: Option<&Gateway>, kind: Kind) -> Self {
        let (mut selection, names) = (Self::default(), kind.names());
        for (server, name) in posted.all(names.tick).filter_map(|value| value.split_once(' ')) {
            if let Ok(server) = server.parse() {
                selection.add(server, name);
            }
        }
        for field in posted.all(names.carried) {
            let mut lines = field.lines();
            if let Some(Ok(server)) = lines.next().map(str::parse) {
                lines.for_each(|name| selection.add(server, name));
            }
        }
        let kept: Vec<ServerId> = posted.all(names.kept).filter_map(|id| id.parse().ok()).collect();
        for (server, name) in gateway.iter().flat_map(|gateway| kind.named(gateway)) {
            if kept.contains(&server) {
                selection.add(server, name);
            }
        }
        selection
    }

    /// What is chosen at a server.
    pub(super) fn at(&self, server: ServerId) -> impl Iterator<Item = &str> {
        self.chosen.get(&server).into_iter().flatten().map(String::as_str)
    }

    /// How many are chosen at a server.
    pub(super) fn count_at(&self, server: ServerId) -> usize {
        self.chosen.get(&server).map_or(0, BTreeSet::len)
    }

    /// Whether this one is chosen.
    pub(super) fn holds(&self, server: ServerId, name: &str) -> bool {
        self.chosen.get(&server).is_some_and(|names| names.contains(name))
    }

    /// Chooses this one.
    pub(super) fn add(&mut self, server: ServerId, name: &str) {
        self.chosen.entry(server).or_default().insert(name.to_owned());
    }

    /// Chooses this one no longer.
    pub(super) fn remove(&mut self, server: ServerId, name: &str) {
        if let Some(names) = self.chosen.get_mut(&server) {
            names.remove(name);
        }
    }

    /// Leaves out what is chosen at other servers.
    pub(super) fn keep_servers(&mut self, servers: &[ServerId]) {
        self.chosen.retain(|server, _| servers.contains(server));
    }

    /// As a gateway lists them: those it has already (`present`) in its order, so that saving without a change changes
    /// nothing.
    pub(super) fn into_allowed<A: Allowed>(mut self, present: &[A]) -> Vec<A> {
        let mut allowed = Vec::new();
        for one in present {
            if self.holds(one.server(), one.key()) {
                self.remove(one.server(), one.key());
                allowed.push(one.clone());
            }
        }
        let new = self
            .chosen
            .into_iter()
            .flat_map(|(server, names)| names.into_iter().map(move |name| A::new(server, name)));
        allowed.extend(new);
        allowed
    }
}
