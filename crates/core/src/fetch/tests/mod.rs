//! Against listeners on loopback that respond as a test says.

mod addresses;
mod exchange;
mod servers;
mod tls;

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(20),
    body: 1_000,
};
/// Long enough for loopback, short enough to wait for.
const IMPATIENT: Limits = Limits {
    deadline: Duration::from_millis(200),
    body: 1_000,
};

/// What a listener does with each request.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends this and keeps the connection.
    Text(&'static str),
    /// Sends this and closes.
    Close(&'static str),
    /// Closes without a word the first time, then sends this.
    CloseFirst(&'static str),
    /// Sends this and then nothing.
    Hang(&'static str),
    /// Sends this, then forever more.
    Endless(&'static str),
}

/// A listener and what it saw.
struct Peer {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn on(address: &str, answer: Answer) -> Self {
        Self::start(address, answer, None).await
    }

    async fn start(address: &str, answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let peer = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (Arc::clone(&peer.connections), Arc::clone(&peer.requests));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, tls) = (Arc::clone(&requests), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, answer, &requests).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, answer, &requests).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        peer
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/path?query", self.port)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    requests: &Mutex<Vec<String>>,
) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        requests
            .lock()
            .unwrap()
            .push(String::from_utf8_lossy(&head).into_owned());
        match answer {
            Answer::Text(text) => stream.write_all(text.as_bytes()).await?,
            Answer::Close(text) => {
                stream.write_all(text.as_bytes()).await?;
                return stream.shutdown().await;
            }
            Answer::CloseFirst(text) => {
                if requests.lock().unwrap().len() == 1 {
                    return stream.shutdown().await;
                }
                stream.write_all(text.as_bytes()).await?;
            }
            Answer::Hang(text) => {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await?;
                std::future::pending::<()>().await;
            }
            Answer::Endless(text) => {
                stream.write_all(text.as_bytes()).await?;
                loop {
                    stream.write_all(b"xxxxxxxxxxxxxxxx").await?;
                }
            }
        }
    }
}

/// Gives each name these addresses, one answer after the other; the last one stays.
#[derive(Debug)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> resolver::Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn config(public_url: &str, allow: &[&str]) -> Config {
    let mut config = Config::default();
    config.server.public_url = public_url.to_owned();
    config.outbound.allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    config
}

/// A client of an instance in development: operators may reach loopback.
fn local() -> Fetch {
    Fetch::new(&config("http://127.0.0.1:8080", &[])).unwrap()
}

fn resolving(config: &Config, resolver: &Arc<Scripted>) -> Fetch {
    let resolver: Arc<dyn Resolve> = Arc::clone(resolver) as _;
    Fetch::with_resolver(config, &resolver).unwrap()
}

async fn get(
    fetch: &Fetch,
    policy: Policy,
    url: &str,
    limits: Limits,
) -> Result<Response<Bytes>, FetchError> {
    let request = Request::get(url).body(Full::default()).unwrap();
    fetch.buffered(policy, request, limits).await
}
