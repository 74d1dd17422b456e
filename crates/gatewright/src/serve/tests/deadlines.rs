//! Connections that send too little, nothing more, or do not read, in time that passes automatically.

use super::{
    super::activity::{NEXT_HEAD_DEADLINE, STALL_DEADLINE},
    *,
};

/// A connection with time that passes when nothing else happens.
async fn paused_connection() -> (TcpStream, TestAdmin) {
    let test = TestAdmin::new().await;
    let front = gatewright_dashboard::front(&test.app);
    (paused_connection_to(&test, front).await, test)
}

async fn paused_connection_to(test: &TestAdmin, front: Front) -> TcpStream {
    tokio::time::pause();
    let mut builder = builder();
    // Time that passes automatically would be over before a ping is answered.
    builder.http2().keep_alive_interval(None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let connection = Connection {
        app: Arc::clone(&test.app),
        front: Arc::new(front),
        builder: Arc::new(builder),
        peer: peer.ip(),
        threads: None,
        calls: None,
    };
    let slot = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
    tokio::spawn(connection.begin(stream, slot, TaskTracker::new()));
    client
}

#[tokio::test]
async fn a_client_that_says_nothing_or_too_little_is_left_at_the_deadline() {
    for said in ["", "GET /healthz HTTP/1.1\r\nx-slow: "] {
        let (mut client, _test) = paused_connection().await;
        let began = Instant::now();
        client.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, "");
        assert_eq!(began.elapsed().as_secs(), FIRST_REQUEST_DEADLINE.as_secs());
        tokio::time::resume();
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_those_of_proxies_and_then_ends() {
    let (mut client, _test) = paused_connection().await;
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut client, "{\"status\":\"ok\"}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let began = Instant::now();
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nx-slow: ")
        .await
        .unwrap();
    read_to_end(&mut client).await;
    assert_eq!(began.elapsed().as_secs(), NEXT_HEAD_DEADLINE.as_secs());
}

#[tokio::test]
async fn an_idle_http_2_connection_ends_too_but_not_while_a_stream_is_open() {
    let (router, entered, release) = waiting();
    let test = TestAdmin::new().await;
    let front = Front::new(test.app.gateways(), router.layer(RouteLayer));
    let io = TokioIo::new(paused_connection_to(&test, front).await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://x/wait").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::spawn(sender.send_request(request));
    entered.notified().await;
    // Nothing happens for longer than an idle connection lives, but the stream is open.
    tokio::time::sleep(NEXT_HEAD_DEADLINE * 3).await;
    let began = Instant::now();
    release.notify_one();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "done");
    let _ = connection.await.unwrap();
    assert!(began.elapsed() >= NEXT_HEAD_DEADLINE, "{:?}", began.elapsed());
    assert!(
        began.elapsed() <= NEXT_HEAD_DEADLINE + H2_GOODBYE + Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_and_one_that_reads_slowly_is_not() {
    // More than the buffers of both ends hold.
    const SIZE: usize = 64 * 1024 * 1024;
    const PAUSE: Duration = Duration::from_secs(30);
    let router = Router::new().route("/large", get(async || vec![b'x'; SIZE]));
    for reads in [true, false] {
        let test = TestAdmin::new().await;
        let front = Front::new(test.app.gateways(), router.clone().layer(RouteLayer));
        let mut client = paused_connection_to(&test, front).await;
        client
            .write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        read_until(&mut client, "\r\n\r\n").await;
        let (mut got, mut buffer) = (0, vec![0; SIZE / 8]);
        let began = Instant::now();
        if reads {
            while got < SIZE {
                tokio::time::sleep(PAUSE).await;
                let part = buffer.len().min(SIZE - got);
                client.read_exact(&mut buffer[..part]).await.unwrap();
                got += part;
            }
            assert!(began.elapsed() > STALL_DEADLINE * 2);
        } else {
            while test.app.telemetry.connections.get() > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            assert!(began.elapsed() >= STALL_DEADLINE, "{:?}", began.elapsed());
            assert!(began.elapsed() <= STALL_DEADLINE * 2, "{:?}", began.elapsed());
            assert!(read_to_end(&mut client).await.len() < SIZE);
        }
        tokio::time::resume();
    }
}
