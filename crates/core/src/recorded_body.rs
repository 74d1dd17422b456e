//! Bodies whose arguments are recorded, from when they arrive until a job has read and redacted the arguments. They stay in memory and
//! are bounded; nothing but what is redacted and cut leaves here.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use gatewright_domain::{
    activity::{RecordedArguments, RequestKind},
    gateway::Redaction,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

/// Bytes of one body. The arguments of a longer one are not recorded: reading it would keep the job from its other work.
const BODY_MAX: usize = 1024 * 1024;
/// Bytes of all bodies that wait, those of requests that are still answered among them.
const WAITING_MAX: usize = 16 * 1024 * 1024;

/// How many bytes wait.
#[derive(Debug, Default)]
pub(crate) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// Keeps a body; nothing if it is too long, or too many wait.
    pub(crate) fn hold(&self, body: &Bytes, redaction: &Arc<Redaction>) -> Option<HeldBody> {
        if body.len() > BODY_MAX {
            return None;
        }
        let held = HeldBody {
            body: body.clone(),
            redaction: Arc::clone(redaction),
            waiting: Arc::clone(&self.0),
        };
        // Taken back when it is dropped, also here.
        let before = self.0.fetch_add(body.len(), Ordering::Relaxed);
        (before + body.len() <= WAITING_MAX).then_some(held)
    }
}

/// The body of a request, which may be a batch.
pub struct HeldBody {
    body: Bytes,
    redaction: Arc<Redaction>,
    waiting: Arc<AtomicUsize>,
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

/// Nothing of the body.
impl fmt::Debug for HeldBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody")
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// One request in a body, whose arguments wait to be recorded.
#[derive(Debug)]
pub struct HeldArguments {
    body: Arc<HeldBody>,
    /// The JSON text of its ID, within a batch.
    id: Option<Box<str>>,
}

/// What is read of a message. Members that are there twice make it unreadable.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    arguments: Option<Value>,
    #[serde(borrow)]
    uri: Option<std::borrow::Cow<'a, str>>,
}

impl HeldArguments {
    /// Those of the one request in a body, or of that with this ID in a batch. Nothing for requests without arguments.
    pub fn of(body: &Arc<HeldBody>, kind: RequestKind, id: Option<&str>) -> Option<Self> {
        let has_arguments = matches!(
            kind,
            RequestKind::Call | RequestKind::Prompt | RequestKind::Resource
        );
        has_arguments.then(|| Self {
            body: Arc::clone(body),
            id: id.map(Box::from),
        })
    }

    /// Bytes of the body.
    pub(crate) fn bytes(&self) -> usize {
        self.body.body.len()
    }

    /// What is kept of them, redacted. Nothing if the body cannot be read, or has none.
    pub(crate) fn recorded(&self, kind: RequestKind) -> Option<RecordedArguments> {
        let arguments = read(&self.body.body, kind, self.id.as_deref())?;
        Some(RecordedArguments::of(arguments, &self.body.redaction))
    }
}

fn read(body: &[u8], kind: RequestKind, id: Option<&str>) -> Option<Value> {
    let message = match id {
        None => serde_json::from_slice::<Message<'_>>(body).ok()?,
        Some(id) => {
            let batch: Vec<Message<'_>> = serde_json::from_slice(body).ok()?;
            let is_meant = |message: &Message<'_>| message.id.is_some_and(|own| own.get() == id);
            batch.into_iter().find(is_meant)?
        }
    };
    let params: Params<'_> = serde_json::from_str(message.params?.get()).ok()?;
    match kind {
        RequestKind::Call | RequestKind::Prompt => params.arguments,
        RequestKind::Resource => params.uri.map(|uri| json!({"uri": uri})),
        RequestKind::Completion
        | RequestKind::List
        | RequestKind::Begin
        | RequestKind::Task
        | RequestKind::Listen
        | RequestKind::Answer
        | RequestKind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use gatewright_domain::gateway::RecordArguments;

    use super::*;

    fn redaction(pointers: &[&str]) -> Arc<Redaction> {
        Arc::new(Redaction::of(&RecordArguments {
            redact: pointers.iter().map(|text| (*text).to_owned()).collect(),
            ..RecordArguments::default()
        }))
    }

    fn recorded(body: &str, kind: RequestKind, id: Option<&str>) -> Option<String> {
        let body = Budget::default().hold(&Bytes::from(body.to_owned()), &redaction(&["/secret"]));
        let held = HeldArguments::of(&Arc::new(body.unwrap()), kind, id)?;
        held.recorded(kind).map(|recorded| recorded.text)
    }

    #[test]
    fn arguments_of_calls_and_prompts_and_uris_are_read_and_nothing_else() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"say","arguments":
            {"what":"hi","secret":"canary"},"_meta":{"x":"canary"},"inputResponses":{"a":"canary"}}}"#;
        let kept = r#"{"secret":"[redacted]","what":"hi"}"#;
        assert_eq!(recorded(call, RequestKind::Call, None).as_deref(), Some(kept));
        assert_eq!(recorded(call, RequestKind::Prompt, None).as_deref(), Some(kept));
        let read = r#"{"id":1,"method":"resources/read","params":{"uri":"file:\/\/a"}}"#;
        assert_eq!(
            recorded(read, RequestKind::Resource, None).as_deref(),
            Some(r#"{"uri":"file://a"}"#)
        );
        for kind in [
            RequestKind::Completion,
            RequestKind::Answer,
            RequestKind::List,
            RequestKind::Other,
        ] {
            assert_eq!(recorded(call, kind, None), None, "{kind:?}");
        }
        assert_eq!(
            recorded(r#"{"id":1,"params":{"name":"say"}}"#, RequestKind::Call, None),
            None
        );
    }

    #[test]
    fn each_request_of_a_batch_has_its_own() {
        let batch = r#"[{"id":1,"params":{"arguments":{"n":1}}},{"params":{"arguments":{"n":0}}},
            {"id":"1","params":{"arguments":{"n":2}}}]"#;
        assert_eq!(
            recorded(batch, RequestKind::Call, Some("1")).as_deref(),
            Some(r#"{"n":1}"#)
        );
        assert_eq!(
            recorded(batch, RequestKind::Call, Some("\"1\"")).as_deref(),
            Some(r#"{"n":2}"#)
        );
        assert_eq!(recorded(batch, RequestKind::Call, Some("2")), None);
    }

    #[test]
    fn a_body_that_cannot_be_read_is_not_recorded() {
        let deep = format!(
            r#"{{"params":{{"arguments":{}1{}}}}}"#,
            "[".repeat(1_000),
            "]".repeat(1_000)
        );
        for body in [
            "",
            "{",
            r#"{"params":{"arguments":{"a":1}}"#,
            r#"{"params":{"arguments":{"a":1}},"params":{"arguments":{"a":2}}}"#,
            r#"{"params":{"arguments":{"a":1},"arguments":{"a":2}}}"#,
            r#"{"params":{"arguments":{"a":1e999}}}"#,
            &deep,
        ] {
            assert_eq!(recorded(body, RequestKind::Call, None), None, "{body}");
        }
        // Of a member that is there twice, what a pointer names is not kept either way.
        let twice = r#"{"params":{"arguments":{"secret":"canary","secret":"canary"}}}"#;
        let kept = recorded(twice, RequestKind::Call, None);
        assert_eq!(kept.as_deref(), Some(r#"{"secret":"[redacted]"}"#));
    }

    #[test]
    fn bodies_that_wait_are_bounded_and_give_their_place_back() {
        let (budget, redaction) = (Budget::default(), redaction(&[]));
        let long = Bytes::from(vec![b' '; BODY_MAX + 1]);
        assert!(budget.hold(&long, &redaction).is_none());
        let body = long.slice(..BODY_MAX);
        let mut held: Vec<_> = (0..16).map(|_| budget.hold(&body, &redaction).unwrap()).collect();
        assert!(budget.hold(&body, &redaction).is_none());
        assert!(budget.hold(&body.slice(..1), &redaction).is_none());
        held.pop();
        assert!(budget.hold(&body, &redaction).is_some());
        drop(held);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
        let shown = format!("{:?}", budget.hold(&Bytes::from_static(b"canary"), &redaction));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
