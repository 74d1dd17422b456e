//! What clients subscribe to: `resources/subscribe` and `resources/unsubscribe` within a session (2025-11-25 server/resources,
//! "Subscriptions"), and the filter of `subscriptions/listen` (2026-07-28 basic/patterns/subscriptions).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Response, StatusCode};

use super::{
    answer::Answer,
    listen::{Listening, Words},
    methods::{Asking, Client},
    reached::Reached,
    reply,
    service::Endpoint,
    session::{Note, Session},
};
use crate::{
    federation::{
        call::TaskError,
        news::{ANNOUNCED, News},
        plan::Plan,
        servers::Federation,
        subscribed::{RESOURCES_MAX, Subscribed, URI_MAX},
        updates::NotSubscribed,
    },
    peer::{
        caller::{Caller, CallerKey, Conversation, Identify, RuleClass, Runs},
        net::Net,
        tasks::declares_tasks,
        transport::Transport,
    },
    wire::{
        jsonrpc::{ErrorCode, Refusal},
        scan::{self, Kind, Member},
        version::Era,
    },
};

/// Tasks that a client can follow on one stream.
const TASKS_MAX: usize = 64;

/// Who listens, for as long as a stream lasts.
pub(super) trait Listener: Send + Sync {
    /// What is reported about a gateway from now on.
    fn news(&self, plan: &Plan) -> News;

    /// Finds out where what the client wants leads at a gateway; `None` if it wants nothing.
    fn settle(self: Arc<Self>, plan: Arc<Plan>) -> Option<BoxFuture<'static, ()>>;
}

struct OfUser<T> {
    federation: Arc<Federation<Net<T>>>,
    key: CallerKey,
    class: RuleClass,
    identity: Arc<dyn Identify>,
    conversation: Option<Conversation>,
    client: Arc<Subscribed>,
}

impl<T> OfUser<T> {
    fn caller(&self) -> Caller<'_> {
        Caller {
            key: self.key,
            class: self.class,
            identity: &*self.identity,
            conversation: self.conversation.as_ref(),
        }
    }
}

impl<T: Transport> Listener for OfUser<T> {
    fn news(&self, plan: &Plan) -> News {
        self.federation.news(plan, self.caller(), &self.client)
    }

    fn settle(self: Arc<Self>, plan: Arc<Plan>) -> Option<BoxFuture<'static, ()>> {
        if self.client.uris().is_empty() {
            return None;
        }
        Some(Box::pin(async move {
            let settling = self.federation.resubscribe(&plan, self.caller(), &self.client);
            settling.await;
        }))
    }
}

/// What a subscription asks for.
struct Filter {
    /// Which lists.
    lists: [bool; ANNOUNCED.len()],
    /// Which resources.
    resources: Vec<Box<str>>,
    /// Which tasks.
    tasks: Vec<Box<str>>,
}

impl<T: Transport> Endpoint<T> {
    /// A client of a user that listens, and what it receives.
    pub(super) fn listener(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        client: &Arc<Subscribed>,
    ) -> (Arc<dyn Listener>, News) {
        let listener = Arc::new(OfUser {
            federation: Arc::clone(&self.federation),
            key: caller.key,
            class: caller.class,
            identity: caller.identity.kept(),
            conversation: caller.conversation.cloned(),
            client: Arc::clone(client),
        });
        let news = listener.news(plan);
        (listener, news)
    }

    /// Answers `subscriptions/listen`.
    pub(super) async fn subscribe(&self, asking: &Asking<'_>) -> Response<Answer<T::Body>> {
        let (request, caller, plan) = (asking.request, asking.caller, asking.plan);
        let refuse = |refusal: &Refusal| reply::refusal(refusal, Some(&request.id.to_owned()), Era::Modern);
        let Some(lasting) = asking.lasting else {
            return refuse(&Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found."));
        };
        if let Err(busy) = caller.identity.admit(Runs::Stream) {
            return reply::busy(busy, Some(&request.id.to_owned()), Era::Modern);
        }
        let Some(place) = self.sessions.listen_alone(caller.key) else {
            let refusal = Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "Too many streams are listening already; close some of them first.",
            );
            return refuse(&refusal.with_status(StatusCode::TOO_MANY_REQUESTS));
        };
        let filter = match asked(asking) {
            Ok(filter) => filter,
            Err(refusal) => return refuse(&refusal),
        };
        let client = Arc::<Subscribed>::default();
        let (listener, news) = self.listener(plan, caller, &client);
        if !filter.resources.is_empty() {
            for uri in &filter.resources {
                // What does not fit is left out of the acknowledgement to the client.
                let _ = self
                    .federation
                    .note_wanted(plan, caller, &client, &Arc::from(&**uri));
            }
            // Boxed because it is rare and large.
            Box::pin(self.federation.subscribe_in_time(plan, caller, &client)).await;
        }
        let id = Bytes::copy_from_slice(request.id.raw.as_bytes());
        let tasks = self.told_tasks(asking, &filter.tasks, &id).await;
        let plan_now = (lasting.plan_now)();
        let plan_now = Box::new(move || {
            // Held for as long as the stream lasts.
            let _place = &place;
            plan_now()
        });
        let words = Words::Subscription {
            id,
            asked: filter.lists,
            resources: client.watched(),
            tasks: tasks
                .as_ref()
                .map(|tasks| tasks.agreed.clone())
                .unwrap_or_default(),
        };
        let shutdown = lasting.shutdown.clone();
        let listening = Listening::new(shutdown, news, plan_now, listener, words).with_tasks(tasks);
        reply::events(Answer::listening(Box::new(listening)))
    }

    /// Answers `resources/subscribe`.
    pub(super) async fn subscribe_to_resource(
        &self,
        asking: &Asking<'_>,
        reached: &mut Reached,
    ) -> Response<Answer<T::Body>> {
        let (uri, session) = match of_resource(asking) {
            Ok(found) => found,
            Err(refusal) => return refused(asking, &refusal),
        };
        let (federation, client) = (&self.federation, &session.wishes.subscribed);
        // Boxed because it is rare and large.
        let subscribing = Box::pin(federation.subscribe(asking.plan, asking.caller, client, uri));
        match subscribing.await {
            Ok(()) => {
                let note = Note::Subscribed(uri.into());
                self.write(asking.plan.project, session, &note).await;
                reply::result(asking.request.id.raw, Bytes::from_static(b"{}"))
            }
            Err(why) => {
                if let NotSubscribed::Unavailable(why) = &why {
                    reached.fail(why);
                }
                refused(asking, &refusal(&why))
            }
        }
    }

    /// Answers `resources/unsubscribe`. What was not subscribed to is not an error.
    pub(super) async fn unsubscribe_from_resource(&self, asking: &Asking<'_>) -> Response<Answer<T::Body>> {
        match of_resource(asking) {
            Ok((uri, session)) => {
                session.wishes.subscribed.remove(uri);
                // No longer one was ever subscribed to.
                if uri.len() <= URI_MAX {
                    let note = Note::Unsubscribed(uri.into());
                    self.write(asking.plan.project, session, &note).await;
                }
                reply::result(asking.request.id.raw, Bytes::from_static(b"{}"))
            }
            Err(refusal) => refused(asking, &refusal),
        }
    }
}

fn refused<B>(asking: &Asking<'_>, refusal: &Refusal) -> Response<Answer<B>> {
    reply::refusal(refusal, Some(&asking.request.id.to_owned()), Era::Legacy)
}

fn refusal(why: &NotSubscribed) -> Refusal {
    let code = match why {
        NotSubscribed::Unknown(error) => return error.refusal(Era::Legacy),
        NotSubscribed::NotTold(_) => ErrorCode::METHOD_NOT_FOUND,
        NotSubscribed::TooMany(_) => ErrorCode::INVALID_PARAMS,
        NotSubscribed::Refused(_, code) => *code,
        NotSubscribed::Unavailable(_) => ErrorCode::INTERNAL_ERROR,
    };
    Refusal::new(code, why.to_string())
}

/// The resource that a request within a session names.
fn of_resource<'a>(asking: &'a Asking<'_>) -> Result<(&'a str, &'a Session), Refusal> {
    let Client::Legacy(session) = asking.client else {
        return Err(Refusal::new(ErrorCode::METHOD_NOT_FOUND, "Method not found."));
    };
    let params = asking.request.params.as_ref();
    let uri = params.and_then(|params| params.uri.as_ref()).ok_or_else(|| {
        let message = "params.uri is missing; send the uri of a resource from resources/list.";
        Refusal::new(ErrorCode::INVALID_PARAMS, message)
    })?;
    Ok((&uri.value, session))
}

/// What a subscription asks for.
fn asked(asking: &Asking<'_>) -> Result<Filter, Refusal> {
    let malformed = |message: String| Refusal::new(ErrorCode::INVALID_PARAMS, message);
    let missing = || {
        let message = "params.notifications is missing; list in it which changes to report, like `\"toolsListChanged\":true`.";
        malformed(message.to_owned())
    };
    let body = asking.body;
    let params = asking.request.params.as_ref().ok_or_else(missing)?.span;
    let [filter] = scan::pick(body, params, ["notifications"]).map_err(|_| missing())?;
    let filter = filter.filter(|filter| filter.kind == Kind::Object);
    let filter = filter.ok_or_else(missing)?.value;
    let names = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];
    let lists = scan::pick(body, filter, names).map_err(|_| missing())?;
    let [resources] = scan::pick(body, filter, ["resourceSubscriptions"]).map_err(|_| missing())?;
    let resources = texts(
        body,
        resources,
        ("resourceSubscriptions", "resources", "URIs", RESOURCES_MAX),
    )?;
    let [tasks] = scan::pick(body, filter, ["taskIds"]).map_err(|_| missing())?;
    let tasks = texts(body, tasks, ("taskIds", "tasks", "ids of tasks", TASKS_MAX))?;
    if let Client::Modern(meta) = asking.client
        && !tasks.is_empty()
        && !declares_tasks(meta.client_capabilities.of(body))
    {
        return Err(TaskError::NotDeclared.into());
    }
    Ok(Filter {
        lists: lists.map(|member| member.is_some_and(|member| member.value.of(body) == b"true")),
        resources,
        tasks,
    })
}

/// The texts of a list in the filter of a subscription, which are `words` that name `things`; there are `most` of them at most.
fn texts(
    body: &[u8],
    list: Option<Member>,
    (name, things, words, most): (&str, &str, &str, usize),
) -> Result<Vec<Box<str>>, Refusal> {
    let malformed = |message: String| Refusal::new(ErrorCode::INVALID_PARAMS, message);
    let not_texts = || malformed(format!("params.notifications.{name} must be a list of {words}."));
    let Some(list) = list.filter(|list| list.kind != Kind::Null) else {
        return Ok(Vec::new());
    };
    if list.kind != Kind::Array {
        return Err(not_texts());
    }
    let elements = scan::elements(body, list.value).unwrap_or_default();
    if elements.len() > most {
        return Err(malformed(format!(
            "params.notifications.{name} lists {} {things}; at most {most} can be followed on one stream.",
            elements.len()
        )));
    }
    let texts = elements.into_iter().map(|(span, _)| {
        let text = scan::decode_string(span.of(body));
        text.map(|text| Box::from(&*text)).ok_or_else(not_texts)
    });
    texts.collect()
}
