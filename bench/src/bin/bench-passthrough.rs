//! The baseline: a bare hyper reverse proxy that inspects nothing.
//!
//! `bench-passthrough <port> <upstream origin>`

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

type Body = Either<Incoming, Full<Bytes>>;

#[tokio::main(worker_threads = 2)]
#[expect(
    clippy::disallowed_methods,
    reason = "the baseline is measured without our own code"
)]
async fn main() -> anyhow::Result<()> {
    let port = gatewright_bench::port()?;
    let origin = std::env::args()
        .nth(2)
        .ok_or_else(|| anyhow::anyhow!("usage: <port> <upstream origin>"))?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let host = HeaderValue::from_str(origin.trim_start_matches("http://"))?;
    gatewright_bench::serve(port, move |request| {
        pass(client.clone(), origin.clone(), host.clone(), request)
    })
    .await
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    origin: String,
    host: HeaderValue,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = format!("{origin}{path}").parse::<Uri>() else {
        return bad_gateway();
    };
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, host);
    match client.request(request).await {
        Ok(answer) => answer.map(Either::Left),
        Err(_) => bad_gateway(),
    }
}

fn bad_gateway() -> Response<Body> {
    let mut answer = Response::new(Either::Right(Full::default()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
