//! Where IDs of tasks are in what servers send: in the results of calls and of requests about tasks, in notifications, and
//! in `_meta` of whatever belongs to a task (the extension `io.modelcontextprotocol/tasks`, and 2025-11-25
//! basic/utilities/tasks). Each is replaced by the id that the client knows; every other byte stays as it is.

use std::fmt;

use bytes::Bytes;

use super::{
    envelope::{self, Limits, Message, Outcome},
    meta_keys::{RELATED_TASK, SUBSCRIPTION_ID},
    scan::{self, Kind, Span, decode_string},
    splice::Splice,
};

/// The ids of tasks of one server as one client knows them.
pub(crate) trait TaskIds: fmt::Debug + Send + Sync {
    /// The id of a task that the server has just created for the client.
    fn created(&self, theirs: &str) -> String;

    /// The ID of a task that the server names; `None` if it is not known to be the client's.
    fn known(&self, theirs: &str) -> Option<String>;
}

/// The methods that ask for one task, in either era.
pub(crate) fn asks_for_task(method: &str) -> bool {
    matches!(
        method,
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result"
    )
}

/// Puts the ids that the client knows into a result. What is not known to be a task of the client keeps the id of its server,
/// with which it cannot be requested here. `asks_for_task` says whether it answers a request about a task, and not
/// one that may have created one.
pub(crate) fn edit_result(
    splice: &mut Splice<'_>,
    body: &[u8],
    result: Span,
    ids: &dyn TaskIds,
    asks_for_task: bool,
) {
    let names = ["resultType", "taskId", "task", "result"];
    let [kind, id, task, inner] = scan::pick(body, result, names).unwrap_or_default();
    let is_created = kind.is_some_and(|kind| kind.value.of(body) == br#""task""#);
    if let Some(id) = id
        && (asks_for_task || is_created)
    {
        let ours = |theirs: &str| {
            if asks_for_task {
                ids.known(theirs)
            } else {
                Some(ids.created(theirs))
            }
        };
        edit_text(splice, body, id.value, ours);
    }
    if let Some(task) = task.filter(|task| task.kind == Kind::Object && !asks_for_task) {
        edit_member(splice, body, task.value, "taskId", |theirs| {
            Some(ids.created(theirs))
        });
    }
    edit_related(splice, body, result, &|theirs| ids.known(theirs));
    if let Some(inner) = inner.filter(|inner| inner.kind == Kind::Object && asks_for_task) {
        edit_related(splice, body, inner.value, &|theirs| ids.known(theirs));
    }
}

/// The same in a response as a whole; one that cannot be read stays as it is.
pub(crate) fn edit_response(message: &Bytes, ids: &dyn TaskIds, asks_for_task: bool) -> Bytes {
    let Ok(Message::Response(response)) = envelope::parse(message, &Limits::default()) else {
        return message.clone();
    };
    let Outcome::Result(result) = &response.outcome else {
        return message.clone();
    };
    let mut splice = Splice::new(message);
    edit_result(&mut splice, message, result.span, ids, asks_for_task);
    finish(splice, message)
}

/// Puts the ids of the other side into `_meta` of a message that belongs to a task: of the `params` of a request or
/// notification, or of the result of a response. Where `id` knows none, the message stays as it is.
pub(crate) fn edit_related_of(message: &Bytes, id: &dyn Fn(&str) -> Option<String>) -> Bytes {
    if memchr::memmem::find(message, RELATED_TASK.as_bytes()).is_none() {
        return message.clone();
    }
    let object = match envelope::parse(message, &Limits::default()) {
        Ok(Message::Request(request)) => request.params.map(|params| params.span),
        Ok(Message::Notification(notification)) => notification.params.map(|params| params.span),
        Ok(Message::Response(response)) => match response.outcome {
            Outcome::Result(result) => Some(result.span),
            Outcome::Error(_) => None,
        },
        Err(_) => None,
    };
    let mut splice = Splice::new(message);
    if let Some(object) = object {
        edit_related(&mut splice, message, object, id);
    }
    finish(splice, message)
}

/// A notification of the state of a task, with the ID that the client knows; `None` if that is not its task.
pub(crate) fn edit_status(message: &Bytes, ids: &dyn TaskIds) -> Option<Bytes> {
    let Ok(Message::Notification(notification)) = envelope::parse(message, &Limits::default()) else {
        return None;
    };
    let params = notification.params.as_ref()?;
    let id = params.task_id.as_ref()?;
    let ours = ids.known(&id.value)?;
    let mut splice = Splice::new(message);
    splice.replace_string(id.span, &ours);
    edit_related(&mut splice, message, params.span, &|theirs| ids.known(theirs));
    splice.finish().ok()
}

/// The same for a client that follows it with a subscription of this ID, JSON text; `id` knows the tasks that it asked for.
pub(crate) fn edit_told(
    message: &Bytes,
    id: &dyn Fn(&str) -> Option<String>,
    subscription: &[u8],
) -> Option<Bytes> {
    let Ok(Message::Notification(notification)) = envelope::parse(message, &Limits::default()) else {
        return None;
    };
    let params = notification.params.as_ref()?;
    let theirs = params.task_id.as_ref()?;
    let mut splice = Splice::new(message);
    splice.replace_string(theirs.span, &id(&theirs.value)?);
    let meta = [(SUBSCRIPTION_ID.into(), Some(subscription.into()))];
    splice.edit_meta(notification.object, Some(params), meta);
    splice.finish().ok()
}

/// Whether a method reports the state of a task.
pub(crate) fn tells_status(method: &str) -> bool {
    matches!(method, "notifications/tasks/status" | "notifications/tasks")
}

/// The id in `_meta` of an object.
fn edit_related(splice: &mut Splice<'_>, body: &[u8], object: Span, id: &dyn Fn(&str) -> Option<String>) {
    let member = |object: Span, name: &str| {
        let [member] = scan::pick(body, object, [name]).ok()?;
        Some(member.filter(|member| member.kind == Kind::Object)?.value)
    };
    if let Some(related) = member(object, "_meta").and_then(|meta| member(meta, RELATED_TASK)) {
        edit_member(splice, body, related, "taskId", id);
    }
}

fn edit_member(
    splice: &mut Splice<'_>,
    body: &[u8],
    object: Span,
    name: &str,
    id: impl Fn(&str) -> Option<String>,
) {
    if let Ok([Some(member)]) = scan::pick(body, object, [name]) {
        edit_text(splice, body, member.value, id);
    }
}

fn edit_text(splice: &mut Splice<'_>, body: &[u8], text: Span, id: impl Fn(&str) -> Option<String>) {
    if let Some(ours) = decode_string(text.of(body)).and_then(|theirs| id(&theirs)) {
        splice.replace_string(text, &ours);
    }
}

fn finish(splice: Splice<'_>, message: &Bytes) -> Bytes {
    if splice.is_empty() {
        return message.clone();
    }
    splice.finish().unwrap_or_else(|_| message.clone())
}

#[cfg(test)]
mod tests;
