//! What the client's person and model answer, and what the client receives.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        ElicitationAction, Implementation, ListRootsResult, LoggingMessageNotificationParam,
        ProgressNotificationParam, ResourceUpdatedNotificationParam, Root, SamplingMessage,
    },
    service::{NotificationContext, RequestContext},
};
use serde_json::{Value, json};

use crate::repertoire::REPERTOIRE;

/// What the client has received.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) logged: Vec<String>,
    pub(crate) steps: Vec<String>,
    pub(crate) updated: Vec<String>,
    pub(crate) tools_changed: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Hands(Arc<Mutex<Heard>>);

impl Hands {
    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientHandler for Hands {
    fn get_info(&self) -> ClientConfig {
        let repertoire: Value = serde_json::from_str(REPERTOIRE).unwrap_or_default();
        let capabilities = serde_json::from_value(repertoire["client"].clone()).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("rmcp", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let accepted = ElicitResult::new(ElicitationAction::Accept);
        Ok(match request {
            ElicitRequestParams::FormElicitationParams { .. } => {
                accepted.with_content(json!({ "name": "Ada" }))
            }
            _ => accepted,
        })
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let said = SamplingMessage::assistant_text("Paris");
        Ok(CreateMessageResult::new(said, "a-model".to_owned()).with_stop_reason("endTurn"))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///work")]))
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let said = params.data.as_str().unwrap_or_default().to_owned();
        self.heard().logged.push(said);
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.heard().steps.push(params.progress.to_string());
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.heard().updated.push(params.uri);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.heard().tools_changed = true;
    }
}
