//! The tools of a server as its page shows them: a part of them, found by a text.

use std::borrow::Cow;

use url::form_urlencoded;

use crate::service::server_checks::{Answered, LeftOut, ShownAs, Tool};

/// Tools on a page, and as many prompts and resources.
pub(super) const ON_A_PAGE: usize = 50;
/// A longer description opens on demand.
const SHORT: usize = 240;

/// What a server claims of something it lists, for a badge.
pub(super) struct Claim {
    pub(super) look: &'static str,
    pub(super) word: Cow<'static, str>,
}

/// Something that the server lists, on the page.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) title: Option<String>,
    /// The beginning of its description.
    pub(super) short: String,
    /// All of it, if that is more.
    pub(super) whole: Option<String>,
    pub(super) claims: Vec<Claim>,
    /// What clients see in place of its name, if that had to be changed: without a prefix, and with one.
    pub(super) shown: [Option<String>; 2],
}

/// The tools that are shown.
pub(super) struct Tools {
    pub(super) search: String,
    pub(super) rows: Vec<Row>,
    /// How many there are in all.
    pub(super) count: usize,
    /// How many the search finds.
    pub(super) found: usize,
    /// The first and the last on this page, counted from 1.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Entries that are not usable tools: name and reason.
    pub(super) left_out: Vec<(String, String)>,
    pub(super) is_cut: bool,
}

/// The page of the tools that begins with the one of this number, of those that contain a text.
pub(super) fn page(answered: &Answered, path: &str, search: &str, from: usize) -> Tools {
    let wanted = search.to_lowercase();
    let matches = |tool: &&Tool| {
        let title = tool.title.as_deref().unwrap_or_default();
        let texts = [tool.name.as_str(), title, &tool.description];
        wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
    };
    let found: Vec<&Tool> = answered.tools.iter().filter(matches).collect();
    let start = if from < found.len() { from } else { 0 };
    let end = found.len().min(start + ON_A_PAGE);
    let address = |from: usize| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !search.is_empty() {
            query.append_pair("tool", search);
        }
        query.append_pair("from", &from.to_string());
        format!("{path}?{}#tools", query.finish())
    };
    Tools {
        search: search.to_owned(),
        rows: found
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .map(|tool| {
                let row = Row::new(&tool.name, tool.title.clone(), &tool.description, claims(tool));
                row.shown_as(&tool.shown_as)
            })
            .collect(),
        count: answered.tools.len(),
        found: found.len(),
        from: start + 1,
        to: end,
        before: (start > 0).then(|| address(start.saturating_sub(ON_A_PAGE))),
        after: (end < found.len()).then(|| address(end)),
        left_out: left_out(&answered.left_out),
        is_cut: answered.is_cut,
    }
}

/// Names of entries that cannot be used, and why.
pub(super) fn left_out(entries: &[LeftOut]) -> Vec<(String, String)> {
    let told = |entry: &LeftOut| {
        let name = entry.name.clone().unwrap_or_else(|| "(no name)".to_owned());
        (name, entry.reason.clone())
    };
    entries.iter().map(told).collect()
}

impl Row {
    /// A row; a long description opens on demand.
    pub(super) fn new(name: &str, title: Option<String>, description: &str, claims: Vec<Claim>) -> Self {
        let is_long = description.chars().nth(SHORT).is_some();
        let mut short: String = description.chars().take(SHORT).collect();
        if is_long {
            short.push('…');
        }
        Self {
            name: name.to_owned(),
            title: title.filter(|title| *title != name),
            short,
            whole: is_long.then(|| description.to_owned()),
            claims,
            shown: [None, None],
        }
    }

    /// The same, of something that has a name for clients.
    pub(super) fn shown_as(self, shown: &ShownAs) -> Self {
        let changed = [false, true].map(|is_prefixed| shown.changed(is_prefixed).map(str::to_owned));
        Self {
            shown: changed,
            ..self
        }
    }
}

fn claims(tool: &Tool) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut claim = |is_so: bool, look, word| {
        if is_so {
            claims.push(Claim {
                look,
                word: Cow::Borrowed(word),
            });
        }
    };
    claim(tool.is_read_only, "good", "Only reads");
    // What only reads destroys nothing, whatever else is said (2025-06-18, ToolAnnotations).
    claim(
        !tool.is_read_only && tool.is_destructive == Some(true),
        "warn",
        "May destroy",
    );
    claim(!tool.is_read_only && tool.is_idempotent, "", "Safe to repeat");
    claim(tool.is_open_world == Some(true), "", "Reaches outside");
    claims
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_mcp::{capabilities::Capabilities, version::ProtocolVersion};

    use super::*;
    use crate::service::server_checks::Listed;

    fn answered(count: usize) -> Answered {
        Answered {
            protocol: ProtocolVersion::V2026_07_28,
            is_over_http_sse: false,
            called: String::new(),
            version: String::new(),
            listed_in: Duration::ZERO,
            tools: (0..count)
                .map(|number| Tool {
                    name: format!("tool-{number}"),
                    description: "x".repeat(number),
                    ..Tool::default()
                })
                .collect(),
            left_out: Vec::new(),
            is_cut: false,
            capabilities: Capabilities::EVERYTHING,
            prompts: Ok(Listed::default()),
            resources: Ok(Listed::default()),
            resource_templates: Ok(Listed::default()),
        }
    }

    #[test]
    fn thousands_of_tools_come_page_by_page_and_are_found_by_a_text() {
        let all = answered(5_000);
        let first = page(&all, "/s", "", 0);
        assert_eq!(
            (first.rows.len(), first.count, first.from, first.to),
            (50, 5_000, 1, 50)
        );
        assert_eq!(
            (first.before, first.after.as_deref()),
            (None, Some("/s?from=50#tools"))
        );
        let last = page(&all, "/s", "", 4_990);
        assert_eq!((last.rows.len(), last.after), (10, None));
        assert_eq!(last.before.as_deref(), Some("/s?from=4940#tools"));
        let beyond = page(&all, "/s", "", usize::MAX);
        assert_eq!(beyond.from, 1);
        let found = page(&all, "/s", "TOOL-49&", 0);
        assert_eq!((found.found, found.rows.len(), found.to), (0, 0, 0));
        let found = page(&all, "/s", "TOOL-499", 0);
        assert_eq!((found.found, found.rows[0].name.as_str()), (11, "tool-499"));
        assert_eq!(found.rows[0].short.chars().count(), SHORT + 1);
        assert_eq!(found.rows[0].whole.as_ref().map(String::len), Some(499));
    }

    #[test]
    fn what_only_reads_is_not_said_to_destroy() {
        let words = |tool: Tool| {
            claims(&tool)
                .into_iter()
                .map(|claim| claim.word)
                .collect::<Vec<_>>()
        };
        let reads = Tool {
            is_read_only: true,
            is_destructive: Some(true),
            is_idempotent: true,
            ..Tool::default()
        };
        assert_eq!(words(reads.clone()), ["Only reads"]);
        let destroys = Tool {
            is_read_only: false,
            is_open_world: Some(true),
            ..reads
        };
        assert_eq!(
            words(destroys),
            ["May destroy", "Safe to repeat", "Reaches outside"]
        );
        assert_eq!(words(Tool::default()), [""; 0]);
    }
}
