//! Connections to MCP servers and to identity providers are bounded.

use gatewright_domain::{clock::FixedClock, entropy::SeededEntropy};

use super::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn bounded(servers: usize) -> Fetch {
    with_providers(servers, 2)
}

fn with_providers(servers: usize, providers: usize) -> Fetch {
    let resolver: Arc<dyn Resolve> = Arc::new(SystemResolver);
    let config = config("http://127.0.0.1:8080", &[]);
    Fetch::bounded(&config, &resolver, servers, providers).unwrap()
}

/// Asks a provider of the project of a number.
async fn ask(fetch: &Fetch, project: u64, url: &str, limits: Limits) -> Result<Response<Bytes>, FetchError> {
    let project = ProjectId::generate(&FixedClock::at_seconds(1), &SeededEntropy::new(project));
    let request = Request::get(url).body(Full::default()).unwrap();
    fetch.for_project(Some(project), request, limits).await
}

async fn stream(fetch: &Fetch, peer: &Peer, patience: Duration) -> Result<Response<Incoming>, FetchError> {
    let request = Request::get(format!("http://127.0.0.1:{}/", peer.port));
    fetch
        .streaming(request.body(Full::default()).unwrap(), patience)
        .await
}

#[tokio::test]
async fn answers_that_never_end_take_no_more_than_the_bound_and_leave_providers_theirs() {
    let fetch = bounded(2);
    let (slow, provider) = (
        Peer::on("127.0.0.1", Answer::Hang(HEAD)).await,
        Peer::on("127.0.0.1", Answer::Text(WHOLE)).await,
    );
    let first = stream(&fetch, &slow, LIMITS.deadline).await.unwrap();
    let _second = stream(&fetch, &slow, LIMITS.deadline).await.unwrap();
    assert_eq!(fetch.open_to_servers(), 2);
    let refused = stream(&fetch, &slow, IMPATIENT.deadline).await;
    assert!(refused.is_err(), "a third connection was opened");
    assert_eq!(slow.connections.load(Ordering::SeqCst), 2);
    let url = format!("http://127.0.0.1:{}/", provider.port);
    assert!(get(&fetch, Policy::Operator, &url, LIMITS).await.is_ok());
    drop(first);
    assert!(stream(&fetch, &slow, LIMITS.deadline).await.is_ok());
}

#[tokio::test]
async fn idle_connections_to_one_server_are_closed_for_another() {
    let fetch = bounded(2);
    let (one, other) = (
        Peer::on("127.0.0.1", Answer::Text(WHOLE)).await,
        Peer::on("127.0.0.1", Answer::Text(WHOLE)).await,
    );
    let (first, second) = tokio::join!(
        stream(&fetch, &one, LIMITS.deadline),
        stream(&fetch, &one, LIMITS.deadline)
    );
    for answer in [first, second] {
        answer.unwrap().into_body().collect().await.unwrap();
    }
    assert_eq!(fetch.open_to_servers(), 2);
    assert!(stream(&fetch, &other, LIMITS.deadline).await.is_ok());
}

#[tokio::test]
async fn providers_that_hang_take_no_more_than_the_bound_and_others_are_reached_after_them() {
    let fetch = bounded(2);
    let (slow, provider) = (
        Peer::on("127.0.0.1", Answer::Hang(HEAD)).await,
        Peer::on("127.0.0.1", Answer::Text(WHOLE)).await,
    );
    let (slow_url, url) = (slow.url("http", "127.0.0.1"), provider.url("http", "127.0.0.1"));
    let hang = |project| ask(&fetch, project, &slow_url, IMPATIENT);
    let (first, second, third) = tokio::join!(hang(1), hang(2), hang(3));
    assert!(first.is_err() && second.is_err() && third.is_err());
    assert_eq!(slow.connections(), 2);
    assert!(get(&fetch, Policy::Operator, &url, LIMITS).await.is_ok());
}

#[tokio::test]
async fn providers_of_one_project_that_hang_leave_places_to_those_of_others() {
    let fetch = with_providers(1, 4);
    let (slow, provider) = (
        Peer::on("127.0.0.1", Answer::Hang(HEAD)).await,
        Peer::on("127.0.0.1", Answer::Text(WHOLE)).await,
    );
    let (slow_url, url) = (slow.url("http", "127.0.0.1"), provider.url("http", "127.0.0.1"));
    let hang = || ask(&fetch, 1, &slow_url, LIMITS);
    let hanging = async { tokio::join!(hang(), hang(), hang(), hang()) };
    let other = tokio::select! {
        biased;
        ended = hanging => panic!("they hang: {ended:?}"),
        other = ask(&fetch, 2, &url, LIMITS) => other,
    };
    assert!(other.is_ok(), "{other:?}");
    assert!(slow.connections() <= 2);
}

#[tokio::test]
async fn a_connection_outlives_the_threads_that_opened_it() {
    let (fetch, peer) = (bounded(2), Peer::on("127.0.0.1", Answer::Text(WHOLE)).await);
    let peer = Arc::new(peer);
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let opening = {
        let (fetch, peer) = (fetch.clone(), Arc::clone(&peer));
        async move {
            let answer = stream(&fetch, &peer, LIMITS.deadline).await.unwrap();
            answer.into_body().collect().await.unwrap();
        }
    };
    elsewhere.spawn(opening).await.unwrap();
    elsewhere.shutdown_background();
    stream(&fetch, &peer, LIMITS.deadline).await.unwrap();
    assert_eq!(peer.connections(), 1);
}
