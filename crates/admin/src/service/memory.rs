//! What the process knows without its store, as administrators reach it: like the store, it opens for a permit only. In this
//! crate the parts here hide those of the same name below.

use std::{sync::Arc, time::Duration};

use gatewright_core::directory::Stale;
use gatewright_domain::{
    id::{AccountId, AttemptId, GatewayId},
    server::Server,
    sign_in_attempt::SignInAttempt,
};
use gatewright_gateway::Gateways;
use gatewright_mcp::inspection::{Health, Seen, Unwell};
use gatewright_store::{Page, PageRequest, StoreError, sign_in_attempt::AttemptFilter};

use super::authority::{MayRead, MayReadInstance};
use crate::{
    directory::{GatewayEntry, ServerEntry},
    sign_in_trace::before_allow::Stray,
};

/// The configuration in memory.
#[derive(Debug)]
pub struct Directory(Arc<Gateways>);

/// The trace of sign-ins, of which a part is only in memory.
#[derive(Debug)]
pub struct SignInTrace(Arc<Gateways>);

/// What is known about servers from using them.
#[derive(Debug)]
pub struct ResourceServer(Arc<Gateways>);

impl Directory {
    /// Guards the directory of `gateways`.
    pub(crate) const fn over(gateways: Arc<Gateways>) -> Self {
        Self(gateways)
    }

    /// Whether it was confirmed within the last five seconds.
    pub fn is_current(&self) -> bool {
        self.0.directory.current().is_ok()
    }

    /// An active gateway of the project.
    pub(super) fn gateway(&self, permit: MayRead, id: GatewayId) -> Result<Option<Arc<GatewayEntry>>, Stale> {
        let directory = self.0.directory.current()?;
        let entry = directory.gateway_by_id(id).cloned();
        Ok(entry.filter(|entry| entry.gateway.project_id == permit.project()))
    }

    /// A server of the project in exactly this version, with its headers filled in.
    pub(super) fn server(&self, permit: MayRead, server: &Server) -> Option<Arc<ServerEntry>> {
        let directory = self.0.directory.current().ok()?;
        let mut entries = directory.servers().iter();
        let entry = entries.find(|entry| entry.server == *server)?;
        (entry.server.project_id == permit.project()).then(|| Arc::clone(entry))
    }

    /// Whether an account that can sign in is a member of the project.
    pub(super) fn is_member(&self, permit: MayRead, account: AccountId) -> Result<bool, Stale> {
        Ok(self.0.directory.current()?.is_member(permit.project(), account))
    }
}

impl SignInTrace {
    /// Guards the trace of `gateways`.
    pub(crate) const fn over(gateways: Arc<Gateways>) -> Self {
        Self(gateways)
    }

    /// Attempts of the project, newest first.
    pub(super) async fn list(
        &self,
        permit: MayRead,
        filter: &AttemptFilter,
        page: &PageRequest,
    ) -> Result<Page<SignInAttempt>, StoreError> {
        self.0.sign_in_trace.list(permit.project(), filter, page).await
    }

    /// One attempt of the project.
    pub(super) async fn find(
        &self,
        permit: MayRead,
        id: AttemptId,
    ) -> Result<Option<SignInAttempt>, StoreError> {
        self.0.sign_in_trace.find(permit.project(), id).await
    }

    /// Refusals that cannot be assigned to a gateway, newest first.
    pub(super) fn strays(&self, _permit: MayReadInstance) -> Vec<Stray> {
        self.0.sign_in_trace.strays()
    }
}

impl ResourceServer {
    /// Guards the resource server of `gateways`.
    pub(crate) const fn over(gateways: Arc<Gateways>) -> Self {
        Self(gateways)
    }

    /// What is known about a server of the project from serving gateways.
    pub fn health(&self, permit: MayRead, server: &Server) -> Option<Health> {
        let is_open = server.project_id == permit.project();
        is_open.then(|| self.0.resource_server.health(server)).flatten()
    }

    /// Asks a server what it is and lists. An entry comes from the directory or from a server that is about to be saved.
    pub(super) async fn inspect(&self, entry: &ServerEntry, deadline: Duration) -> Result<Seen, Unwell> {
        self.0.resource_server.inspect(entry, deadline).await
    }
}
