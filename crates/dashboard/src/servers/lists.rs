//! The prompts and resources of a server as its page shows them: a part of them, page by page.

use super::tools::{Claim, ON_A_PAGE, Row, left_out};
use crate::{
    relying_party::check::Finding,
    service::server_checks::{Answered, Listed, Prompt, Resource},
};

/// What a server has of a kind, on its page.
pub(super) struct List {
    /// What people call them.
    pub(super) noun: &'static str,
    pub(super) heading: &'static str,
    pub(super) rows: Vec<Row>,
    /// How many there are in all.
    pub(super) count: usize,
    /// The first and the last on this page, counted from 1.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Entries that cannot be used: name and reason.
    pub(super) left_out: Vec<(String, String)>,
    pub(super) is_cut: bool,
    /// Why some of them are not known, and what to do.
    pub(super) problems: Vec<(String, String)>,
}

/// The query parameter that says after how many prompts to begin.
pub(super) const PROMPTS_FROM: &str = "prompts_from";
/// The same for resources.
pub(super) const RESOURCES_FROM: &str = "resources_from";

/// Its prompts, after this many.
pub(super) fn prompts(answered: &Answered, path: &str, from: usize) -> List {
    let mut list = List::empty("prompts", "Prompts");
    let prompts = list.add(&answered.prompts);
    list.turn(prompts.iter().collect(), (path, PROMPTS_FROM), from, prompt);
    list
}

/// Its resources and then its resource templates, after this many.
pub(super) fn resources(answered: &Answered, path: &str, from: usize) -> List {
    let mut list = List::empty("resources", "Resources");
    let resources = list.add(&answered.resources);
    let templates = list.add(&answered.resource_templates);
    let all = resources.iter().chain(templates).collect();
    list.turn(all, (path, RESOURCES_FROM), from, resource);
    list
}

impl List {
    fn empty(noun: &'static str, heading: &'static str) -> Self {
        Self {
            noun,
            heading,
            rows: Vec::new(),
            count: 0,
            from: 0,
            to: 0,
            before: None,
            after: None,
            left_out: Vec::new(),
            is_cut: false,
            problems: Vec::new(),
        }
    }

    /// Notes what is to be said about a list; returns what is in it.
    fn add<'a, T>(&mut self, listed: &'a Result<Listed<T>, Finding>) -> &'a [T] {
        match listed {
            Ok(listed) => {
                self.left_out.extend(left_out(&listed.left_out));
                self.is_cut |= listed.is_cut;
                &listed.items
            }
            Err(why) => {
                let told = (why.found.clone(), why.remedy.clone());
                if !self.problems.contains(&told) {
                    self.problems.push(told);
                }
                &[]
            }
        }
    }

    /// Shows those after `from`; others are at this path with this query parameter.
    fn turn<T>(
        &mut self,
        all: Vec<&T>,
        (path, parameter): (&str, &str),
        from: usize,
        row: impl Fn(&T) -> Row,
    ) {
        let start = if from < all.len() { from } else { 0 };
        let end = all.len().min(start + ON_A_PAGE);
        let address = |from: usize| format!("{path}?{parameter}={from}#{}", self.noun);
        self.before = (start > 0).then(|| address(start.saturating_sub(ON_A_PAGE)));
        self.after = (end < all.len()).then(|| address(end));
        self.count = all.len();
        (self.from, self.to) = (start + 1, end);
        self.rows = all.into_iter().skip(start).take(end - start).map(row).collect();
    }
}

fn prompt(prompt: &Prompt) -> Row {
    let arguments = prompt.arguments.iter().map(|argument| Claim {
        look: if argument.is_required { "accent" } else { "" },
        word: argument.name.clone().into(),
    });
    Row::new(
        &prompt.name,
        prompt.title.clone(),
        &prompt.description,
        arguments.collect(),
    )
    .shown_as(&prompt.shown_as)
}

fn resource(resource: &Resource) -> Row {
    let mut claims = Vec::new();
    if resource.is_template {
        claims.push(Claim {
            look: "accent",
            word: "Template".into(),
        });
    }
    if !resource.mime_type.is_empty() {
        claims.push(Claim {
            look: "",
            word: resource.mime_type.clone().into(),
        });
    }
    let title = resource.title.clone().unwrap_or_else(|| resource.name.clone());
    let title = Some(title).filter(|title| !title.is_empty());
    Row::new(&resource.uri, title, &resource.description, claims)
}
