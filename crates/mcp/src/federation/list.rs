//! Lists of a gateway: the lists of its servers merged in a stable order, written once and served from memory.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use gatewright_domain::Timestamp;
use tokio::time::Instant;

use super::{
    catalog::Catalog,
    catalog_read::{Found, catalog, find},
    catalogs::Freshness,
    naming::Naming,
    plan::Plan,
    servers::Federation,
    under_way::Awaited,
    view::{Before, CLIENT_TTL_MAX, Hint, Made, Seen, View, ViewKey},
};
use crate::{
    peer::{caller::Caller, peers::Peers, unavailable::Unavailable},
    wire::listing::ListKind,
};

/// Once there is something to answer a list with, servers that are being asked get this much longer.
const PATIENCE: Duration = Duration::from_secs(1);

impl<P: Peers> Federation<P> {
    /// The merged list for a user. Servers that are down are left out; when all are, why. With `name` only the server
    /// that could have something of that name is asked and waited for.
    pub(crate) async fn view(
        &self,
        plan: &Plan,
        kind: ListKind,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Result<Seen, Unavailable> {
        let now = self.peers.now();
        if freshness != Freshness::LookAgain
            && let Some(kept) = plan.last.of(kind).load_full()
            && let Some(view) = kept.get(now)
            && let Some(fresh_until) = view.fresh_until(&plan.servers, caller, now)
            && (freshness == Freshness::Any || now < fresh_until)
        {
            let hint = Hint {
                fresh_until,
                scope: plan.scope(kind),
            };
            return Ok(Seen {
                view,
                hint,
                failure: None,
            });
        }
        // Boxed because it is rare and large.
        Box::pin(self.make_view(plan, kind, caller, freshness, name)).await
    }

    async fn make_view(
        &self,
        plan: &Plan,
        kind: ListKind,
        caller: Caller<'_>,
        freshness: Freshness,
        name: Option<&str>,
    ) -> Result<Seen, Unavailable> {
        let mut catalogs = Vec::with_capacity(plan.servers.len());
        let mut failure = None;
        let answers = match name {
            // Where any server could have the name, none is waited for longer than for a list.
            Some(name) if plan.naming == Naming::Prefixed || plan.servers.len() == 1 => {
                self.ask_for(plan, kind, caller, freshness, name).await
            }
            Some(_) | None => self.gather(plan, kind, caller, freshness).await,
        };
        for (place, answer) in answers.into_iter().enumerate() {
            catalogs.push(answer.unwrap_or_else(|why| {
                failure.get_or_insert((place, why));
                None
            }));
        }
        if catalogs.iter().all(Option::is_none)
            && let Some((_, why)) = failure
        {
            return Err(why);
        }
        let now = self.peers.now();
        let fresh_until = catalogs
            .iter()
            .map(|catalog| catalog.as_ref().map_or(now, |catalog| catalog.fresh_until))
            .fold(now.plus(CLIENT_TTL_MAX), Timestamp::min);
        let made_of: Made = catalogs
            .iter()
            .map(|catalog| catalog.as_ref().map(|catalog| catalog.fingerprint))
            .collect();
        let before: Vec<Before> = (plan.servers.iter().zip(&catalogs))
            .map(|(offered, catalog)| {
                let server = &offered.server;
                let whose = server.upstream.whose(caller.slot());
                let remembered = || (server.catalogs.of(kind)).remembered(&server.upstream, whose, now);
                if catalog.is_none() { remembered() } else { None }
            })
            .collect();
        let mut lists: Vec<_> = catalogs
            .into_iter()
            .map(|catalog| catalog.map(|catalog| catalog.list))
            .collect();
        plan.leave_out_what_does_not_fit(kind, &mut lists, self.lists.memory.limits().of_view());
        let key = ViewKey {
            serial: plan.serial,
            class: caller.class,
            kind,
            made_of: made_of.clone(),
            before: before.iter().map(|before| Some(before.as_ref()?.0)).collect(),
        };
        let known = self.views.get(&key);
        let known = known.and_then(|kept| Some((kept.get(now)?, kept)));
        let (view, kept) = known.unwrap_or_else(|| {
            let view = Arc::new(View::merge(
                plan.gateway_id,
                (kind, caller.class),
                plan.naming,
                &plan.servers,
                (lists, &before),
                made_of,
                Arc::clone(&plan.server_info),
            ));
            let kept = (self.lists.memory).keep(plan.project, Arc::clone(&view), view.weight(), now);
            self.views.insert(key, Arc::clone(&kept));
            (view, kept)
        });
        plan.last.of(kind).store(Some(kept));
        let hint = Hint {
            fresh_until,
            scope: plan.scope(kind),
        };
        Ok(Seen { view, hint, failure })
    }

    /// The lists of the servers that could have a tool of this name, waited for to the end; of all others what is known.
    async fn ask_for(
        &self,
        plan: &Plan,
        kind: ListKind,
        caller: Caller<'_>,
        freshness: Freshness,
        name: &str,
    ) -> Vec<Result<Option<Catalog>, Unavailable>> {
        let asked = plan.servers.iter().map(async |offered| {
            let server = &offered.server;
            if offered.could_have(plan.naming, name) {
                return catalog(&self.lists, server, kind, caller, freshness)
                    .await
                    .map(Some);
            }
            // A hung server must not hold up the calls of others.
            Ok((server.catalogs.of(kind)).peek(
                &server.upstream,
                server.upstream.whose(caller.slot()),
                Freshness::Any,
                self.peers.now(),
            ))
        });
        join_all(asked).await
    }

    /// The lists of all servers. Once there is something to answer with, what is being read is waited for a moment more,
    /// and not again by requests in the meantime; what was known before takes its place. It continues in the background,
    /// and the next list has it.
    async fn gather(
        &self,
        plan: &Plan,
        kind: ListKind,
        caller: Caller<'_>,
        freshness: Freshness,
    ) -> Vec<Result<Option<Catalog>, Unavailable>> {
        let mut answers = Vec::with_capacity(plan.servers.len());
        let mut waiting = FuturesUnordered::new();
        let mut behind = Vec::new();
        let mut until: Option<Instant> = None;
        for (index, offered) in plan.servers.iter().enumerate() {
            let server = &offered.server;
            answers.push(match find(&self.lists, server, kind, caller, freshness) {
                Found::Now(answer) => answer.map(Some),
                Found::Reading { reading, last } => {
                    until = until.max(Some(reading.began + PATIENCE));
                    behind.push(reading.behind());
                    waiting.push(async move {
                        let awaited = reading.wait(&server.upstream, caller.slot()).await;
                        let answer = match awaited {
                            Awaited::Ours(answer) => answer,
                            Awaited::Again => catalog(&self.lists, server, kind, caller, freshness).await,
                        };
                        (index, answer)
                    });
                    Ok(last)
                }
            });
        }
        let is_known = |answers: &[Result<Option<Catalog>, Unavailable>]| {
            answers.iter().any(|answer| matches!(answer, Ok(Some(_))))
        };
        let mut until = until.filter(|_| is_known(&answers));
        loop {
            // What is here already is used, however long ago it expired.
            let next = tokio::select! {
                biased;
                next = waiting.next() => next,
                () = at(until) => {
                    for reading in &behind {
                        reading.goes_on();
                    }
                    return answers;
                }
            };
            let Some((index, answer)) = next else {
                return answers;
            };
            match answer {
                Ok(catalog) => answers[index] = Ok(Some(catalog)),
                Err(why) if !matches!(answers[index], Ok(Some(_))) => answers[index] = Err(why),
                // Its last list is good enough for a while.
                Err(_) => {}
            }
            if until.is_none() && is_known(&answers) {
                until = Some(Instant::now() + PATIENCE);
            }
        }
    }
}

/// Waits until then, or for ever.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
