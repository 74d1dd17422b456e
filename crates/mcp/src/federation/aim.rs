//! What a request names: which kind of thing, and under which name or URI clients know it.

use super::call::CallError;
use crate::wire::{
    envelope::{Params, Request, Text},
    listing::ListKind,
    task_ids::asks_for_task,
};

/// What a request names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim<'a> {
    /// The list in which it is looked up.
    pub(crate) kind: ListKind,
    /// Its name or URI, as the client wrote it.
    pub(crate) text: &'a Text<'a>,
}

impl<'a> Aim<'a> {
    /// What a request of a method that names something names.
    pub(crate) fn of(request: &'a Request<'a>) -> Result<Self, CallError> {
        let params = request.params.as_ref();
        let name = |params: &'a Params<'a>| params.name.as_ref();
        let (kind, member, text) = match &*request.method.value {
            "prompts/get" => (ListKind::Prompts, "params.name", params.and_then(name)),
            "resources/read" => (
                ListKind::Resources,
                "params.uri",
                params.and_then(|params| params.uri.as_ref()),
            ),
            "completion/complete" => return Self::of_reference(params),
            method if asks_for_task(method) => return Self::of_task(params),
            _ => (ListKind::Tools, "params.name", params.and_then(name)),
        };
        text.map(|text| Self { kind, text })
            .ok_or(CallError::NoName(kind, member))
    }

    /// What is completed (2026-07-28 server/utilities/completion, "Reference Types"): an argument of a prompt, or of a
    /// resource template.
    fn of_reference(params: Option<&'a Params<'a>>) -> Result<Self, CallError> {
        let reference = params.and_then(|params| params.reference.as_ref());
        let reference = reference.ok_or(CallError::NoReference)?;
        let (kind, member, text) = match reference.kind.as_ref().map(|kind| &*kind.value) {
            Some("ref/prompt") => (ListKind::Prompts, "params.ref.name", reference.name.as_ref()),
            Some("ref/resource") => (
                ListKind::ResourceTemplates,
                "params.ref.uri",
                reference.uri.as_ref(),
            ),
            Some(_) | None => return Err(CallError::NoReference),
        };
        text.map(|text| Self { kind, text })
            .ok_or(CallError::NoName(kind, member))
    }

    /// The task that a request is about. No list has it: its id says which server does.
    fn of_task(params: Option<&'a Params<'a>>) -> Result<Self, CallError> {
        let id = params.and_then(|params| params.task_id.as_ref());
        id.map(|text| Self {
            kind: ListKind::Tools,
            text,
        })
        .ok_or(CallError::NoTask)
    }

    /// The name or URI.
    pub(crate) fn name(&self) -> &'a str {
        &self.text.value
    }
}
