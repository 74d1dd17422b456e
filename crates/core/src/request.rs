//! Facts about a request that several parts need. A middleware puts one [`RequestContext`] into the extensions of
//! every request; handlers take `Extension<RequestContext>`.

use std::{
    future::Future as _,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use ipnet::IpNet;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

pub use crate::request_id::RequestId;
use crate::telemetry::RequestRecord;

/// The header of proxies that names the client, the nearest proxy last.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Proxies in a row that are believed at most; more is a forgery or a loop.
const MAX_PROXIES: usize = 16;

/// The ID of a request, the address it came from, and its log line. A copy shares the line.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Problem reports carry it, and error pages its short form.
    pub id: RequestId,
    /// The client's address: the peer's, or what trusted proxies say about it.
    pub address: IpAddr,
    record: Arc<RequestRecord>,
}

impl RequestContext {
    /// The context of a request from `peer` that begins now.
    pub fn new(peer: IpAddr, method: &Method, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let id = RequestId::next();
        Self {
            id,
            address: client_address(peer, headers, trusted),
            record: Arc::new(RequestRecord::new(id, method.clone(), peer)),
        }
    }

    /// A context with a known ID and address, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub fn known(id: RequestId, address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Self {
            id,
            address,
            record: Arc::new(RequestRecord::new(id, Method::GET, address)),
        }
    }

    /// What its log line says. Functions add what they learn: the gateway, the client.
    pub fn record(&self) -> &Arc<RequestRecord> {
        &self.record
    }

    /// The prefix that caps and limits count by: /24 for IPv4, /56 for IPv6.
    pub fn address_prefix(&self) -> String {
        address_prefix(self.address)
    }
}

/// The prefix of an address: /24 for IPv4 (and IPv4 mapped into IPv6), /56 for IPv6.
pub fn address_prefix(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let s = v6.segments();
            format!("{:x}:{:x}:{:x}:{:x}::/56", s[0], s[1], s[2], s[3] & 0xff00)
        }
    }
}

/// Whether a proxy that is not trusted names its client. If all requests come through a proxy, this means that
/// everyone has the proxy's address.
pub fn names_client_without_trust(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    headers.contains_key(FORWARDED_FOR)
        && !trusted
            .iter()
            .any(|network| network.contains(&peer.to_canonical()))
}

/// Headers that show that a proxy is in between. Each proxy sends some of them.
const PROXY_HEADERS: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
];

/// Whether it is known from which address a request came: directly, or through trusted proxies that name the client as this
/// program reads it. Any other proxy lends its own address, often loopback, to everyone behind it.
pub(crate) fn is_address_known(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let came_through_proxy = headers
        .keys()
        .any(|name| name.as_str().starts_with("x-forwarded-") || PROXY_HEADERS.contains(&name.as_str()));
    let is_trusted = || {
        trusted
            .iter()
            .any(|network| network.contains(&peer.to_canonical()))
    };
    !came_through_proxy || (headers.contains_key(FORWARDED_FOR) && is_trusted())
}

/// Walks from the peer towards the client as long as the sender is a trusted proxy.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut address = peer.to_canonical();
    if trusted.is_empty() || !trusts(address) {
        return address;
    }
    let lines: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|line| line.to_str().unwrap_or(""))
        .collect();
    let nearest_first = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for entry in nearest_first.take(MAX_PROXIES) {
        let Some(named) = parse_forwarded(entry.trim()) else {
            break;
        };
        address = named;
        if !trusts(address) {
            break;
        }
    }
    address
}

/// An address, with or without port, IPv6 with or without brackets.
fn parse_forwarded(entry: &str) -> Option<IpAddr> {
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(entry);
    bare.parse()
        .or_else(|_| {
            entry
                .parse::<std::net::SocketAddr>()
                .map(|with_port| with_port.ip())
        })
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// Why a request's body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the route takes: 413.
    #[error("the request body is too large")]
    TooLarge,
    /// It came too slowly: 408.
    #[error("the request body did not arrive in time")]
    Timeout,
    /// The client disconnected, so there is no one to respond to.
    #[error("the request body broke off")]
    Broken,
}

/// Reads a body whole, within a size and a time.
pub async fn read_body<B>(mut body: B, limit: usize, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge);
    }
    let read = async {
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
                continue;
            };
            if first.len() + whole.len() + data.len() > limit {
                return Err(BodyError::TooLarge);
            }
            // Most bodies come in one piece and need no copy.
            if first.is_empty() && whole.is_empty() {
                first = data;
                continue;
            }
            if whole.is_empty() {
                whole.reserve(announced.max(first.len() + data.len()));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    };
    tokio::time::timeout(deadline, read)
        .await
        .unwrap_or(Err(BodyError::Timeout))
}

/// Reads what is left of a body and throws it away, as far as it is at most `room` bytes and here in time.
pub async fn throw_away<B>(body: &mut B, mut room: u64, deadline: Duration)
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > room {
        return;
    }
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            match room.checked_sub(length) {
                Some(rest) => room = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(deadline, reading).await;
}

pin_project! {
    /// A request's body that fails when it is not there in time, no matter what reads it. The clock starts when the reader first
    /// has to wait: most bodies arrive with their head and cost nothing.
    #[derive(Debug)]
    pub struct TimelyBody<B> {
        #[pin]
        inner: B,
        within: Duration,
        deadline: Option<Pin<Box<Sleep>>>,
    }
}

impl<B> TimelyBody<B> {
    /// A body that must end within this time.
    pub fn new(inner: B, within: Duration) -> Self {
        Self {
            inner,
            within,
            deadline: None,
        }
    }
}

impl<B> Body for TimelyBody<B>
where
    B: Body,
    B::Error: Into<axum::BoxError>,
{
    type Data = B::Data;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, axum::BoxError>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(*this.within)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::Timeout.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn headers_of_untrusted_peers_are_ignored() {
        assert_eq!(address("203.0.113.9", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(
            address("203.0.113.9", &["1.2.3.4"], &["10.0.0.0/8"]),
            "203.0.113.9"
        );
        assert_eq!(address("10.0.0.1", &["1.2.3.4"], &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(
            address("::ffff:10.0.0.1", &["1.2.3.4"], &["10.0.0.0/8"]),
            "1.2.3.4"
        );
    }

    #[test]
    fn the_list_is_walked_from_the_right_and_forged_entries_on_the_left_do_not_count() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], trusted),
            "1.2.3.4"
        );
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6", "1.2.3.4,10.0.0.2"], trusted),
            "1.2.3.4"
        );
        assert_eq!(address("10.0.0.1", &["10.0.0.3, 10.0.0.2"], trusted), "10.0.0.3");
        assert_eq!(address("10.0.0.1", &["6.6.6.6, nonsense"], trusted), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &[], trusted), "10.0.0.1");
    }

    #[test]
    fn a_proxy_that_is_not_trusted_is_noticed() {
        let notices = |peer: &str, trusted: &[&str], headers: &HeaderMap| {
            let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
            names_client_without_trust(peer.parse().unwrap(), headers, &trusted)
        };
        let mut forwarded = HeaderMap::new();
        forwarded.insert(FORWARDED_FOR, "1.2.3.4".parse().unwrap());
        assert!(notices("10.0.0.1", &[], &forwarded));
        assert!(notices("203.0.113.9", &["10.0.0.0/8"], &forwarded));
        assert!(!notices("::ffff:10.0.0.1", &["10.0.0.0/8"], &forwarded));
        assert!(!notices("10.0.0.1", &[], &HeaderMap::new()));
    }

    #[test]
    fn ports_and_brackets_are_understood() {
        let trusted = &["10.0.0.0/8"];
        assert_eq!(address("10.0.0.1", &["1.2.3.4:5555"], trusted), "1.2.3.4");
        assert_eq!(address("10.0.0.1", &["[2a00::1]:5555"], trusted), "2a00::1");
        assert_eq!(address("10.0.0.1", &["[2a00::1]"], trusted), "2a00::1");
        assert_eq!(address("10.0.0.1", &["2a00::1"], trusted), "2a00::1");
    }

    fn chunks(parts: &[&'static str]) -> impl Body<Data = Bytes, Error = std::convert::Infallible> + Unpin {
        let frames: Vec<_> = parts
            .iter()
            .map(|part| {
                Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from_static(part.as_bytes())))
            })
            .collect();
        http_body_util::StreamBody::new(futures_util::stream::iter(frames))
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_are_read_within_size_and_time() {
        let deadline = Duration::from_secs(10);
        assert_eq!(read_body(chunks(&["abc"]), 3, deadline).await.unwrap(), "abc");
        assert_eq!(
            read_body(chunks(&["a", "", "b", "c"]), 3, deadline)
                .await
                .unwrap(),
            "abc"
        );
        assert_eq!(
            read_body(chunks(&["ab", "cd"]), 3, deadline).await,
            Err(BodyError::TooLarge)
        );
        let whole = http_body_util::Full::new(Bytes::from_static(b"abcd"));
        assert_eq!(read_body(whole, 3, deadline).await, Err(BodyError::TooLarge));
        let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<Bytes>, std::convert::Infallible>,
        >());
        assert_eq!(read_body(never, 3, deadline).await, Err(BodyError::Timeout));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timely_body_fails_for_any_reader_once_its_time_is_over() {
        let within = Duration::from_secs(10);
        let whole = TimelyBody::new(chunks(&["abc", "def"]), within);
        assert_eq!(whole.collect().await.unwrap().to_bytes(), "abcdef");
        let frames = futures_util::stream::unfold(0, async |second| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let frame = Frame::data(Bytes::from_static(b"x"));
            (second < 60).then_some((Ok::<_, std::convert::Infallible>(frame), second + 1))
        });
        let began = tokio::time::Instant::now();
        let slow = TimelyBody::new(http_body_util::StreamBody::new(Box::pin(frames)), within);
        assert!(slow.collect().await.unwrap_err().is::<BodyError>());
        assert_eq!(began.elapsed(), within);
    }
}
