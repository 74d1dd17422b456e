//! An endpoint over servers in memory, and its users.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_domain::{
    Clock, Entropy,
    clock::FixedClock,
    entropy::SeededEntropy,
    id::{ApiKeyId, GatewayId, ProjectId, ServerId},
    principal::{Principal, Proof},
    sealed::{Keyring, MasterKey},
    server::{IdentityForwarding, ProtocolChoice},
};
use http::{HeaderMap, HeaderValue, Response};
use tokio_util::sync::CancellationToken;

use super::{
    body::FakeBody,
    net::{FakeNet, FakeServer},
    words::{legacy_headers, meta, modern_headers, read},
};
use crate::{
    endpoint::{
        PlanNow, Reached,
        answer::Answer,
        service::{Endpoint, Lasting},
    },
    federation::{
        Choice,
        list_memory::ListLimits,
        naming::Naming,
        plan::{GatewayConfig, Plan},
    },
    peer::{
        caller::{Alive, Caller, CallerKey, Identify, RuleClass},
        config::UpstreamConfig,
        credentials::{Asked, Credentials},
    },
};

/// Users are distinguished by a plain word where the program signs an assertion.
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

    /// These items of these servers; all if there are none.
    pub(crate) fn choice(&self, items: &[(usize, &str)]) -> Choice {
        let items = items
            .iter()
            .map(|(index, item)| (self.ids[*index], (*item).to_owned()));
        Choice::of_items(items)
    }

    /// The same with servers that are configured in another way.
    pub(crate) fn plan_with(
        &self,
        identity: IdentityForwarding,
        allowed: &[(usize, &str)],
        change: impl Fn(&mut UpstreamConfig),
    ) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| {
            let mut config = self.usual(identity, id, slug);
            change(&mut config);
            config
        };
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            tools: self.choice(allowed),
            ..self.gateway_config()
        })
    }

    /// A plan that offers these tools, prompts and resources.
    pub(crate) fn plan_of_all(&self, tools: &[(usize, &str)], prompts: Choice, resources: Choice) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| self.usual(IdentityForwarding::None, id, slug);
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            tools: self.choice(tools),
            prompts,
            resources,
            ..self.gateway_config()
        })
    }

    /// A plan that offers these tools.
    pub(crate) fn plan_of_tools(&self, tools: Choice) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| self.usual(IdentityForwarding::None, id, slug);
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            tools,
            ..self.gateway_config()
        })
    }

    /// A plan of these servers only.
    pub(crate) fn plan_of_servers(&self, places: &[usize]) -> Plan {
        let server =
            |place: &usize| self.usual(IdentityForwarding::None, &self.ids[*place], &self.slugs[*place]);
        self.endpoint.plan(GatewayConfig {
            servers: places.iter().map(server).collect(),
            ..self.gateway_config()
        })
    }

    fn usual(&self, identity: IdentityForwarding, id: &ServerId, slug: &str) -> UpstreamConfig {
        UpstreamConfig {
            id: *id,
            project: self.project_id,
            slug: slug.to_owned(),
            prefix: slug.to_owned(),
            url: format!("http://{slug}.example/mcp").parse().unwrap(),
            audience: format!("http://{slug}.example/mcp"),
            timeout: Duration::from_mins(1),
            retries: 1,
            headers: vec![(
                http::HeaderName::from_static("x-api-key"),
                HeaderValue::from_static("hush"),
            )],
            identity,
            protocol: ProtocolChoice::Automatic,
            problem: None,
        }
    }

    /// The gateway without servers, all of which would be offered.
    fn gateway_config(&self) -> GatewayConfig {
        GatewayConfig {
            id: self.gateway_id,
            project: self.project_id,
            name: "Tools \"R\" us".to_owned(),
            instructions: "Be kind.".to_owned(),
            server_instructions: false,
            naming: if self.ids.len() > 1 {
                Naming::Prefixed
            } else {
                Naming::Plain
            },
            servers: Vec::new(),
            tools: Choice::All,
            prompts: Choice::All,
            resources: Choice::All,
        }
    }

    /// A plan whose tools and prompts are named in this way, with servers that are configured in another way.
    pub(crate) fn plan_named(&self, naming: Naming, change: impl Fn(&mut UpstreamConfig)) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| {
            let mut config = self.usual(IdentityForwarding::None, id, slug);
            change(&mut config);
            config
        };
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            naming,
            ..self.gateway_config()
        })
    }

    /// The same with these tools of these servers.
    pub(crate) fn plan_named_of(&self, naming: Naming, allowed: &[(usize, &str)]) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| self.usual(IdentityForwarding::None, id, slug);
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            naming,
            tools: self.choice(allowed),
            ..self.gateway_config()
        })
    }

    /// A plan that passes on what its servers say about using them.
    pub(crate) fn plan_with_instructions(&self, identity: IdentityForwarding, instructions: &str) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| self.usual(identity, id, slug);
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            instructions: instructions.to_owned(),
            server_instructions: true,
            ..self.gateway_config()
        })
    }

    /// A plan that offers these prompts and resources.
    pub(crate) fn plan_of(&self, identity: IdentityForwarding, prompts: Choice, resources: Choice) -> Plan {
        let server = |(id, slug): (&ServerId, &String)| self.usual(identity, id, slug);
        self.endpoint.plan(GatewayConfig {
            servers: self.ids.iter().zip(&self.slugs).map(server).collect(),
            prompts,
            resources,
            ..self.gateway_config()
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
            conversation: None,
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
            .post(plan, caller, headers, &body, None, &mut Reached::default())
            .await
    }

    /// Opens the stream of a session that listens.
    pub(crate) fn get(
        &self,
        plan_now: impl Fn() -> Option<Arc<Plan>> + Clone + Send + Sync + 'static,
        user: &User,
        headers: &HeaderMap,
        shutdown: &CancellationToken,
    ) -> Response<Answer<FakeBody>> {
        let plan = plan_now().unwrap();
        let boxed = || -> PlanNow { Box::new(plan_now.clone()) };
        let lasting = Lasting {
            shutdown,
            plan_now: &boxed,
        };
        self.endpoint.get(&plan, self.caller(user), headers, &lasting)
    }

    /// Opens the stream of a subscription; `filter` is the text of its object.
    pub(crate) async fn subscribe(
        &self,
        plan_now: impl Fn() -> Option<Arc<Plan>> + Clone + Send + Sync + 'static,
        user: &User,
        filter: &str,
        shutdown: &CancellationToken,
    ) -> Response<Answer<FakeBody>> {
        let plan = plan_now().unwrap();
        let boxed = || -> PlanNow { Box::new(plan_now.clone()) };
        let lasting = Lasting {
            shutdown,
            plan_now: &boxed,
        };
        let method = "subscriptions/listen";
        let meta = meta("");
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"s","method":"{method}","params":{{"notifications":{filter},{meta}}}}}"#
        );
        let (caller, headers, body) = (self.caller(user), modern_headers(method, None), Bytes::from(body));
        let mut reached = Reached::default();
        self.endpoint
            .post(&plan, caller, &headers, &body, Some(&lasting), &mut reached)
            .await
    }

    /// Begins a session; returns the headers of its requests.
    pub(crate) async fn begin(&self, plan: &Plan, user: &User) -> HeaderMap {
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
        let response = self.post(plan, user, &legacy_headers(None), body).await;
        let id = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let (status, text) = read(response).await;
        assert_eq!(status, 200, "{text}");
        legacy_headers(Some(&id))
    }
}
