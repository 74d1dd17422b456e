//! The slowest tools of the last day, and those that failed most.

use std::cmp::Reverse;

use url::form_urlencoded;

use crate::{
    Admin,
    chart::{count, duration},
    error::PageError,
    service::{
        names::{self, Kind},
        traffic::{self, Range, ToolTraffic},
    },
    session::InProject,
};

/// Tools in each list.
const SHOWN: usize = 5;
/// Calls from which on the time of a tool says something.
const ENOUGH: u64 = 5;

/// A tool in a list.
pub(crate) struct ToolRow {
    pub(crate) tool: String,
    pub(crate) server: String,
    /// Its calls.
    pub(crate) href: String,
    /// The number that put it into the list.
    pub(crate) value: String,
    /// What that is of.
    pub(crate) of: String,
}

/// The lists.
pub(crate) struct Tools {
    pub(crate) slowest: Vec<ToolRow>,
    pub(crate) failing: Vec<ToolRow>,
}

impl Tools {
    /// Whether there is anything to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.slowest.is_empty() && self.failing.is_empty()
    }
}

/// The tools of a project.
pub(crate) async fn of(app: &Admin, place: &InProject) -> Result<Tools, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let tools = traffic::busiest_tools(app, authority, project, Range::Day).await?;
    let (slowest, failing) = (slowest(&tools), failing(&tools));
    let servers = slowest.iter().chain(&failing).map(|tool| tool.server.to_string());
    let servers: Vec<_> = servers.collect();
    let names = names::of(app, authority, project, Kind::Server, servers).await?;
    let row = |tool: &ToolTraffic, value: String| {
        let server = tool.server.to_string();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("server", &server)
            .append_pair("tool", &tool.tool)
            .finish();
        ToolRow {
            href: place.path(&format!("/activity?{query}")),
            tool: tool.tool.clone(),
            server: names.get(&server).cloned().unwrap_or(server),
            value,
            of: format!("of {} calls", count(tool.tally.requests)),
        }
    };
    let slow = |tool: &&ToolTraffic| {
        let took = tool.tally.latency.percentile(95).map(duration);
        row(tool, took.unwrap_or_default())
    };
    Ok(Tools {
        slowest: slowest.iter().map(slow).collect(),
        failing: failing
            .iter()
            .map(|tool| row(tool, count(tool.tally.errors)))
            .collect(),
    })
}

/// The tools with the longest 95th percentile, of those with enough calls.
fn slowest(tools: &[ToolTraffic]) -> Vec<&ToolTraffic> {
    let mut slowest: Vec<_> = tools
        .iter()
        .filter(|tool| tool.tally.latency.total() >= ENOUGH)
        .collect();
    slowest.sort_by_key(|tool| Reverse(tool.tally.latency.percentile(95)));
    slowest.truncate(SHOWN);
    slowest
}

/// Those with the most calls that failed.
fn failing(tools: &[ToolTraffic]) -> Vec<&ToolTraffic> {
    let mut failing: Vec<_> = tools.iter().filter(|tool| tool.tally.errors > 0).collect();
    failing.sort_by_key(|tool| Reverse(tool.tally.errors));
    failing.truncate(SHOWN);
    failing
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_domain::{
        activity_rollup::{Ending, Tally},
        clock::FixedClock,
        entropy::SystemEntropy,
        id::ServerId,
    };

    use super::*;

    fn tool(name: &str, calls: u64, millis: u64, ending: Ending) -> ToolTraffic {
        let mut tally = Tally::default();
        for _ in 0..calls {
            tally.note(ending, Some(Duration::from_millis(millis)));
        }
        ToolTraffic {
            server: ServerId::generate(&FixedClock::at_seconds(1), &SystemEntropy),
            tool: name.to_owned(),
            tally,
        }
    }

    #[test]
    fn the_slowest_have_enough_calls_and_the_failing_have_failed() {
        let tools = [
            tool("quick", 50, 2, Ending::Served),
            tool("slow", 9, 900, Ending::Served),
            tool("slow once", 1, 9_000, Ending::Served),
            tool("broken", 6, 5, Ending::Failed),
            tool("refused", 6, 5, Ending::Refused),
        ];
        let names = |tools: Vec<&ToolTraffic>| tools.iter().map(|tool| tool.tool.clone()).collect::<Vec<_>>();
        assert_eq!(names(slowest(&tools)), ["slow", "broken", "quick"]);
        assert_eq!(names(failing(&tools)), ["broken"]);
    }
}
