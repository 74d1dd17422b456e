//! Exports: who took a whole list with them.

use gatewright_domain::{audit::FieldChange, id::ProjectId};
use serde_json::Value;

use super::{
    Authority,
    audit_events::{self, Entry},
    change::Object,
};
use crate::Admin;

/// Notes in the trail of a project (`None`: of the instance) that a list was exported, in which format and with which filters. Their values
/// are left out, because they may be about a person. Exports of a list by a caller are counted in one event; those of the whole list in one of
/// their own, so that none is hidden behind one with filters.
pub(crate) async fn note(
    app: &Admin,
    authority: &Authority,
    project: Option<ProjectId>,
    list: &str,
    format: &str,
    filters: Vec<String>,
) {
    let field = |name: &str, value: Value| FieldChange {
        field: name.to_owned(),
        before: None,
        after: Some(value),
    };
    let extent = if filters.is_empty() { "whole" } else { "filtered" };
    let entry = Entry {
        project,
        actor: authority.actor().clone(),
        verb: "started",
        object: Object {
            kind: "export",
            id: project.map_or_else(|| "instance".to_owned(), |id| id.to_string()),
            name: list,
        },
        changes: vec![field("format", format.into()), field("filters", filters.into())],
    };
    let subject = format!("{list} {format} {extent} {}", authority.actor().kind);
    audit_events::tally(app, &entry.event(app), &subject).await;
}
