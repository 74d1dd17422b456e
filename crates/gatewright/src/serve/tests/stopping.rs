//! What a stop does to connections: none ends without a word while its next request may be on the way.

#[cfg(target_os = "linux")]
use {
    socket2::{Domain, Socket, Type},
    std::sync::atomic::AtomicUsize,
};

use gatewright_domain::{api_key::KeyScope, testing};
use gatewright_store::api_key;

use super::*;

const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
const STATUS: &str = "{\"status\":\"ok\"}";

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(ASK).await.unwrap();
    read_until(stream, STATUS).await
}

#[tokio::test]
async fn while_it_drains_each_answer_says_that_its_connection_closes() {
    let server = Server::start().await;
    let (mut busy, mut late) = (server.connect().await, server.connect().await);
    assert!(!ask(&mut busy).await.contains("connection:"));
    server.test.app.stopping.cancel();
    for stream in [&mut busy, &mut late] {
        let last = ask(stream).await;
        assert!(
            last.starts_with("HTTP/1.1 200") && last.contains("\r\nconnection: close\r\n"),
            "{last}"
        );
        assert_eq!(read_to_end(stream).await, "");
    }
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = || {
        Request::get("http://x/healthz")
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    for _ in 0..2 {
        let answer = sender.send_request(request()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key(header::CONNECTION));
    }
    drop(sender);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_of_the_drain_arrives_although_its_body_is_still_on_the_way() {
    let server = Server::start().await;
    server.test.app.stopping.cancel();
    let mut stream = server.connect().await;
    let head = "POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "}").await;
    assert!(
        answer.starts_with("HTTP/1.1 404") && answer.contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    stream.write_all(&vec![b'x'; 4_000_000]).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_made_before_the_stop_is_answered_after_it() {
    let server = Server::start().await;
    let mut made = server.connect().await;
    let address = server.address;
    let stopped = tokio::spawn(server.stop());
    while TcpStream::connect(address).await.is_ok() {}
    let answer = ask(&mut made).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_was_made_just_now_is_waited_for_longer() {
    let (made, used) = (Activity::new(), Activity::new());
    drop(used.begin());
    let none = Duration::ZERO;
    assert!(used.last_request_deadline(none) < made.last_request_deadline(none));
    // With a drain, one that was used just now is idle for as long as that before it closes.
    let drain = Duration::from_secs(5);
    assert!(used.last_request_deadline(drain) > Instant::now() + Duration::from_secs(4));
}

/// A connection that is begun and not waited for.
#[cfg(target_os = "linux")]
fn begin(to: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _ = socket.connect(&to.into());
    socket
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_listener_that_closes_takes_who_has_connected_and_refuses_who_begins() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let before = begin(address);
    closing::ignore_new(&listener);
    let after = begin(address);
    let taken = AtomicUsize::new(0);
    let slots = Arc::new(Semaphore::new(10));
    closing::accept_the_last(listener, &slots, |_, _, _| {
        taken.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(taken.into_inner(), 1);
    assert!(before.peer_addr().is_ok());
    // Its system tries again after a second, and is refused.
    let error = loop {
        if let Some(error) = after.take_error().unwrap() {
            break error;
        }
        assert!(after.peer_addr().is_err(), "it was connected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn what_a_request_notes_while_the_process_stops_is_written() {
    let server = Server::start().await;
    let app = Arc::clone(&server.test.app);
    let key = testing::api_key(KeyScope::Instance, app.now(), "key");
    let mut tx = app.core().store.write().await.unwrap();
    api_key::insert(&mut tx, &key).await.unwrap();
    tx.commit().await.unwrap();
    let mut made = server.connect().await;
    let (address, again) = (server.address, server.test.another());
    app.shutdown.cancel();
    while TcpStream::connect(address).await.is_ok() {}
    app.last_used.note(key.id, app.now());
    ask(&mut made).await;
    server.running.await.unwrap().unwrap();
    let again = again.await.unwrap();
    let mut tx = again.core().store.read().await.unwrap();
    let written = api_key::find(&mut tx, None, key.id).await.unwrap().unwrap();
    assert_eq!(written.last_used_at, Some(app.now()));
}

/// A stream whose head went out before the drain has not said that its connection closes.
#[tokio::test]
async fn after_a_stream_that_a_stop_ends_its_connection_takes_one_more_request() {
    let shutdown = Arc::new(std::sync::OnceLock::<tokio_util::sync::CancellationToken>::new());
    let told = Arc::clone(&shutdown);
    let stream = async move || {
        let over = told.get().unwrap().clone();
        let first =
            futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"first")) });
        let last = futures_util::stream::once(async move {
            over.cancelled().await;
            Ok(Bytes::from_static(b"last"))
        });
        axum::body::Body::from_stream(futures_util::StreamExt::chain(first, last))
    };
    let router = Router::new()
        .route("/stream", get(stream))
        .route("/healthz", get(async || STATUS));
    let server = Server::with(|config| config.server.drain_seconds = 3, Some(router)).await;
    shutdown.set(server.test.app.shutdown.clone()).unwrap();
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "first").await;
    server
        .test
        .app
        .drains
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = tokio::spawn(server.stop());
    read_until(&mut stream, "last\r\n0\r\n\r\n").await;
    // Longer than an idle connection gets without a drain.
    tokio::time::sleep(2 * activity::LAST_REQUEST_WAIT).await;
    let answer = ask(&mut stream).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    stopped.await.unwrap().unwrap();
}
