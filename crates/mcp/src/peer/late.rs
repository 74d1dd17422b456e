//! Answers that take long: the client gets a stream with signs of life, and the answer on it when it comes.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body;

use super::{
    answer_events::EVENT_MAX,
    answer_json::JsonAnswer,
    budget::{BUSY, Share},
    era::SessionLoss,
    exchange::SMALL_ANSWER,
    session::{SlotKey, UpstreamSession},
    transport::Transport,
    unavailable::Unavailable,
    upstream::Upstream,
    whole::{refuse_encoded, whole},
};
use crate::wire::{
    batch::is_batch,
    bridge::{Bridge, Step, Tasks},
    media_type::{MediaType, media_type},
};

/// A client gets a sign of life after this long: proxies and clients give up on a response that is silent for longer.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What came of an answer that was waited for.
pub(super) enum Opened<B> {
    /// A stream of events.
    Stream(B),
    /// The answer, as the client gets it.
    Last(Bytes),
    /// The answer in an array, maybe with other messages.
    Together(Bytes),
    /// An answer that asks for input, as the server wrote it.
    InputRequired(Bytes),
    /// None: why, in a word for metrics and in words for the client.
    Failed(&'static str, String),
}

impl<B> Opened<B> {
    /// The server did not answer the call in a usable way.
    pub(super) fn unanswered(why: &Unavailable) -> Self {
        Self::Failed(why.reason(), why.of_call())
    }
}

/// An answer that is waited for.
pub(super) type Opening<B> = Pin<Box<dyn Future<Output = Opened<B>> + Send>>;

/// A call that was sent, and whose head is waited for.
pub(super) struct Late {
    pub(super) upstream: Arc<Upstream>,
    pub(super) bridge: Bridge,
    pub(super) session: Option<Arc<UpstreamSession>>,
    pub(super) slot: SlotKey,
    pub(super) share: Share,
}

impl Late {
    /// Waits for the answer.
    pub(super) async fn answer<T: Transport>(
        self,
        sending: impl Future<Output = Result<Response<T::Body>, Unavailable>>,
    ) -> Opened<T::Body> {
        let answer = match sending.await {
            Ok(answer) => answer,
            Err(why) => return Opened::unanswered(&why),
        };
        if let Err(why) = refuse_encoded(&self.upstream, answer.headers()) {
            return Opened::unanswered(&why);
        }
        if !answer.status().is_success() {
            return self.refused::<T>(answer).await;
        }
        match media_type(answer.headers()) {
            MediaType::EventStream => Opened::Stream(answer.into_body()),
            MediaType::Json => {
                let body = answer.into_body();
                whole_of(Bytes::new(), body, self.share, &self.bridge, &self.upstream).await
            }
            MediaType::Other => {
                Opened::unanswered(&self.upstream.not_mcp("neither JSON nor a stream of events"))
            }
        }
    }

    /// A refusal. Nothing is sent again: the client has waited for long.
    async fn refused<T: Transport>(&self, answer: Response<T::Body>) -> Opened<T::Body> {
        let upstream = &self.upstream;
        let reading = whole::<T>(upstream, answer, SMALL_ANSWER, None);
        let answer = match tokio::time::timeout(upstream.config.timeout, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Opened::unanswered(&why),
            Err(_) => return Opened::unanswered(&upstream.timed_out()),
        };
        let id = self.bridge.server_id.as_ref().unwrap_or(&self.bridge.client_id);
        if let Some(session) = &self.session
            && answer.session_loss(session, id) != SessionLoss::No
        {
            upstream.sessions.slot(self.slot).forget(session);
        }
        match answer.error(id) {
            Some(_) => Opened::Last(self.bridge.error(answer.error_object())),
            None => Opened::unanswered(&upstream.bad_status(answer.status, &answer.headers)),
        }
    }
}

/// Waits for the rest of an answer whose head has arrived. It is as the client gets it if `bridge` is not needed, except for IDs
/// of tasks.
pub(super) async fn rest<B>(
    mut json: JsonAnswer<B>,
    share: Share,
    upstream: Arc<Upstream>,
    bridge: Option<Bridge>,
    tasks: Option<Tasks>,
) -> Opened<B>
where
    B: Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut whole = Whole::new(share);
    loop {
        match json.next_piece().await {
            Ok(None) => break,
            Ok(Some(piece)) => {
                if let Err(why) = whole.push(&piece) {
                    return why.told(&upstream);
                }
            }
            Err(why) => return Opened::unanswered(&super::incoming::unavailable(&upstream, &why)),
        }
    }
    let whole = whole.bytes.freeze();
    match bridge {
        Some(bridge) => translated(&bridge, &upstream, &whole),
        None => Opened::Last(tasks.map_or_else(|| whole.clone(), |tasks| tasks.in_response(&whole))),
    }
}

/// Waits for the rest of an answer that begins with `first`.
pub(super) async fn whole_of<B>(
    first: Bytes,
    body: B,
    share: Share,
    bridge: &Bridge,
    upstream: &Upstream,
) -> Opened<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    match collect(first, body, share).await {
        Ok(whole) => translated(bridge, upstream, &whole),
        Err(why) => why.told(upstream),
    }
}

fn translated<B>(bridge: &Bridge, upstream: &Upstream, whole: &Bytes) -> Opened<B> {
    if is_batch(whole) {
        return Opened::Together(whole.clone());
    }
    match bridge.translate(whole) {
        Step::Last(message) => Opened::Last(message),
        Step::InputRequired => Opened::InputRequired(whole.clone()),
        _ => Opened::unanswered(&upstream.not_mcp("an answer to another request")),
    }
}

/// Why an answer is not all here.
enum Uncollected {
    Broken,
    TooLarge,
    Busy,
}

impl Uncollected {
    fn told<B>(self, upstream: &Upstream) -> Opened<B> {
        match self {
            Self::Broken => Opened::unanswered(&upstream.lost()),
            Self::TooLarge => Opened::unanswered(&upstream.not_mcp("an answer that is too large")),
            Self::Busy => Opened::Failed("busy", BUSY.to_owned()),
        }
    }
}

/// An answer that is collected, within its bounds.
struct Whole {
    bytes: BytesMut,
    share: Share,
}

impl Whole {
    fn new(share: Share) -> Self {
        Self {
            bytes: BytesMut::new(),
            share,
        }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Uncollected> {
        let length = self.bytes.len() + piece.len();
        if length > EVENT_MAX {
            return Err(Uncollected::TooLarge);
        }
        if !self.share.resize(length) {
            return Err(Uncollected::Busy);
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

async fn collect<B>(first: Bytes, mut body: B, share: Share) -> Result<Bytes, Uncollected>
where
    B: Body<Data = Bytes> + Unpin,
{
    use http_body_util::BodyExt as _;

    let mut whole = Whole::new(share);
    whole.push(&first)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Uncollected::Broken)?;
        if let Ok(piece) = frame.into_data() {
            whole.push(&piece)?;
        }
    }
    Ok(whole.bytes.freeze())
}
