//! Servers of both eras in memory, for the tests through all layers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gatewright_domain::{
    Clock, Entropy,
    clock::FixedClock,
    entropy::SeededEntropy,
    id::{ApiKeyId, GatewayId, ProjectId, ServerId},
    principal::{Principal, Proof},
    sealed::{Keyring, MasterKey},
    server::IdentityForwarding,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) use crate::testing::{
    body::{FakeBody, Pieces},
    words::{events, legacy_headers, meta, modern_headers, read},
};
use crate::{
    endpoint::{
        answer::Answer,
        service::{Endpoint, Reached},
    },
    federation::{
        list_memory::ListLimits,
        naming::Naming,
        plan::{GatewayConfig, Plan},
    },
    peer::{
        caller::{Alive, Caller, CallerKey, Identify, RuleClass},
        config::UpstreamConfig,
        credentials::{Asked, Credentials},
        transport::{Transport, TransportError},
    },
};

/// What a server got.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) verb: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) json: Value,
}

impl Received {
    pub(crate) fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Handler = Box<dyn Fn(&Received) -> Result<Response<FakeBody>, TransportError> + Send + Sync>;

/// A server and what it got, in order.
pub(crate) struct FakeServer {
    /// It takes requests and never answers.
    hung: bool,
    /// How long it takes for a method; [`Duration::MAX`] means that it never answers.
    delays: Vec<(&'static str, Duration)>,
    pub(crate) handler: Handler,
    pub(crate) received: Mutex<Vec<Received>>,
}

impl FakeServer {
    pub(crate) fn new(
        handler: impl Fn(&Received) -> Result<Response<FakeBody>, TransportError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            hung: false,
            delays: Vec::new(),
            handler: Box::new(handler),
            received: Mutex::default(),
        })
    }

    pub(crate) fn hung() -> Arc<Self> {
        Arc::new(Self {
            hung: true,
            delays: Vec::new(),
            handler: Box::new(|_| unreachable!()),
            received: Mutex::default(),
        })
    }

    /// The same server, which takes this long for a method; [`Duration::MAX`] means that it never answers.
    pub(crate) fn slow(server: Arc<Self>, delays: &[(&'static str, Duration)]) -> Arc<Self> {
        Arc::new(Self {
            hung: false,
            delays: delays.to_vec(),
            handler: Box::new(move |received| (server.handler)(received)),
            received: Mutex::default(),
        })
    }

    pub(crate) fn received(&self, method: &str) -> Vec<Received> {
        let all = self.received.lock().unwrap();
        all.iter().filter(|one| one.method() == method).cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

#[derive(Default)]
pub(crate) struct FakeNet {
    pub(crate) servers: HashMap<String, Arc<FakeServer>>,
}

impl Transport for FakeNet {
    type Body = FakeBody;

    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<FakeBody>, TransportError> {
        let host = request.uri().host().unwrap().to_owned();
        let (head, body) = request.into_parts();
        let received = Received {
            verb: head.method,
            headers: head.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
            body,
        };
        let server = &self.servers[&host];
        server.received.lock().unwrap().push(received.clone());
        // The other requests of a test get their turn, as they would over a network.
        tokio::task::yield_now().await;
        if server.hung {
            std::future::pending::<()>().await;
        }
        let mut delays = server.delays.iter();
        match delays.find(|(method, _)| *method == received.method()) {
            Some((_, Duration::MAX)) => std::future::pending().await,
            Some((_, delay)) => tokio::time::sleep(*delay).await,
            None => {}
        }
        (server.handler)(&received)
    }
}

pub(crate) fn answer(status: u16, content_type: &str, body: FakeBody) -> Response<FakeBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if !content_type.is_empty() {
        let value = HeaderValue::from_str(content_type).unwrap();
        response.headers_mut().insert("content-type", value);
    }
    response
}

pub(crate) fn json_answer(status: u16, body: &str) -> Response<FakeBody> {
    answer(status, "application/json; charset=utf-8", FakeBody::of(&[body]))
}

pub(crate) fn event(data: &str) -> String {
    format!("event: message\ndata: {data}\n\n")
}

/// A tool that takes anything.
pub(crate) fn tool(name: &str) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object" } })
}

/// The raw text of a member of `params`, as the server got it.
pub(crate) fn raw_param(received: &Received, name: &str) -> String {
    let params: HashMap<String, Box<serde_json::value::RawValue>> = {
        #[derive(serde::Deserialize)]
        struct Envelope {
            params: HashMap<String, Box<serde_json::value::RawValue>>,
        }
        serde_json::from_slice::<Envelope>(&received.body).unwrap().params
    };
    params
        .get(name)
        .map_or("null".to_owned(), |raw| raw.get().to_owned())
}

/// The answer both kinds of server give to a call: what they were told, byte for byte.
pub(crate) fn echo(received: &Received) -> String {
    let arguments = raw_param(received, "arguments");
    let name = &received.json["params"]["name"];
    let user = received.header("gatewright-assertion").unwrap_or("nobody");
    format!(
        r#"{{"result":{{"content":[],"x-n":1.50e+3, "tool":{name},"user":"{user}","arguments":{arguments}}},"jsonrpc":"2.0","id":{}}}"#,
        received.json["id"]
    )
}

/// A stateless server with these tools.
pub(crate) fn modern_server(tools: Vec<Value>, ttl_ms: u64, scope: &'static str) -> Arc<FakeServer> {
    FakeServer::new(move |received| Ok(modern_reply(received, &tools, ttl_ms, scope)))
}

pub(crate) fn modern_reply(
    received: &Received,
    tools: &[Value],
    ttl_ms: u64,
    scope: &str,
) -> Response<FakeBody> {
    let id = &received.json["id"];
    if received
        .header("mcp-protocol-version")
        .is_some_and(|version| version != "2026-07-28")
    {
        return json_answer(
            400,
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32022, "message": "unsupported",
                "data": {"supported": ["2026-07-28"]}}})
            .to_string(),
        );
    }
    let version = &received.json["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    if version != "2026-07-28" || received.header("mcp-protocol-version") != Some("2026-07-28") {
        return json_answer(
            400,
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no metadata"}})
                .to_string(),
        );
    }
    assert_eq!(received.header("mcp-method"), Some(received.method()));
    match received.method() {
        "server/discover" => json_answer(
            200,
            &json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}}, "ttlMs": 1, "cacheScope": "public"}})
            .to_string(),
        ),
        "tools/list" => json_answer(
            200,
            &json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "tools": tools,
                "ttlMs": ttl_ms, "cacheScope": scope}})
            .to_string(),
        ),
        "tools/call" => {
            assert_eq!(received.header("mcp-name"), received.json["params"]["name"].as_str());
            let body = echo(received).replace(r#""result":{"#, r#""result":{"resultType":"complete","#);
            json_answer(200, &body)
        }
        _ => json_answer(
            404,
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}).to_string(),
        ),
    }
}

/// A server with sessions, which answers calls as `call` says.
pub(crate) fn legacy_server(
    tools: Vec<Value>,
    call: impl Fn(&Received) -> Response<FakeBody> + Send + Sync + 'static,
) -> Arc<FakeServer> {
    let sessions = AtomicUsize::new(0);
    FakeServer::new(move |received| {
        let id = &received.json["id"];
        if received.method() == "initialize" {
            let number = sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let mut response = json_answer(
                200,
                &json!({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}})
                .to_string(),
            );
            let session = HeaderValue::from_str(&format!("session-{number}")).unwrap();
            response.headers_mut().insert("mcp-session-id", session);
            return Ok(response);
        }
        if received.header("mcp-session-id").is_none() {
            let error =
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#;
            return Ok(json_answer(400, error));
        }
        assert_eq!(received.header("mcp-protocol-version"), Some("2025-11-25"));
        Ok(match received.method() {
            "tools/list" => {
                let result = json!({"jsonrpc": "2.0", "id": id, "result": {"tools": tools}});
                answer(
                    200,
                    "text/event-stream",
                    FakeBody::of(&[&event(&result.to_string())]),
                )
            }
            "tools/call" => call(received),
            _ => answer(202, "", FakeBody::of(&[])),
        })
    })
}

/// Users are told apart by a plain word where the program signs an assertion.
pub(crate) struct User(pub(crate) &'static str);

impl Identify for User {
    fn credentials<'a>(&'a self, server: &'a UpstreamConfig) -> Asked<'a> {
        assert_eq!(server.audience, server.url.to_string());
        Asked::Known(Ok(Credentials {
            assertion: Some(HeaderValue::from_static(self.0)),
        }))
    }

    fn kept(&self) -> Arc<dyn Identify> {
        Arc::new(Self(self.0))
    }

    fn alive(&self) -> Alive {
        Box::new(|| true)
    }
}

/// An endpoint over servers in memory and one gateway.
pub(crate) struct World {
    pub(crate) endpoint: Endpoint<FakeNet>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) gateway_id: GatewayId,
    ids: Vec<ServerId>,
    slugs: Vec<String>,
    project_id: ProjectId,
    key_id: ApiKeyId,
}

impl World {
    pub(crate) fn new(servers: &[(&str, &Arc<FakeServer>)]) -> Self {
        Self::with_list_limits(servers, ListLimits::default())
    }

    pub(crate) fn with_list_limits(servers: &[(&str, &Arc<FakeServer>)], limits: ListLimits) -> Self {
        let clock = Arc::new(FixedClock::at_seconds(1_800_000_000));
        let entropy = Arc::new(SeededEntropy::new(11));
        let keyring = Keyring::new(vec![MasterKey::generate(entropy.as_ref())]).unwrap();
        let net = FakeNet {
            servers: servers
                .iter()
                .map(|(slug, server)| (format!("{slug}.example"), Arc::clone(server)))
                .collect(),
        };
        let (of_clock, of_entropy) = (clock.as_ref(), entropy.as_ref());
        Self {
            gateway_id: GatewayId::generate(of_clock, of_entropy),
            ids: servers
                .iter()
                .map(|_| ServerId::generate(of_clock, of_entropy))
                .collect(),
            slugs: servers.iter().map(|(slug, _)| (*slug).to_owned()).collect(),
            project_id: ProjectId::generate(of_clock, of_entropy),
            key_id: ApiKeyId::generate(of_clock, of_entropy),
            endpoint: Endpoint::new(
                net,
                keyring,
                Arc::clone(&clock) as Arc<dyn Clock>,
                Arc::clone(&entropy) as Arc<dyn Entropy>,
                limits,
            ),
            clock,
        }
    }

    pub(crate) fn plan(&self, identity: IdentityForwarding, allowed: &[(usize, &str)]) -> Plan {
        self.plan_with(identity, allowed, |_| {})
    }

    /// The same with servers that are configured in another way.
    pub(crate) fn plan_with(
        &self,
        identity: IdentityForwarding,
        allowed: &[(usize, &str)],
        change: impl Fn(&mut UpstreamConfig),
    ) -> Plan {
        let usual = |(id, slug): (&ServerId, &String)| UpstreamConfig {
            id: *id,
            project: self.project_id,
            slug: slug.clone(),
            url: format!("http://{slug}.example/mcp").parse().unwrap(),
            audience: format!("http://{slug}.example/mcp"),
            timeout: Duration::from_mins(1),
            retries: 1,
            headers: vec![(
                http::HeaderName::from_static("x-api-key"),
                HeaderValue::from_static("hush"),
            )],
            identity,
            problem: None,
        };
        let server = |named| {
            let mut config = usual(named);
            change(&mut config);
            config
        };
        self.endpoint.plan(GatewayConfig {
            id: self.gateway_id,
            project: self.project_id,
            name: "Tools \"R\" us".to_owned(),
            instructions: "Be kind.".to_owned(),
            naming: Naming::for_servers(self.ids.len()),
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            allowed_tools: allowed
                .iter()
                .map(|(index, tool)| (self.ids[*index], (*tool).to_owned()))
                .collect(),
        })
    }

    pub(crate) fn key(&self, user: &User) -> CallerKey {
        CallerKey::of(&Principal {
            project_id: self.project_id,
            gateway_id: self.gateway_id,
            subject: user.0.to_owned(),
            proof: Proof::Key(self.key_id),
            email: None,
            display_name: None,
        })
    }

    pub(crate) fn caller<'a>(&self, user: &'a User) -> Caller<'a> {
        Caller {
            key: self.key(user),
            class: RuleClass::EVERYONE,
            identity: user,
        }
    }

    pub(crate) async fn post(
        &self,
        plan: &Plan,
        user: &User,
        headers: &HeaderMap,
        body: &str,
    ) -> Response<Answer<FakeBody>> {
        let caller = self.caller(user);
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.endpoint
            .post(plan, caller, headers, &body, &mut Reached::default())
            .await
    }

    /// Begins a session; gives the headers of its requests.
    pub(crate) async fn begin(&self, plan: &Plan, user: &User) -> HeaderMap {
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
        let response = self.post(plan, user, &legacy_headers(None), body).await;
        let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let (status, text) = read(response).await;
        assert_eq!(status, 200, "{text}");
        legacy_headers(Some(&id))
    }
}
