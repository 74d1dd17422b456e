//! Requests and answers: bounds of size and time, redirects, errors.

use http::StatusCode;

use super::*;

#[tokio::test]
async fn an_answer_comes_back_whole_over_one_connection() {
    let peer = Peer::on(
        "127.0.0.1",
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    )
    .await;
    let fetch = local();
    for _ in 0..3 {
        let request = Request::get(peer.url("http", "127.0.0.1"))
            .header("host", "other.example")
            .body(Full::default())
            .unwrap();
        let answer = fetch.buffered(Policy::Operator, request, LIMITS).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.body(), "hello");
    }
    assert_eq!(peer.connections(), 1);
    let requests = peer.requests.lock().unwrap();
    let head = requests[0].to_ascii_lowercase();
    assert!(head.starts_with("get /path?query http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: 127.0.0.1:{}\r\n", peer.port)),
        "{head}"
    );
    assert!(!head.contains("other.example"), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    let agent = format!("user-agent: gatewright/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(head.contains(&agent), "{head}");
}

#[tokio::test]
async fn an_answer_with_a_coding_is_refused_and_the_coding_named() {
    let fetch = local();
    for (header, named) in [
        ("content-encoding: gzip\r\n", Some("gzip")),
        ("content-encoding: identity, BR\r\n", Some("br")),
        ("content-encoding: canary\r\n", Some("another")),
        ("content-encoding: identity\r\n", None),
        ("", None),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{header}content-length: 5\r\n\r\nhello");
        let peer = Peer::on("127.0.0.1", Answer::Text(text.leak())).await;
        let url = peer.url("http", "127.0.0.1");
        let answer = get(&fetch, Policy::Operator, &url, LIMITS).await;
        let request = Request::post(&url).body(Full::default()).unwrap();
        let streamed = fetch.streaming(request, LIMITS.deadline).await;
        let Some(coding) = named else {
            assert_eq!(answer.unwrap().body(), "hello");
            assert!(streamed.is_ok());
            continue;
        };
        let refused = FetchError::Coded {
            host: "127.0.0.1".to_owned(),
            coding,
        };
        assert_eq!(answer.unwrap_err(), refused);
        assert_eq!(streamed.unwrap_err(), refused);
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\u{feff}{}";
    let peer = Peer::on("127.0.0.1", Answer::Text(text)).await;
    let url = peer.url("http", "127.0.0.1");
    let answer = get(&local(), Policy::Operator, &url, LIMITS).await.unwrap();
    assert_eq!(answer.body(), "{}");
}

#[tokio::test]
async fn only_a_get_whose_connection_closed_is_sent_again() {
    let peer = Peer::on(
        "127.0.0.1",
        Answer::CloseFirst("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
    )
    .await;
    let fetch = local();
    let url = peer.url("http", "127.0.0.1");
    let answer = get(&fetch, Policy::Operator, &url, LIMITS).await.unwrap();
    assert_eq!(
        (answer.body().as_ref(), peer.connections()),
        (b"hello".as_ref(), 2)
    );
    let closing = Peer::on("127.0.0.1", Answer::Close("")).await;
    let url = closing.url("http", "127.0.0.1");
    let error = get(&fetch, Policy::Operator, &url, LIMITS).await.unwrap_err();
    assert_eq!(
        (error, closing.connections()),
        (FetchError::Broken("127.0.0.1".into()), 2)
    );
    let request = Request::post(&url).body(Full::default()).unwrap();
    let error = fetch
        .buffered(Policy::Operator, request, LIMITS)
        .await
        .unwrap_err();
    assert_eq!(
        (error, closing.connections()),
        (FetchError::Broken("127.0.0.1".into()), 3)
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inner = Peer::on(
        "127.0.0.1",
        Answer::Text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    )
    .await;
    let location = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        inner.url("http", "127.0.0.1")
    );
    let peer = Peer::on("127.0.0.1", Answer::Text(location.leak())).await;
    let answer = get(&local(), Policy::Operator, &peer.url("http", "127.0.0.1"), LIMITS)
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!((peer.connections(), inner.connections()), (1, 0));
}

#[tokio::test]
async fn bodies_are_bounded_in_size() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\n";
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n";
    let exact = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let fits = Limits { body: 5, ..LIMITS };
    let fetch = local();
    for (answer, limits, fine) in [
        (Answer::Endless(chunked), LIMITS, false),
        (Answer::Endless("HTTP/1.1 200 OK\r\n\r\n"), LIMITS, false),
        (Answer::Hang(announced), LIMITS, false),
        (Answer::Text(exact), fits, true),
        (Answer::Text(exact), Limits { body: 4, ..LIMITS }, false),
    ] {
        let peer = Peer::on("127.0.0.1", answer).await;
        let result = get(&fetch, Policy::Operator, &peer.url("http", "127.0.0.1"), limits).await;
        if fine {
            assert_eq!(result.unwrap().body(), "hello");
        } else {
            assert_eq!(result.unwrap_err(), FetchError::TooLarge("127.0.0.1".into()));
        }
    }
}

#[tokio::test]
async fn heads_and_bodies_are_bounded_in_time() {
    let fetch = local();
    for text in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nslow"] {
        let peer = Peer::on("127.0.0.1", Answer::Hang(text)).await;
        let url = peer.url("http", "127.0.0.1");
        let error = get(&fetch, Policy::Operator, &url, IMPATIENT).await.unwrap_err();
        assert_eq!(error, FetchError::Timeout("127.0.0.1".into()));
    }
}

#[tokio::test]
async fn a_stream_is_passed_on_as_it_arrives_and_its_head_has_a_deadline() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let peer = Peer::on("127.0.0.1", Answer::Hang(head)).await;
    let fetch = local();
    let request = |peer: &Peer| {
        Request::post(peer.url("http", "127.0.0.1"))
            .body(Full::default())
            .unwrap()
    };
    let mut answer = fetch.streaming(request(&peer), LIMITS.deadline).await.unwrap();
    let frame = answer.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "hello");
    let silent = Peer::on("127.0.0.1", Answer::Hang("")).await;
    let error = fetch
        .streaming(request(&silent), IMPATIENT.deadline)
        .await
        .unwrap_err();
    assert_eq!(error, FetchError::Timeout("127.0.0.1".into()));
}

#[tokio::test]
async fn errors_say_what_happened_and_repeat_nothing_of_the_peer() {
    let fetch = local();
    for text in [
        "canary canary\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\ncanary",
        "",
    ] {
        let peer = Peer::on("127.0.0.1", Answer::Close(text)).await;
        let error = get(&fetch, Policy::Operator, &peer.url("http", "127.0.0.1"), LIMITS)
            .await
            .unwrap_err();
        assert_eq!(error, FetchError::Broken("127.0.0.1".into()));
        assert!(!error.to_string().contains("canary"));
    }
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = get(&fetch, Policy::Operator, &format!("http://{free}/"), LIMITS)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "could not connect to 127.0.0.1: nothing listens on port {}",
            free.port()
        )
    );
}
