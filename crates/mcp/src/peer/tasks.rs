//! The ids of tasks of one server, as one user of one gateway knows them.

use std::sync::Arc;

use gatewright_domain::id::{GatewayId, ServerId};

use super::{
    caller::CallerKey, mailbox::Mailbox, outgoing::Call, respondent::Respondent, seals::Task,
    upstream::Upstream,
};
use crate::wire::{
    bridge::Tasks,
    extensions::{Extensions, TASKS},
    scan::Span,
    task_ids::{TaskIds, asks_for_task},
    version::Era,
};

/// The ids of tasks of a server, as a user knows them.
#[derive(Debug, Clone)]
pub(crate) struct OfTasks {
    mailbox: Arc<Mailbox>,
    gateway: GatewayId,
    caller: CallerKey,
    server: ServerId,
    /// The task that is asked for: its id at the server, and the one its client sent, which it gets back even if a
    /// different one would be sealed today.
    asked: Option<(Box<str>, Box<str>)>,
}

impl OfTasks {
    pub(crate) fn new(client: &Respondent<'_>, caller: CallerKey, upstream: &Upstream) -> Self {
        Self {
            mailbox: Arc::clone(client.mailbox),
            gateway: client.gateway_id,
            caller,
            server: upstream.config.id,
            asked: None,
        }
    }

    fn sealed(&self, theirs: &str) -> String {
        let seals = &self.mailbox.seals;
        seals.task_id(self.gateway, self.caller, self.server, theirs)
    }

    /// The ID that the server knows, if the client sends one that it got from us.
    pub(super) fn theirs(&self, ours: &str) -> Option<String> {
        let seals = &self.mailbox.seals;
        let task = seals.open_task(self.gateway, self.caller, ours)?;
        (task.server == self.server).then_some(task.id)
    }
}

impl TaskIds for OfTasks {
    fn created(&self, theirs: &str) -> String {
        self.mailbox.tasks.note(self.caller, self.server, theirs);
        self.sealed(theirs)
    }

    fn known(&self, theirs: &str) -> Option<String> {
        match &self.asked {
            Some((asked, ours)) if **asked == *theirs => Some((**ours).to_owned()),
            _ => {
                let is_known = self.mailbox.tasks.has(self.caller, self.server, theirs);
                is_known.then(|| self.sealed(theirs))
            }
        }
    }
}

/// The IDs of tasks in the answer to a call, if it can begin a task or is about one. Tasks pass only between a client and
/// a server of one era.
pub(super) fn of_call(
    call: &Call<'_>,
    upstream: &Upstream,
    (name, server_era): (&str, Era),
) -> Option<Tasks> {
    if call.client_era != server_era {
        return None;
    }
    let asks_for_task = asks_for_task(&call.request.method.value);
    let params = call.request.params.as_ref();
    let may_begin_one = match server_era {
        Era::Legacy => params.is_some_and(|params| params.task.is_some()),
        Era::Modern => declares_tasks(call.client.declared),
    };
    if !asks_for_task && !may_begin_one {
        return None;
    }
    let mut ids = OfTasks::new(&call.client, call.caller.key, upstream);
    if asks_for_task {
        let ours = params.and_then(|params| params.task_id.as_ref());
        ids.asked = ours.map(|ours| (name.into(), (*ours.value).into()));
    }
    Some(Tasks {
        ids: Arc::new(ids),
        asks_for_task,
    })
}

/// Whether a client declares that it can follow tasks, by its capabilities, JSON text of an object.
pub(crate) fn declares_tasks(capabilities: &[u8]) -> bool {
    memchr::memmem::find(capabilities, b"extensions").is_some()
        && Extensions::of_capabilities(capabilities, Span::new(0, capabilities.len())).has(TASKS)
}

impl Mailbox {
    /// The task that a user of a gateway asks for by its ID; `None` if they did not get the ID here.
    pub(crate) fn task_of(&self, gateway: GatewayId, caller: CallerKey, id: &str) -> Option<Task> {
        let task = self.seals.open_task(gateway, caller, id)?;
        self.tasks.note(caller, task.server, &task.id);
        Some(task)
    }
}
