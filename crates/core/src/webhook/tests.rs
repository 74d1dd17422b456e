//! Against a receiver on loopback.

use gatewright_domain::secret::Secret;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::config::Config;

const ID: &str = "msg_1";
const BODY: &str = r#"{"type":"test"}"#;
const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// Answers one request with this; returns the request.
async fn receiver(answer: &'static str) -> (Webhook, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(BODY.as_bytes()) {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (webhook(&format!("http://127.0.0.1:{port}/hook")), request)
}

fn webhook(url: &str) -> Webhook {
    Webhook {
        url: url.parse().unwrap(),
        secret: WebhookSecret::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap(),
    }
}

async fn deliver(webhook: &Webhook, public_url: &str) -> Result<(), DeliveryError> {
    let mut config = Config::default();
    config.server.public_url = public_url.to_owned();
    let fetch = Fetch::new(&config).unwrap();
    let message = Message {
        id: ID,
        content_type: "application/json",
        body: Bytes::from_static(BODY.as_bytes()),
    };
    webhook.deliver(&fetch, None, &message, NOW).await
}

#[tokio::test]
async fn a_message_arrives_signed_with_its_id_and_time() {
    let (webhook, request) = receiver("HTTP/1.1 204 No Content\r\n\r\n").await;
    deliver(&webhook, "http://127.0.0.1").await.unwrap();
    let request = request.await.unwrap();
    let expected = webhook.secret.sign(ID, NOW.as_seconds(), BODY.as_bytes());
    for line in [
        "POST /hook HTTP/1.1".to_owned(),
        "content-type: application/json".to_owned(),
        "webhook-id: msg_1".to_owned(),
        "webhook-timestamp: 1700000000".to_owned(),
        format!("webhook-signature: {expected}"),
    ] {
        assert!(request.contains(&format!("{line}\r\n")), "{line}: {request}");
    }
}

#[tokio::test]
async fn anything_but_success_is_no_delivery_and_a_pause_is_bounded() {
    for (answer, status, pause) in [
        (
            "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n",
            302,
            None,
        ),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", 410, None),
        (
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
            429,
            Some(Duration::from_secs(7)),
        ),
        (
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 99999999\r\ncontent-length: 0\r\n\r\n",
            503,
            Some(PAUSE_MAX),
        ),
    ] {
        let (webhook, _request) = receiver(answer).await;
        let error = deliver(&webhook, "http://127.0.0.1").await.unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Refused { status: was, .. } if was.as_u16() == status),
            "{error}"
        );
        assert_eq!(error.pause(), pause, "{error}");
    }
}

#[tokio::test]
async fn the_body_of_an_answer_does_not_matter() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\nthe beginning",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a chunk",
        "HTTP/1.1 202 Accepted\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\ngzip",
    ] {
        let (webhook, _request) = receiver(answer).await;
        deliver(&webhook, "http://127.0.0.1").await.unwrap();
    }
}

#[tokio::test]
async fn a_webhook_leads_nowhere_that_an_administrator_may_not_configure() {
    let (webhook, request) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for webhook in [webhook, self::webhook("http://169.254.169.254/latest/meta-data")] {
        let error = deliver(&webhook, "https://gateway.example").await.unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Fetch(FetchError::Refused(_))),
            "{error}"
        );
    }
    assert!(!request.is_finished());
}
