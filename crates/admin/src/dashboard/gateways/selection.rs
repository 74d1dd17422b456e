//! Which tools are chosen in a form. A form shows a few of thousands at a time, so it carries the others along: what is
//! chosen and not shown is named in one hidden field per server, and what was never opened stays what the gateway has.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_domain::{
    gateway::{AllowedTool, Gateway},
    id::ServerId,
};

use crate::dashboard::form::Posted;

/// A box beside a tool that is shown: the server's id, a space, the tool's name.
pub(super) const TOOL: &str = "tool";
/// What is chosen at a server and not shown: its id, then the names, each on a line. No name has a line break in it.
pub(super) const TOOLS: &str = "tools";
/// A server at which what the gateway has stays chosen.
pub(super) const KEPT: &str = "kept";
/// A server whose tools are shown, and after how many of them: its id, a space, a number.
pub(super) const OPEN: &str = "open";
/// What tools are looked for by.
pub(super) const FILTER: &str = "tool_filter";

/// The tools chosen at each server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection {
    chosen: BTreeMap<ServerId, BTreeSet<String>>,
}

impl Selection {
    /// What a gateway has.
    pub(super) fn stored(gateway: &Gateway) -> Self {
        let mut selection = Self::default();
        for tool in &gateway.allowed_tools {
            selection.add(tool.server, &tool.tool);
        }
        selection
    }

    /// What a form says. `gateway` is the one it was made from.
    pub(super) fn of(posted: &Posted, gateway: Option<&Gateway>) -> Self {
        let mut selection = Self::default();
        for (server, tool) in posted.all(TOOL).filter_map(|value| value.split_once(' ')) {
            if let Ok(server) = server.parse() {
                selection.add(server, tool);
            }
        }
        for field in posted.all(TOOLS) {
            let mut lines = field.lines();
            if let Some(Ok(server)) = lines.next().map(str::parse) {
                lines.for_each(|tool| selection.add(server, tool));
            }
        }
        let kept: Vec<ServerId> = posted.all(KEPT).filter_map(|id| id.parse().ok()).collect();
        for tool in gateway.iter().flat_map(|gateway| &gateway.allowed_tools) {
            if kept.contains(&tool.server) {
                selection.add(tool.server, &tool.tool);
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

    /// Whether a tool is chosen.
    pub(super) fn holds(&self, server: ServerId, tool: &str) -> bool {
        self.chosen.get(&server).is_some_and(|tools| tools.contains(tool))
    }

    /// Chooses a tool.
    pub(super) fn add(&mut self, server: ServerId, tool: &str) {
        self.chosen.entry(server).or_default().insert(tool.to_owned());
    }

    /// Chooses a tool no longer.
    pub(super) fn remove(&mut self, server: ServerId, tool: &str) {
        if let Some(tools) = self.chosen.get_mut(&server) {
            tools.remove(tool);
        }
    }

    /// Leaves out what is chosen at other servers.
    pub(super) fn keep_servers(&mut self, servers: &[ServerId]) {
        self.chosen.retain(|server, _| servers.contains(server));
    }

    /// As a gateway lists them: those it has already in its order, so that saving without a change changes nothing.
    pub(super) fn into_tools(mut self, gateway: Option<&Gateway>) -> Vec<AllowedTool> {
        let mut tools = Vec::new();
        for tool in gateway.iter().flat_map(|gateway| &gateway.allowed_tools) {
            if self.holds(tool.server, &tool.tool) {
                self.remove(tool.server, &tool.tool);
                tools.push(tool.clone());
            }
        }
        let new = self.chosen.into_iter().flat_map(|(server, names)| {
            let tool = move |tool| AllowedTool { server, tool };
            names.into_iter().map(tool)
        });
        tools.extend(new);
        tools
    }
}
