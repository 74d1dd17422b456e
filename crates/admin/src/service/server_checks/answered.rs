//! What a server that can be used showed, as people read it.

use std::time::Duration;

use gatewright_mcp::{
    capabilities::{Capabilities, Capability},
    inspection::{About, Seen},
    listing::{Entry, ServerList},
    upstream::Unavailable,
    version::ProtocolVersion,
};

use super::{
    listed::{Listed, Prompt, Resource},
    told,
    tools::{self, LeftOut, MAX_NAME, Tool, plain},
};
use crate::relying_party::check::Finding;

/// What a server that can be used showed.
#[derive(Debug)]
pub struct Answered {
    /// The protocol version that it uses with us.
    pub protocol: ProtocolVersion,
    /// Whether it is reached over the HTTP+SSE transport of 2024-11-05, which is deprecated.
    pub is_over_http_sse: bool,
    /// The name it reports, harmless to show; empty if it reports none.
    pub called: String,
    /// The version it reports, harmless to show; empty if it reports none.
    pub version: String,
    /// What it declares that it can do.
    pub capabilities: Capabilities,
    /// How long it took to list its tools.
    pub listed_in: Duration,
    /// Its tools, in its order.
    pub tools: Vec<Tool>,
    /// Entries of its list that are not usable tools, at most the first hundred.
    pub left_out: Vec<LeftOut>,
    /// Whether it lists more than is taken from one server.
    pub is_cut: bool,
    /// Its prompts, or why they could not be listed. Empty if it declares none.
    pub prompts: Result<Listed<Prompt>, Finding>,
    /// Its resources, in the same way.
    pub resources: Result<Listed<Resource>, Finding>,
    /// Its resource templates, in the same way.
    pub resource_templates: Result<Listed<Resource>, Finding>,
}

impl Answered {
    /// What was seen of a server with this prefix; `finding` says in words why a list is not known.
    pub(super) fn read(seen: &Seen, prefix: &str, finding: impl Fn(&Unavailable) -> Finding) -> Self {
        fn listed<T>(
            list: &Result<ServerList, Unavailable>,
            read: impl Fn(&Entry) -> T,
            finding: impl Fn(&Unavailable) -> Finding,
        ) -> Result<Listed<T>, Finding> {
            let list = list.as_ref().map_err(finding)?;
            Ok(Listed::read(list, read))
        }
        let about = |text: fn(&About) -> &str| {
            let about = seen.about.as_ref();
            about.map_or_else(String::new, |about| plain(text(about), MAX_NAME))
        };
        Self {
            protocol: seen.version,
            is_over_http_sse: seen.is_over_http_sse,
            called: about(|about| &about.name),
            version: about(|about| &about.version),
            capabilities: seen.capabilities,
            listed_in: seen.listed_in,
            tools: (seen.tools.entries.iter())
                .map(|entry| Tool::read(entry, prefix))
                .collect(),
            left_out: seen.tools.invalid.iter().map(tools::left_out).collect(),
            is_cut: seen.tools.truncated,
            prompts: listed(&seen.prompts, |entry| Prompt::read(entry, prefix), &finding),
            resources: listed(&seen.resources, |entry| Resource::read(entry, false), &finding),
            resource_templates: listed(
                &seen.resource_templates,
                |entry| Resource::read(entry, true),
                &finding,
            ),
        }
    }

    /// Bytes it takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        let tools = self.tools.iter().map(Tool::weight).sum::<usize>();
        let prompts = self.prompts.iter().flat_map(|list| &list.items);
        let resources = [&self.resources, &self.resource_templates];
        let resources = resources.into_iter().flatten().flat_map(|list| &list.items);
        tools + prompts.map(Prompt::weight).sum::<usize>() + resources.map(Resource::weight).sum::<usize>()
    }

    /// The names of what it declares that it can do.
    pub fn declares(&self) -> impl Iterator<Item = &'static str> {
        let declared = Capability::ALL
            .into_iter()
            .filter(|capability| self.capabilities.has(*capability));
        declared.map(Capability::as_str)
    }

    /// What to do about a transport that is deprecated.
    pub(crate) fn deprecation(&self) -> Option<Finding> {
        self.is_over_http_sse.then(told::over_http_sse)
    }

    /// Why some of its lists are not known, each reason once.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &Finding> {
        let prompts = self.prompts.as_ref().err();
        let resources = self.resources.as_ref().err();
        let templates = self.resource_templates.as_ref().err();
        let others = [
            resources.filter(|why| Some(*why) != prompts),
            templates.filter(|why| Some(*why) != prompts && Some(*why) != resources),
        ];
        prompts.into_iter().chain(others.into_iter().flatten())
    }

    /// Whether nothing it has can be offered by a gateway.
    pub(crate) fn has_nothing(&self) -> bool {
        fn is_empty<T>(list: &Result<Listed<T>, Finding>) -> bool {
            list.as_ref().is_ok_and(|list| list.items.is_empty())
        }
        self.tools.is_empty()
            && is_empty(&self.prompts)
            && is_empty(&self.resources)
            && is_empty(&self.resource_templates)
    }
}
