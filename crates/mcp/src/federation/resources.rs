//! Where a resource URI leads: to the server that lists it, else to the first whose template matches it, else to the one
//! whose answer named it to this user last. URIs stay as their servers wrote them, because results name them.
//!
//! None of the three ways leads past what the gateway offers. What a server lists and the gateway does not offer is not
//! read by a template either; a URI that a template of the server matches which is not offered is not read by another
//! template; and a URI out of an answer is read only where all resources of its server are offered.

use std::sync::Arc;

use super::{
    call::{Call, CallError},
    catalogs::Freshness,
    choice::OfServer,
    plan::Plan,
    resolved::Resolved,
    servers::Federation,
    view::{Seen, View},
};
use crate::{
    peer::{peers::Peers, unavailable::Unavailable},
    wire::listing::ListKind,
};

/// The resources and templates of a gateway, as far as they are known.
struct Known {
    resources: Result<Seen, Unavailable>,
    templates: Result<Seen, Unavailable>,
}

fn view(seen: &Result<Seen, Unavailable>) -> Option<&Arc<View>> {
    seen.as_ref().ok().map(|seen| &seen.view)
}

impl Known {
    /// Where the lists say that a URI leads.
    fn find(&self, plan: &Plan, uri: &str) -> Option<Resolved> {
        let listed = view(&self.resources).and_then(|resources| Resolved::of(resources, uri));
        listed.or_else(|| {
            let may_read = |server| self.may_read(plan, server, uri);
            let templates = view(&self.templates)?;
            templates
                .matching_server(&plan.servers, uri, may_read)
                .map(Resolved::unlisted)
        })
    }

    /// Whether a URI that is not offered as such may be read at a server: the server does not list it. Where it is not
    /// known what it lists, and not all of that is offered, it may not.
    fn may_read(&self, plan: &Plan, server: usize, uri: &str) -> bool {
        match plan.servers[server].chosen(ListKind::Resources) {
            OfServer::All => true,
            OfServer::Items(_) => {
                view(&self.resources).and_then(|view| view.lists(server, uri)) == Some(false)
            }
        }
    }

    /// Why a URI may not have been found: a server whose resources are offered gave no list.
    fn failure(self, plan: &Plan) -> Option<Unavailable> {
        [self.resources, self.templates]
            .into_iter()
            .find_map(|seen| match seen {
                Err(why) => Some(why),
                Ok(seen) => {
                    let offers =
                        |server: usize| !plan.servers[server].chosen(ListKind::Resources).is_nothing();
                    seen.failure
                        .filter(|(server, _)| offers(*server))
                        .map(|(_, why)| why)
                }
            })
    }
}

impl<P: Peers> Federation<P> {
    /// Where the resource that a call names leads.
    pub(super) async fn find_resource(&self, call: &Call<'_>) -> Result<Resolved, CallError> {
        let (plan, caller, uri) = (call.plan, call.message.caller, call.aim.name());
        if let Some(found) = self.what_is_listed(call, Freshness::Any).await.find(plan, uri) {
            return Ok(found);
        }
        let seen_at = self.seen.server_of(caller.key, uri).and_then(|id| {
            let is_it = |server: &usize| plan.servers[*server].server.upstream.config.id == id;
            (0..plan.servers.len()).find(is_it)
        });
        if let Some(server) = seen_at
            && *plan.servers[server].chosen(ListKind::Resources) == OfServer::All
        {
            return Ok(Resolved::unlisted(server));
        }
        // Boxed because it is rare and large.
        let now = Box::pin(self.what_is_listed(call, Freshness::LookAgain)).await;
        match now.find(plan, uri) {
            Some(found) => Ok(found),
            None => Err(match now.failure(plan) {
                Some(why) => why.into(),
                None => CallError::Unknown(ListKind::Resources, uri.to_owned()),
            }),
        }
    }

    async fn what_is_listed(&self, call: &Call<'_>, freshness: Freshness) -> Known {
        let (plan, caller) = (call.plan, call.message.caller);
        let (resources, templates) = tokio::join!(
            self.view(plan, ListKind::Resources, caller, freshness, None),
            self.view(plan, ListKind::ResourceTemplates, caller, freshness, None),
        );
        Known { resources, templates }
    }
}
