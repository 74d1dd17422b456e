//! Where a resource URI leads: a page that tools bring with them (MCP Apps) to the server of such a tool, any other URI to the
//! server that lists it, else to the first whose template matches it, else to the one
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
    pages::is_withheld,
    plan::Plan,
    resolved::Resolved,
    servers::Federation,
    spelling::{is_in_normal_form, is_spelling_of},
    view::{Seen, View},
};
use crate::{
    peer::{caller::Caller, peers::Peers, unavailable::Unavailable},
    wire::listing::{ListKind, is_page},
};

/// Steps that matching one URI with the templates of all servers of a gateway may take, a few milliseconds in all.
const MATCHING_STEPS_MAX: usize = 2_000_000;

/// The resources and templates of a gateway, as far as they are known.
struct Known {
    resources: Result<Seen, Unavailable>,
    templates: Result<Seen, Unavailable>,
    /// The tools, if one of their pages is searched.
    tools: Option<Result<Seen, Unavailable>>,
}

fn view(seen: &Result<Seen, Unavailable>) -> Option<&Arc<View>> {
    seen.as_ref().ok().map(|seen| &seen.view)
}

impl Known {
    /// Where the lists say that a URI leads.
    fn find(&self, plan: &Plan, uri: &str, budget: &mut usize) -> Option<Resolved> {
        let listed = view(&self.resources).and_then(|resources| Resolved::of(resources, uri));
        let listed = listed.filter(|found| !self.withholds(plan, found.place(), uri));
        listed.or_else(|| {
            let may_read = |server| self.may_read(plan, server, uri) && !self.withholds(plan, server, uri);
            let templates = view(&self.templates)?;
            templates
                .matching_server(&plan.servers, uri, budget, may_read)
                .map(Resolved::unlisted)
        })
    }

    /// The tools, if they were looked up and are known.
    fn tools(&self) -> Option<&View> {
        self.tools.as_ref().and_then(view).map(|view| &**view)
    }

    /// Whether a URI is that of a page which this server must not be asked for.
    fn withholds(&self, plan: &Plan, server: usize, uri: &str) -> bool {
        is_page(uri) && is_withheld(self.tools(), plan, server, uri)
    }

    /// Whether a URI that is not offered as such can be read at a server: the server lists neither it nor another spelling of it
    /// that is not offered. If it is unknown what it lists, and not all of that is offered, it cannot.
    fn may_read(&self, plan: &Plan, server: usize, uri: &str) -> bool {
        match plan.servers[server].chosen(ListKind::Resources) {
            OfServer::All => true,
            chosen @ OfServer::Items(_) => {
                let resources = view(&self.resources);
                let listed = resources.and_then(|view| view.lists(server, uri));
                let entries = resources.and_then(|view| view.entries_of(server));
                let mut withheld =
                    (entries.unwrap_or_default().iter()).filter(|entry| !chosen.offers(&entry.key));
                listed == Some(false)
                    && is_in_normal_form(uri)
                    && !withheld.any(|entry| is_spelling_of(uri, &entry.key))
            }
        }
    }

    /// Why a URI may not have been found: a server whose resources are offered sent no list.
    fn failure(self, plan: &Plan) -> Option<Unavailable> {
        let of_tools = self.tools.and_then(|seen| match seen {
            Err(why) => Some(why),
            Ok(seen) => seen.failure.map(|(_, why)| why),
        });
        let of_resources = [self.resources, self.templates]
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
            });
        of_resources.or(of_tools)
    }
}

impl<P: Peers> Federation<P> {
    /// Where the resource that a call names leads.
    pub(super) async fn find_resource(&self, call: &Call<'_>) -> Result<Resolved, CallError> {
        let (plan, caller) = (call.plan, call.message.caller);
        self.find_uri(plan, caller, call.aim.kind, call.aim.name()).await
    }

    /// Where a URI leads.
    pub(super) async fn find_uri(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        kind: ListKind,
        uri: &str,
    ) -> Result<Resolved, CallError> {
        let mut budget = MATCHING_STEPS_MAX;
        let pages = is_page(uri);
        let known = self.what_is_listed(plan, caller, Freshness::Any, pages).await;
        if let Some(found) = self.found(&known, plan, caller, uri, &mut budget) {
            return Ok(found);
        }
        // Boxed because it is rare and large.
        let now = Box::pin(self.what_is_listed(plan, caller, Freshness::LookAgain, pages)).await;
        match self.found(&now, plan, caller, uri, &mut budget) {
            Some(found) => Ok(found),
            None => Err(match now.failure(plan) {
                Some(why) => why.into(),
                None => CallError::Unknown(kind, uri.to_owned()),
            }),
        }
    }

    /// Where each of these URIs leads. Servers are asked again at most once for all of them.
    pub(super) async fn find_uris(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        uris: &[Arc<str>],
    ) -> Vec<Option<Resolved>> {
        let mut budget = MATCHING_STEPS_MAX;
        let pages = uris.iter().any(|uri| is_page(uri));
        let known = self.what_is_listed(plan, caller, Freshness::Any, pages).await;
        let mut found: Vec<_> = uris
            .iter()
            .map(|uri| self.found(&known, plan, caller, uri, &mut budget))
            .collect();
        if found.iter().any(Option::is_none) {
            // Boxed because it is rare and large.
            let now = Box::pin(self.what_is_listed(plan, caller, Freshness::LookAgain, pages)).await;
            for (uri, found) in uris.iter().zip(&mut found) {
                if found.is_none() {
                    *found = self.found(&now, plan, caller, uri, &mut budget);
                }
            }
        }
        found
    }

    /// Where a URI leads by what is known.
    fn found(
        &self,
        known: &Known,
        plan: &Plan,
        caller: Caller<'_>,
        uri: &str,
        budget: &mut usize,
    ) -> Option<Resolved> {
        let page = known.tools().filter(|_| is_page(uri));
        let page = page.and_then(|tools| self.server_of_page(tools, plan, caller.key, uri));
        page.map(Resolved::unlisted)
            .or_else(|| known.find(plan, uri, budget))
            .or_else(|| {
                let seen = self.seen_resource(plan, caller, uri)?;
                (!known.withholds(plan, seen.place(), uri)).then_some(seen)
            })
    }

    /// The server whose answer named a URI to this user, where all its resources are offered.
    fn seen_resource(&self, plan: &Plan, caller: Caller<'_>, uri: &str) -> Option<Resolved> {
        let server = plan.place_of(self.seen.server_of(plan.project, caller.key, uri)?)?;
        let offers_all = *plan.servers[server].chosen(ListKind::Resources) == OfServer::All;
        offers_all.then(|| Resolved::unlisted(server))
    }

    /// The resources and templates, and the tools where `pages` of these are looked for.
    async fn what_is_listed(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        freshness: Freshness,
        pages: bool,
    ) -> Known {
        let tools = async {
            let looking = self.view(plan, ListKind::Tools, caller, freshness, None);
            if pages {
                Some(Box::pin(looking).await)
            } else {
                None
            }
        };
        let (resources, templates, tools) = tokio::join!(
            self.view(plan, ListKind::Resources, caller, freshness, None),
            self.view(plan, ListKind::ResourceTemplates, caller, freshness, None),
            tools,
        );
        Known {
            resources,
            templates,
            tools,
        }
    }
}
