//! All layers together, against servers in memory.

mod arrays;
mod asking;
mod batches;
mod beginnings;
mod calls;
mod cancellation;
mod coming_back;
mod conversations;
mod credentials;
mod crossing;
mod discretion;
mod endpoint;
mod eras;
mod inspection;
mod instructions;
mod interleaved;
mod isolation;
mod list_memory;
mod listening;
mod lists;
mod logging;
mod lost_sessions;
mod names;
mod once;
mod own_client;
mod patience;
mod primitives;
mod progress;
mod resuming;
mod signs_of_life;
mod streams;
mod subscribing;
mod tasks;
mod tracing;
mod unchanged;

use gatewright_domain::id::GatewayId;
use http::{HeaderMap, Response};

use crate::{
    endpoint::{answer::Answer, service::Endpoint},
    peer::{caller::Caller, transport::Transport},
};

impl<T: Transport> Endpoint<T> {
    /// Answers a DELETE that other replicas do not have to know about.
    fn delete(
        &self,
        gateway_id: GatewayId,
        caller: Caller<'_>,
        headers: &HeaderMap,
    ) -> Response<Answer<T::Body>> {
        match self.ending(gateway_id, caller, headers) {
            Ok(session) => self.end(&session),
            Err(refused) => *refused,
        }
    }
}
