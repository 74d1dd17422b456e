//! Requests about tasks: which task of which server one is about (2025-11-25 basic/utilities/tasks; the extension
//! `io.modelcontextprotocol/tasks` of 2026-07-28).

use super::{
    methods::{Asking, Client},
    service::Endpoint,
};
use crate::{
    federation::call::{CallError, TaskError},
    peer::{seals::Task, tasks::declares_tasks, transport::Transport},
    wire::task_ids::asks_for_task,
};

impl<T: Transport> Endpoint<T> {
    /// The task that a request is about, where it is about one.
    pub(super) fn task_of(&self, asking: &Asking<'_>) -> Result<Option<Task>, CallError> {
        if !asks_for_task(&asking.request.method.value) {
            return Ok(None);
        }
        if let Client::Modern(meta) = asking.client
            && !declares_tasks(meta.client_capabilities.of(asking.body))
        {
            return Err(TaskError::NotDeclared.into());
        }
        let params = asking.request.params.as_ref();
        let id = params.and_then(|params| params.task_id.as_ref());
        let id = id.ok_or(CallError::NoTask)?;
        let (gateway, caller) = (asking.plan.gateway_id, asking.caller.key);
        let task = self.mailbox.task_of(gateway, caller, &id.value);
        Ok(Some(task.ok_or(TaskError::Foreign)?))
    }
}
