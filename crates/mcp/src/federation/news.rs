//! What one client receives about the changes of a gateway: what the servers announce of their lists and of the resources that
//! the client wants, and what is changed at the gateway. During a storm it is notified once a second.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use gatewright_domain::id::ServerId;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Sleep,
};

use super::{
    changes::{Change, Stream},
    plan::Plan,
    server::Server,
    servers::Federation,
    subscribed::{Listens, Subscribed},
};
use crate::peer::{announced, caller::Caller, peers::Peers, session::SlotKey};

pub(crate) use crate::peer::announced::ANNOUNCED;

/// A client receives changes no more often.
const QUIET: Duration = Duration::from_secs(1);

/// What one client receives.
pub(crate) struct News {
    /// The conversation it listens for, and in whose sessions that is listened to.
    own: SlotKey,
    heard_in: SlotKey,
    serial: u64,
    heard: SelectAll<BoxStream<'static, (ServerId, Option<Change>)>>,
    servers: Vec<Arc<Server>>,
    /// Held so that the servers are listened to.
    _streams: Vec<Arc<Stream>>,
    listens: Listens,
    /// Which of [`ANNOUNCED`] have changed.
    changed: [bool; 3],
    /// Which resources that the client wants have changed.
    updated: HashSet<Arc<str>>,
    // Boxed because a timer must not move once it runs.
    quiet: Option<Pin<Box<Sleep>>>,
}

impl<P: Peers> Federation<P> {
    /// What this client of a user learns about a gateway from now on. About the resources it wants, once it is known where they
    /// lead.
    pub(crate) fn news(&self, plan: &Plan, caller: Caller<'_>, client: &Arc<Subscribed>) -> News {
        let servers = || plan.servers.iter().map(|offered| &offered.server);
        News {
            own: caller.slot(),
            heard_in: caller.listening().slot(),
            serial: plan.serial,
            heard: servers()
                .map(|server| changes(server.upstream.config.id, server.changes.hear()).boxed())
                .collect(),
            servers: servers().cloned().collect(),
            _streams: servers()
                .filter_map(|server| self.listen_to(plan.project, server, caller))
                .collect(),
            listens: client.listen(),
            changed: [false; 3],
            updated: HashSet::new(),
            quiet: None,
        }
    }
}

/// What a server announces; `None` means that something was missed.
fn changes(
    server: ServerId,
    receiver: Receiver<Change>,
) -> impl stream::Stream<Item = (ServerId, Option<Change>)> + Send {
    stream::unfold((server, receiver), async |(server, mut receiver)| {
        let change = match receiver.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return None,
        };
        Some(((server, change), (server, receiver)))
    })
}

impl News {
    /// Whether it is of this plan.
    pub(crate) fn is_of(&self, plan: &Plan) -> bool {
        self.serial == plan.serial
    }

    /// The same, and all lists have changed: the gateway is another.
    pub(crate) fn with_all_changed(self) -> Self {
        Self {
            changed: [true; 3],
            ..self
        }
    }

    /// It is known now where what the client wants leads. If it listened before, changes may have been missed.
    pub(crate) fn note_settled(&mut self) {
        if self.listens.missed {
            self.updated.extend(self.client().watched());
        }
    }

    /// What the client wants.
    pub(crate) const fn client(&self) -> &Arc<Subscribed> {
        self.listens.to()
    }

    fn note(&mut self, server: ServerId, change: Option<Change>) {
        let Some(change) = change else {
            self.changed = [true; 3];
            self.updated.extend(self.client().watched());
            return;
        };
        let says = self.servers.iter().find(|one| one.upstream.config.id == server);
        let is_ours = |of| {
            let kept_for = || says.map(|says| says.upstream.whose(self.own));
            of == self.own || of == self.heard_in || Some(of) == kept_for()
        };
        if !change.of.is_none_or(is_ours) {
            return;
        }
        match change.what {
            announced::News::List(kind) => {
                if self.own != self.heard_in {
                    says.inspect(|says| says.invalidate(kind, self.own));
                }
                let at = ANNOUNCED.iter().position(|announced| *announced == kind);
                if let Some(at) = at {
                    self.changed[at] = true;
                }
            }
            announced::News::Resource(uri) => {
                if self.client().wants(&uri, server) {
                    self.updated.insert(uri);
                }
            }
        }
    }

    /// Ready with what has changed since.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<announced::News>> {
        loop {
            while let Poll::Ready(Some((server, change))) = self.heard.poll_next_unpin(cx) {
                self.note(server, change);
            }
            if let Some(quiet) = &mut self.quiet {
                std::task::ready!(quiet.as_mut().poll(cx));
                self.quiet = None;
            }
            if self.changed == [false; 3] && self.updated.is_empty() {
                return Poll::Pending;
            }
            let changed = std::mem::take(&mut self.changed);
            let updated = std::mem::take(&mut self.updated);
            self.quiet = Some(Box::pin(tokio::time::sleep(QUIET)));
            if !self.listens.is_newest() {
                continue;
            }
            // What the gateway offers may have changed since it was recorded.
            let wanted: HashSet<_> = self.client().watched().into_iter().collect();
            let lists = ANNOUNCED
                .into_iter()
                .zip(changed)
                .filter_map(|(kind, changed)| changed.then_some(announced::News::List(kind)));
            let resources = updated.into_iter().filter(|uri| wanted.contains(uri));
            let news: Vec<_> = lists.chain(resources.map(announced::News::Resource)).collect();
            if !news.is_empty() {
                return Poll::Ready(news);
            }
        }
    }
}
