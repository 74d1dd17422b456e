//! The server, which serves one of the two eras.

use std::{
    borrow::Cow,
    collections::HashSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use rmcp::{
    ErrorData, Peer, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
        CompletionInfo, ContentBlock, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
        Implementation, InputRequest, InputRequests, InputRequiredResult, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
        LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        ResourceUpdatedNotificationParam, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};

use crate::repertoire::{REPERTOIRE, WATCHED};

/// What is announced to everyone who listens.
#[derive(Debug, Clone, Copy)]
enum Change {
    Tools,
    Watched,
}

/// What all sessions and requests share.
#[derive(Debug)]
struct Shared {
    repertoire: Value,
    versions: &'static [ProtocolVersion],
    cancelled: Mutex<HashSet<String>>,
    sessions: Mutex<Vec<Peer<RoleServer>>>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug, Clone)]
struct Memo(Arc<Shared>);

/// A tool asked for something: the answer, or what the client gets first.
enum Asked {
    Answered(Value),
    First(CallToolResponse),
}

/// Serves on a port of loopback until the process is killed.
pub(crate) async fn serve(port: u16, version: ProtocolVersion) -> anyhow::Result<()> {
    let versions: &'static [ProtocolVersion] = if version == ProtocolVersion::V_2026_07_28 {
        &[ProtocolVersion::V_2026_07_28]
    } else {
        &[ProtocolVersion::V_2025_11_25]
    };
    let memo = Memo(Arc::new(Shared {
        repertoire: serde_json::from_str(REPERTOIRE)?,
        versions,
        cancelled: Mutex::default(),
        sessions: Mutex::default(),
        changes: broadcast::Sender::new(16),
    }));
    let service = StreamableHttpService::new(
        move || Ok(memo.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, Router::new().route_service("/mcp", service)).await?;
    Ok(())
}

/// A value of the SDK from its JSON.
fn read<T: DeserializeOwned>(json: Value) -> Result<T, ErrorData> {
    serde_json::from_value(json).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn failed(error: &impl ToString) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn text_of(uri: &str) -> Option<String> {
    match uri {
        "memo://static" => Some("The static text.".to_owned()),
        WATCHED => Some("The watched text.".to_owned()),
        _ => uri.strip_prefix("memo://items/").map(|id| format!("Item {id}")),
    }
}

impl Memo {
    fn of(&self, member: &str) -> Value {
        self.0.repertoire[member].clone()
    }

    fn is_stateless(&self) -> bool {
        self.0.versions.contains(&ProtocolVersion::V_2026_07_28)
    }

    /// Asks the client what the tool of this name asks, in the way of the era.
    async fn ask(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Asked, ErrorData> {
        let responses = request.input_responses.as_ref();
        if let Some(answer) = responses.and_then(|responses| responses.get("answer")) {
            return Ok(Asked::Answered(answer.clone()));
        }
        let question: InputRequest = read(self.of(&request.name))?;
        if self.is_stateless() {
            let requests = InputRequests::from([("answer".to_owned(), question)]);
            let first = InputRequiredResult::from_input_requests(requests);
            return Ok(Asked::First(first.into()));
        }
        let peer = &context.peer;
        let answer = match question {
            InputRequest::Elicitation(request) => {
                let answer = peer.create_elicitation(request.params).await;
                serde_json::to_value(answer.map_err(|error| failed(&error))?)
            }
            InputRequest::CreateMessage(request) => {
                let answer = peer.create_message(request.params).await;
                serde_json::to_value(answer.map_err(|error| failed(&error))?)
            }
            InputRequest::ListRoots(_) => {
                serde_json::to_value(peer.list_roots().await.map_err(|error| failed(&error))?)
            }
            _ => return Err(failed(&"an unknown question")),
        };
        answer.map(Asked::Answered).map_err(|error| failed(&error))
    }

    async fn log(&self, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
        // A stateless client says with each request what it wants to read.
        if self.is_stateless() && context.meta.log_level().is_none() {
            return Ok(());
        }
        for word in ["one", "two", "three"] {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(word));
            let sent = context.peer.notify_logging_message(message).await;
            sent.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    async fn progress(&self, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let token = context.meta.get_progress_token();
        let token = token.ok_or_else(|| failed(&"no progress token"))?;
        for step in 1..=3 {
            let progress = ProgressNotificationParam::new(token.clone(), f64::from(step)).with_total(3.0);
            let sent = context.peer.notify_progress(progress).await;
            sent.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Announces to every session and subscription.
    async fn announce(&self, change: Change) {
        // There may be no listener.
        let _ = self.0.changes.send(change);
        let sessions = {
            let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|peer| !peer.is_transport_closed());
            sessions.clone()
        };
        for peer in sessions {
            // A client that does not listen at the moment misses it, and others do not wait for it.
            let told = async {
                match change {
                    Change::Tools => peer.notify_tool_list_changed().await,
                    Change::Watched => {
                        peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(WATCHED))
                            .await
                    }
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(500), told).await;
        }
    }

    fn was_cancelled(&self, key: &str) -> bool {
        let cancelled = self.0.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        cancelled.contains(key)
    }

    async fn wait(&self, key: &str, context: &RequestContext<RoleServer>) {
        context.ct.cancelled().await;
        let mut cancelled = self.0.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        cancelled.insert(key.to_owned());
    }

    /// What a tool returns that asks, given the answer.
    fn conclusion(tool: &str, answer: &Value) -> String {
        let text = |pointer: &str| {
            answer
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or("nothing")
        };
        match tool {
            "ask_form" => format!("Hello, {}!", text("/content/name")),
            "ask_url" => format!("The page was {}ed.", text("/action")),
            "ask_model" => format!("The model said: {}", text("/content/text")),
            _ => text("/roots/0/uri").to_owned(),
        }
    }
}

impl ServerHandler for Memo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = serde_json::from_value(self.of("server")).unwrap_or_default();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("rmcp", "1.0.0"))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.0.versions)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push(context.peer);
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let names = self.of("tools");
        let tools: Vec<Value> = names.as_object().into_iter().flatten().map(listed).collect();
        read(json!({"resultType": "complete", "tools": tools}))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let given = |name: &str| {
            let given = request.arguments.as_ref().and_then(|given| given.get(name));
            given.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let text = match request.name.as_ref() {
            "echo" => given("message"),
            asks if asks.starts_with("ask_") => match self.ask(&request, &context).await? {
                Asked::Answered(answer) => Self::conclusion(asks, &answer),
                Asked::First(first) => return Ok(first),
            },
            "log" => self.log(&context).await.map(|()| "logged".to_owned())?,
            "progress" => self.progress(&context).await.map(|()| "done".to_owned())?,
            "wait" => {
                self.wait(&given("key"), &context).await;
                "cancelled".to_owned()
            }
            "was_cancelled" => self.was_cancelled(&given("key")).to_string(),
            changing => {
                let change = if changing == "touch" {
                    Change::Watched
                } else {
                    Change::Tools
                };
                self.announce(change).await;
                "announced".to_owned()
            }
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        read(json!({"resultType": "complete", "prompts": self.of("prompts")}))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let name = request.arguments.unwrap_or_default().remove("name");
        let text = format!(
            "Greet {}.",
            name.as_ref().and_then(Value::as_str).unwrap_or("nobody")
        );
        let message = json!({"role": "user", "content": {"type": "text", "text": text}});
        let result: GetPromptResult = read(json!({"resultType": "complete", "messages": [message]}))?;
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        read(json!({"resultType": "complete", "resources": self.of("resources")}))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        read(json!({"resultType": "complete", "resourceTemplates": self.of("resourceTemplates")}))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let text =
            text_of(&request.uri).ok_or_else(|| ErrorData::resource_not_found("no such memo", None))?;
        let contents = json!({"uri": request.uri, "mimeType": "text/plain", "text": text});
        let result: ReadResourceResult = read(json!({"resultType": "complete", "contents": [contents]}))?;
        Ok(result.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let words = ["paris", "park", "party"].into_iter();
        let fitting = words.filter(|word| word.starts_with(&request.argument.value));
        let info = CompletionInfo::new(fitting.map(str::to_owned).collect());
        info.map(CompleteResult::new).map_err(|error| failed(&error))
    }

    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.0.changes.subscribe();
        let sink = context.sink();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // What this subscription does not want is refused by the SDK.
            let _ = match change {
                Ok(Change::Tools) => sink.notify_tool_list_changed().await,
                Ok(Change::Watched) => sink.notify_resource_updated(WATCHED).await,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            };
        }
    }
}

/// A tool as it is listed, from its name and those of its arguments.
fn listed((name, needs): (&String, &Value)) -> Value {
    let names = needs.as_array().into_iter().flatten().filter_map(Value::as_str);
    let properties: serde_json::Map<String, Value> = names
        .map(|name| (name.to_owned(), json!({ "type": "string" })))
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": needs});
    json!({"name": name, "description": format!("The tool {name}"), "inputSchema": schema})
}
