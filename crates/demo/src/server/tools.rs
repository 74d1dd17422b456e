//! The tools.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rmcp::{
    ErrorData, Json, RoleServer, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::schema_for_output, wrapper::Parameters},
    model::{
        CallToolResult, ContentBlock, Implementation, ProgressNotificationParam, ServerCapabilities,
        ServerConfig,
    },
    schemars::{self, JsonSchema},
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use serde::{Deserialize, Serialize};

use super::assertion::{Caller, Verifier};

/// The longest text that `text_of_size` returns, in characters.
const LONGEST_TEXT: u32 = 8_000_000;
/// The highest number that `count_slowly` counts to.
const HIGHEST_COUNT: u32 = 10_000;

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    verifier: Option<Verifier>,
    started: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
}

impl Shared {
    pub(super) const fn new(verifier: Option<Verifier>) -> Self {
        Self {
            verifier,
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
        }
    }
}

/// The server as one client sees it.
#[derive(Debug, Clone)]
pub(super) struct DemoTools {
    shared: Arc<Shared>,
    router: Arc<ToolRouter<Self>>,
}

/// Two numbers.
#[derive(Debug, Deserialize, JsonSchema)]
struct Addends {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

/// Their sum.
#[derive(Debug, Serialize, JsonSchema)]
struct Sum {
    /// a + b
    sum: f64,
}

/// Text to repeat.
#[derive(Debug, Deserialize, JsonSchema)]
struct Message {
    /// The text.
    message: String,
}

/// How far and how fast to count.
#[derive(Debug, Deserialize, JsonSchema)]
struct Count {
    /// The last number, at most 10,000.
    to: u32,
    /// Milliseconds between two numbers; 200 when left out.
    pause_ms: Option<u64>,
}

/// The results of the counts so far.
#[derive(Debug, Serialize, JsonSchema)]
struct Counts {
    /// Begun.
    started: u64,
    /// Reached their last number.
    finished: u64,
    /// Stopped before it, because the caller cancelled or disconnected.
    cancelled: u64,
}

/// The length of a text.
#[derive(Debug, Deserialize, JsonSchema)]
struct Size {
    /// Number of characters, at most 8,000,000.
    characters: u32,
}

#[tool_router(router = tools)]
impl DemoTools {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            router: Arc::new(Self::tools()),
        }
    }

    /// Says who you are, according to the gateway's signed identity assertion.
    #[tool(
        annotations(title = "Who am I?", read_only_hint = true, open_world_hint = false),
        output_schema = schema_for_output::<Caller>()
    )]
    async fn whoami(&self, context: RequestContext<RoleServer>) -> Result<CallToolResult, ErrorData> {
        let Some(verifier) = &self.shared.verifier else {
            return Ok(sorry(
                "This server was started without the address of a gateway's keys.",
            ));
        };
        let Some(parts) = context.extensions.get::<http::request::Parts>() else {
            return Ok(sorry("This server cannot see the headers of the request."));
        };
        let caller = match verifier.caller(&parts.headers).await {
            Ok(caller) => caller,
            Err(error) => return Ok(sorry(&error.to_string())),
        };
        let name = caller.name.as_deref().unwrap_or("someone without a name");
        let address = caller.email.as_ref().map(|email| format!(" <{email}>"));
        let text = format!(
            "You are {name}{}, known to your identity provider as {} and to the gateway as {}.",
            address.unwrap_or_default(),
            caller.subject,
            caller.sub
        );
        let structured = serde_json::to_value(&caller)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
        result.structured_content = Some(structured);
        Ok(result)
    }

    /// Adds two numbers.
    #[tool(annotations(title = "Add", read_only_hint = true, open_world_hint = false))]
    async fn add(&self, Parameters(Addends { a, b }): Parameters<Addends>) -> Json<Sum> {
        Json(Sum { sum: a + b })
    }

    /// Repeats what you said.
    #[tool(annotations(title = "Echo", read_only_hint = true, open_world_hint = false))]
    async fn echo(&self, Parameters(Message { message }): Parameters<Message>) -> String {
        message
    }

    /// Counts slowly and reports its progress, until it is done or cancelled.
    #[tool(annotations(title = "Count slowly", read_only_hint = true, open_world_hint = false))]
    async fn count_slowly(
        &self,
        Parameters(Count { to, pause_ms }): Parameters<Count>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        if to > HIGHEST_COUNT {
            return Ok(sorry("That is too far to count: choose a number up to 10,000."));
        }
        let running = Running::start(&self.shared);
        let pause = Duration::from_millis(pause_ms.unwrap_or(200));
        let token = context.meta.get_progress_token();
        for number in 1..=to {
            if let Some(token) = token.clone() {
                let progress = ProgressNotificationParam::new(token, f64::from(number))
                    .with_total(f64::from(to))
                    .with_message(format!("{number} of {to}"));
                if context.peer.notify_progress(progress).await.is_err() {
                    return Ok(sorry(
                        "The count was cancelled, because no one listens to its progress.",
                    ));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = context.ct.cancelled() => return Ok(sorry("The count was cancelled.")),
            }
        }
        running.finish();
        Ok(CallToolResult::success(vec![ContentBlock::text(format!(
            "Counted to {to}."
        ))]))
    }

    /// Says how many counts have started, finished and been cancelled since this server started.
    #[tool(annotations(title = "Counts so far", read_only_hint = true, open_world_hint = false))]
    async fn counts(&self) -> Json<Counts> {
        Json(Counts {
            started: self.shared.started.load(Ordering::SeqCst),
            finished: self.shared.finished.load(Ordering::SeqCst),
            cancelled: self.shared.cancelled.load(Ordering::SeqCst),
        })
    }

    /// Returns a text of any length.
    #[tool(annotations(title = "Text of a size", read_only_hint = true, open_world_hint = false))]
    async fn text_of_size(&self, Parameters(Size { characters }): Parameters<Size>) -> CallToolResult {
        if characters > LONGEST_TEXT {
            return sorry("That is too long: choose up to 8,000,000 characters.");
        }
        let text = "Gatewright! "
            .chars()
            .cycle()
            .take(characters as usize)
            .collect::<String>();
        CallToolResult::success(vec![ContentBlock::text(text)])
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for DemoTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new("gatewright-demo-server", env!("CARGO_PKG_VERSION"))
                    .with_title("Demo server"),
            )
            .with_instructions("Ask whoami to see what a server learns about you from the gateway.")
    }
}

/// A result that says what went wrong, for the model and its user to read.
fn sorry(words: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(words)])
}

/// A running count. If it is dropped before it has finished, it counts as cancelled, whatever the reason.
struct Running<'a> {
    shared: &'a Shared,
    finished: bool,
}

impl<'a> Running<'a> {
    fn start(shared: &'a Shared) -> Self {
        shared.started.fetch_add(1, Ordering::SeqCst);
        Self {
            shared,
            finished: false,
        }
    }

    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let outcome = if self.finished {
            &self.shared.finished
        } else {
            &self.shared.cancelled
        };
        outcome.fetch_add(1, Ordering::SeqCst);
    }
}
