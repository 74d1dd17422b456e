//! Whether what a declaration names exists, in the file or in the project.

use gatewright_domain::Invalid;

use super::{Options, present::Present};
use crate::declared::model::Project;

/// Names listed in a message.
const LISTED: usize = 20;

/// Checks all names; reports all that lead nowhere together.
pub(super) fn check(project: &Project, present: &Present, options: Options) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    let sources = Known::of(
        "User Source",
        project.user_sources.as_deref(),
        |source| source.name.trim(),
        present.sources.iter().map(|source| source.name.as_str()),
        options,
    );
    let servers = Known::of(
        "server",
        project.servers.as_deref(),
        |server| &server.slug,
        present.servers.iter().map(|server| server.slug.as_str()),
        options,
    );
    let servers = Known {
        is_exact: true,
        ..servers
    };
    let gateways = Known::of(
        "gateway",
        project.gateways.as_deref(),
        |gateway| &gateway.slug,
        present.gateways.iter().map(|gateway| gateway.slug.as_str()),
        options,
    );
    for (index, gateway) in project.gateways.iter().flatten().enumerate() {
        let at = format!("/gateways/{index}");
        if let Some(name) = &gateway.user_source {
            sources.check(&mut invalid, format!("{at}/user_source"), name);
        }
        for (index, slug) in gateway.servers.iter().enumerate() {
            servers.check(&mut invalid, format!("{at}/servers/{index}"), slug);
        }
        let tools = gateway.allowed_tools.iter().map(|chosen| &chosen.server);
        let prompts = gateway.allowed_prompts.iter().map(|chosen| &chosen.server);
        let resources = gateway.allowed_resources.iter().map(|chosen| &chosen.server);
        let tools = tools
            .enumerate()
            .map(|(index, slug)| ("allowed_tools", index, slug));
        let prompts = prompts
            .enumerate()
            .map(|(index, slug)| ("allowed_prompts", index, slug));
        let resources = resources
            .enumerate()
            .map(|(index, slug)| ("allowed_resources", index, slug));
        for (list, index, slug) in tools.chain(prompts).chain(resources) {
            servers.check(&mut invalid, format!("{at}/{list}/{index}/server"), slug);
        }
    }
    for (index, key) in project.keys.iter().flatten().enumerate() {
        if let Some(slug) = &key.gateway {
            gateways.check(&mut invalid, format!("/keys/{index}/gateway"), slug);
        }
    }
    invalid.into_result()
}

/// The things of a kind that can be named.
struct Known<'a> {
    what: &'static str,
    /// Whether capitals count. They do in the slugs of servers.
    is_exact: bool,
    names: Vec<&'a str>,
}

impl<'a> Known<'a> {
    /// Those of the file and, unless the file is complete, those of the project.
    fn of<T>(
        what: &'static str,
        declared: Option<&'a [T]>,
        name: impl Fn(&'a T) -> &'a str,
        present: impl Iterator<Item = &'a str>,
        options: Options,
    ) -> Self {
        let is_complete = options.prune && declared.is_some();
        let mut names: Vec<&str> = declared.unwrap_or_default().iter().map(name).collect();
        if !is_complete {
            names.extend(present);
        }
        names.sort_unstable();
        names.dedup();
        Self {
            what,
            is_exact: false,
            names,
        }
    }

    fn check(&self, invalid: &mut Invalid, pointer: String, name: &str) {
        let lower = name.trim().to_lowercase();
        let is_named = |known: &&str| {
            if self.is_exact {
                *known == name
            } else {
                known.trim().to_lowercase() == lower
            }
        };
        if self.names.iter().any(is_named) {
            return;
        }
        let what = self.what;
        let there_are = match self.names.as_slice() {
            [] => "There is none yet: add it to the file.".to_owned(),
            names if names.len() > LISTED => format!("Correct the name, or add the {what} to the file."),
            names => format!(
                "Correct the name, or add the {what} to the file. There are: `{}`.",
                names.join("`, `")
            ),
        };
        invalid.add(pointer, format!("There is no {what} of this name. {there_are}"));
    }
}
