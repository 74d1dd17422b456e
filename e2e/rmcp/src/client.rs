//! The client: connects to each server in the way of one era, and says what it sees of each primitive.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use http::{HeaderName, HeaderValue};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt as _, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, GetPromptRequestParams,
        JsonObject, LoggingLevel, PingRequest, ProtocolVersion, ReadResourceRequestParams, RequestMetaObject,
        ServerNotification, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter,
    },
    service::{PeerRequestOptions, RunningService},
    transport::{
        StreamableHttpClientTransport, UnixSocketHttpClient,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixListener};

use crate::{handler::Hands, repertoire::WATCHED};

/// How long a client waits for a notification, and how often it makes the server repeat it.
const PATIENCE: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(250);
/// How long it waits for log messages after the answer.
const AFTER: Duration = Duration::from_secs(2);

/// What to look at.
#[derive(Debug, Deserialize)]
struct Job {
    urls: BTreeMap<String, String>,
    headers: HashMap<String, String>,
    primitives: Vec<String>,
}

struct Connected {
    service: RunningService<RoleClient, Hands>,
    is_stateless: bool,
}

/// Looks at every server and prints what it sees.
pub(crate) async fn observe(version: ProtocolVersion, job: &str) -> anyhow::Result<()> {
    let job: Job = serde_json::from_str(job)?;
    let mut seen = BTreeMap::new();
    for (server, url) in &job.urls {
        let mut of_server = BTreeMap::new();
        let connected = Connected::new(url, &job.headers, &version).await;
        for primitive in &job.primitives {
            let observed = match &connected {
                Ok(connected) => connected
                    .see(primitive)
                    .await
                    .map_err(|error| format!("{error:#}")),
                Err(error) => Err(format!("{error:#}")),
            };
            of_server.insert(
                primitive,
                observed.unwrap_or_else(|error| format!("failed: {error}")),
            );
        }
        if let Ok(connected) = connected {
            connected.service.cancel().await?;
        }
        seen.insert(server, of_server);
    }
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

/// Leads the SDK's client for Unix sockets, the only one that brings no other HTTP client with it, to a port of loopback.
fn bridge(url: &str) -> anyhow::Result<String> {
    let authority = url
        .parse::<http::Uri>()?
        .authority()
        .context("the URL has no host")?
        .to_string();
    let path = std::env::temp_dir().join(format!(
        "e2e-rmcp-{}-{}",
        std::process::id(),
        authority.replace(':', "-")
    ));
    // It is there from the last connection to this port.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let authority = authority.clone();
            tokio::spawn(async move {
                #[allow(
                    clippy::disallowed_methods,
                    reason = "a client of the tests connects to loopback"
                )]
                let far = TcpStream::connect(authority).await;
                if let Ok(mut far) = far {
                    // Either side may close at any time.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    Ok(path.to_string_lossy().into_owned())
}

fn arguments(given: Value) -> JsonObject {
    match given {
        Value::Object(given) => given,
        _ => JsonObject::new(),
    }
}

/// The text of a result.
fn said(result: &CallToolResult) -> String {
    let parts = result.content.iter().filter_map(|part| part.as_text());
    parts.map(|part| part.text.as_str()).collect::<Vec<_>>().join(",")
}

/// The text at a place in what a request returned.
fn at(result: &impl Serialize, pointer: &str) -> anyhow::Result<String> {
    let json = serde_json::to_value(result)?;
    let text = json.pointer(pointer).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("{json} has no {pointer}"))?
        .to_owned())
}

/// Repeats `act` until `seen` returns something, because streams exist a moment later than what they could carry first.
async fn repeated(
    act: impl AsyncFn() -> anyhow::Result<()>,
    seen: impl AsyncFn() -> anyhow::Result<Option<String>>,
    patience: Duration,
) -> anyhow::Result<String> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        act().await?;
        tokio::time::sleep(AGAIN).await;
        if let Some(found) = seen().await? {
            return Ok(found);
        }
    }
    bail!("nothing came within {} s", patience.as_secs())
}

impl Connected {
    async fn new(
        url: &str,
        headers: &HashMap<String, String>,
        version: &ProtocolVersion,
    ) -> anyhow::Result<Self> {
        let is_stateless = *version == ProtocolVersion::V_2026_07_28;
        let lifecycle = if is_stateless {
            ClientLifecycleMode::Discover {
                preferred_versions: vec![version.clone()],
            }
        } else {
            ClientLifecycleMode::Initialize
        };
        let read = |(name, value): (&String, &String)| -> anyhow::Result<_> {
            Ok((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
        };
        let headers = headers.iter().map(read).collect::<Result<_, _>>()?;
        let config = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(headers);
        let client = UnixSocketHttpClient::new(&bridge(url)?, url);
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let service = Hands::default()
            .serve_with_lifecycle(transport, lifecycle)
            .await?;
        Ok(Self {
            service,
            is_stateless,
        })
    }

    async fn called(&self, name: &'static str, given: Value) -> anyhow::Result<String> {
        let params = CallToolRequestParams::new(name).with_arguments(arguments(given));
        Ok(said(&self.service.call_tool(params).await?))
    }

    async fn see(&self, primitive: &str) -> anyhow::Result<String> {
        match primitive {
            "tools" => self.tools().await,
            "prompts" => self.prompts().await,
            "resources" => self.resources().await,
            "templates" => self.templates().await,
            "completion" => {
                let words = self
                    .service
                    .complete_prompt_argument("greet", "name", "par", None);
                let mut values = words.await?.values;
                values.truncate(2);
                Ok(values.join(","))
            }
            "form" => self.called("ask_form", json!({})).await,
            "url" => self.called("ask_url", json!({})).await,
            "sampling" => self.called("ask_model", json!({})).await,
            "roots" => self.called("ask_roots", json!({})).await,
            "list changes" => self.list_changes().await,
            "subscriptions" => self.subscriptions().await,
            "logging" => self.logging().await,
            "progress" => {
                self.called("progress", json!({})).await?;
                Ok(self.service.service().heard().steps.join(","))
            }
            "cancellation" => self.cancellation().await,
            "ping" => self.ping().await,
            other => bail!("{other} is not a primitive of this matrix"),
        }
    }

    async fn tools(&self) -> anyhow::Result<String> {
        let tools = self.service.list_all_tools().await?;
        let echo = tools.iter().find(|tool| tool.name == "echo").context("no echo")?;
        let text = self.called("echo", json!({ "message": "héllo" })).await?;
        Ok(format!("{}: {text}", echo.name))
    }

    async fn prompts(&self) -> anyhow::Result<String> {
        let prompts = self.service.list_all_prompts().await?;
        let name = &prompts.first().context("no prompt")?.name;
        let params =
            GetPromptRequestParams::new(name.clone()).with_arguments(arguments(json!({ "name": "Ada" })));
        let got = self.service.get_prompt(params).await?;
        Ok(format!("{name}: {}", at(&got, "/messages/0/content/text")?))
    }

    async fn read(&self, uri: &str) -> anyhow::Result<String> {
        let read = self
            .service
            .read_resource(ReadResourceRequestParams::new(uri))
            .await?;
        at(&read, "/contents/0/text")
    }

    async fn resources(&self) -> anyhow::Result<String> {
        let listed = self.service.list_all_resources().await?;
        let first = listed
            .iter()
            .find(|each| each.name == "static")
            .context("no resource")?;
        Ok(format!("{}: {}", first.uri, self.read(&first.uri).await?))
    }

    async fn templates(&self) -> anyhow::Result<String> {
        let listed = self.service.list_all_resource_templates().await?;
        let template = &listed.first().context("no template")?.uri_template;
        Ok(format!(
            "{template}: {}",
            self.read(&template.replace("{id}", "7")).await?
        ))
    }

    /// The first notification of a subscription, while a tool is called again and again.
    async fn listening(
        &self,
        filter: SubscriptionFilter,
        tool: &'static str,
    ) -> anyhow::Result<ServerNotification> {
        let mut subscription = self.service.listen(filter).await?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            self.called(tool, json!({})).await?;
            if let Ok(heard) = tokio::time::timeout(AGAIN, subscription.next()).await {
                let heard = heard?.context("the subscription has ended")?;
                subscription.cancel().await?;
                return Ok(heard);
            }
        }
        bail!("nothing came within {} s", PATIENCE.as_secs())
    }

    async fn list_changes(&self) -> anyhow::Result<String> {
        if self.is_stateless {
            let filter = SubscriptionFilter::builder().tools_list_changed().build();
            return match self.listening(filter, "change_tools").await? {
                ServerNotification::ToolListChangedNotification(_) => Ok("tools".to_owned()),
                other => bail!("it heard {other:?}"),
            };
        }
        let act = async || self.called("change_tools", json!({})).await.map(drop);
        let seen = async || {
            Ok(self
                .service
                .service()
                .heard()
                .tools_changed
                .then(|| "tools".to_owned()))
        };
        repeated(act, seen, PATIENCE).await
    }

    async fn subscriptions(&self) -> anyhow::Result<String> {
        if self.is_stateless {
            let filter = SubscriptionFilter::builder()
                .resource_subscriptions([WATCHED])
                .build();
            return match self.listening(filter, "touch").await? {
                ServerNotification::ResourceUpdatedNotification(updated) => Ok(updated.params.uri),
                other => bail!("it heard {other:?}"),
            };
        }
        self.service
            .subscribe(SubscribeRequestParams::new(WATCHED))
            .await?;
        let act = async || self.called("touch", json!({})).await.map(drop);
        let seen = async || Ok(self.service.service().heard().updated.first().cloned());
        repeated(act, seen, PATIENCE).await
    }

    async fn logging(&self) -> anyhow::Result<String> {
        let mut meta = RequestMetaObject::new();
        if self.is_stateless {
            meta.set_log_level(LoggingLevel::Info);
        } else {
            self.service
                .set_level(SetLevelRequestParams::new(LoggingLevel::Info))
                .await?;
        }
        let request = CallToolRequest::new(CallToolRequestParams::new("log"));
        let options = PeerRequestOptions::no_options().with_meta(meta);
        let sent = self
            .service
            .send_request_with_option(ClientRequest::CallToolRequest(request), options);
        sent.await?.await_response().await?;
        // A server may send them on another stream than the answer.
        let logged = async || {
            let heard = self.service.service().heard();
            Ok((heard.logged.len() >= 3).then(|| heard.logged.join(",")))
        };
        repeated(async || Ok(()), logged, AFTER).await
    }

    async fn cancellation(&self) -> anyhow::Result<String> {
        let key = format!("{}-{:?}", std::process::id(), Instant::now());
        let params = CallToolRequestParams::new("wait").with_arguments(arguments(json!({ "key": key })));
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options();
        let waiting = self.service.send_cancellable_request(request, options).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        waiting.cancel(None).await?;
        let was = async || {
            let was = self.called("was_cancelled", json!({ "key": key })).await?;
            Ok((was == "true").then_some(was))
        };
        repeated(async || Ok(()), was, PATIENCE).await
    }

    async fn ping(&self) -> anyhow::Result<String> {
        let ping = ClientRequest::PingRequest(PingRequest::default());
        match self.service.send_request(ping).await {
            Ok(_) => Ok("pong".to_owned()),
            Err(error) if self.is_stateless => Ok(format!("absent: {error}")),
            Err(error) => Err(error.into()),
        }
    }
}
