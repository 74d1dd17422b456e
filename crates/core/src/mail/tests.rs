//! Against a mail server on loopback that says what a test tells it to. A real one is asked end to end.

use gatewright_domain::secret::Secret;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

const TEXT: &str =
    "Weather: The server answered with an error (HTTP 503).\nÄ line with more than ASCII.\n.\n";

/// A server that offers these extensions and answers every recipient like this; what it was told.
async fn server(extensions: &'static str, recipient: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let conversation = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut said = String::new();
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
        let mut in_data = false;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return said;
            }
            said.push_str(&line);
            let answer = match line.split([' ', '\r']).next().unwrap() {
                "." if in_data => {
                    in_data = false;
                    "250 Accepted\r\n".to_owned()
                }
                _ if in_data => continue,
                "EHLO" => format!("250-mail.example\r\n{extensions}250 8BITMIME\r\n"),
                "RCPT" => format!("{recipient}\r\n"),
                "AUTH" => "235 Welcome\r\n".to_owned(),
                "DATA" => {
                    in_data = true;
                    "354 Go on\r\n".to_owned()
                }
                _ => "250 Fine\r\n".to_owned(),
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, conversation)
}

fn config(port: u16) -> Config {
    let mut config = Config::default();
    config.smtp.host = Some("127.0.0.1".to_owned());
    config.smtp.port = port;
    config.smtp.security = SmtpSecurity::None;
    config.smtp.from = Some("Gatewright <gatewright@example.com>".to_owned());
    config
}

async fn send(config: &Config) -> Result<(), MailError> {
    let mail = Mail {
        id: "msg_1",
        to: &["ada@example.com".to_owned(), "grace@example.com".to_owned()],
        subject: "Weather: über",
        text: TEXT,
    };
    let mailer = Mailer::of(config).unwrap().unwrap();
    mailer.send(&Fetch::new(config).unwrap(), mail).await
}

#[tokio::test]
async fn a_message_is_handed_over_with_all_its_recipients() {
    let (port, conversation) = server("", "250 Fine").await;
    send(&config(port)).await.unwrap();
    let said = conversation.await.unwrap();
    for line in [
        "MAIL FROM:<gatewright@example.com>",
        "RCPT TO:<ada@example.com>",
        "RCPT TO:<grace@example.com>",
        "Message-ID: <msg_1@example.com>",
        "Auto-Submitted: auto-generated",
        "From: Gatewright <gatewright@example.com>",
        "Subject: Weather: =?utf-8?b?",
        "QUIT",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.is_ascii() && !said.contains("AUTH"), "{said}");
}

#[tokio::test]
async fn a_refused_recipient_is_told_by_its_code_only() {
    let (port, _conversation) = server("", "550 no such person s3cr3t").await;
    let error = send(&config(port)).await.unwrap_err();
    assert!(
        matches!(&error, MailError::Refused(code) if code == "550"),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_is_sent_in_clear_text_where_encryption_is_configured() {
    let (port, conversation) = server("250-AUTH PLAIN LOGIN\r\n", "250 Fine").await;
    let mut config = config(port);
    config.smtp.security = SmtpSecurity::Starttls;
    config.smtp.username = Some("gatewright".to_owned());
    config.smtp.password = Some(Secret::new("s3cr3t"));
    let error = send(&config).await.unwrap_err();
    assert!(matches!(error, MailError::NoStartTls), "{error}");
    let said = conversation.await.unwrap();
    assert!(!said.contains("AUTH") && !said.contains("MAIL"), "{said}");
}

#[tokio::test]
async fn a_mail_server_is_where_an_administrator_may_connect_to() {
    let (port, conversation) = server("", "250 Fine").await;
    let mut config = config(port);
    config.server.public_url = "https://gateway.example".to_owned();
    for host in ["127.0.0.1", "169.254.169.254"] {
        config.smtp.host = Some(host.to_owned());
        let error = send(&config).await.unwrap_err();
        assert!(
            matches!(&error, MailError::Fetch(FetchError::Refused(_))),
            "{error}"
        );
    }
    assert!(!conversation.is_finished());
}

#[test]
fn without_a_mail_server_no_mail_is_sent() {
    assert!(Mailer::of(&Config::default()).unwrap().is_none());
}
