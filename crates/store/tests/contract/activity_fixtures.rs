//! Rows of activity, all alike, and the ways to write and read them.

use std::sync::Arc;

use gatewright_domain::{
    Timestamp,
    activity::{
        Activity, ActivityCaller, ActivityClient, Outcome, RequestKind, RequestNumber, StoredActivity,
    },
    id::{GatewayId, ProjectId, ServerId},
};
use gatewright_store::{
    PageRequest, Store,
    activity::{self, ActivityFilter},
};

use crate::world::World;

/// Makes rows of one project, all alike.
pub(crate) struct Office {
    pub(crate) project: ProjectId,
    pub(crate) gateway: GatewayId,
    pub(crate) server: ServerId,
    pub(crate) caller: Arc<ActivityCaller>,
}

impl Office {
    pub(crate) fn new(world: &World) -> Self {
        let (clock, entropy) = (&*world.clock, &*world.entropy);
        Self {
            project: ProjectId::generate(clock, entropy),
            gateway: GatewayId::generate(clock, entropy),
            server: ServerId::generate(clock, entropy),
            caller: caller("usr_ada", "client-1", "Client One"),
        }
    }

    pub(crate) fn call(&self, at: Timestamp, item: &str) -> Activity {
        Activity {
            at,
            project_id: self.project,
            gateway_id: self.gateway,
            caller: Some(Arc::clone(&self.caller)),
            server_id: Some(self.server),
            kind: RequestKind::Call,
            item: Some(item.into()),
            outcome: Outcome::Ok,
            rule: None,
            duration_us: 1_500,
            upstream_us: Some(1_200),
            bytes_in: 100,
            bytes_out: 2_000,
            request: RequestNumber(u64::MAX - 5),
            trace: None,
            session: None,
        }
    }
}

pub(crate) fn caller(person: &str, client: &str, name: &str) -> Arc<ActivityCaller> {
    Arc::new(ActivityCaller {
        person: Some(person.into()),
        client: Some(ActivityClient::new(client, name)),
    })
}

pub(crate) async fn write(store: &Store, rows: Vec<Activity>) {
    let rows_of = store.activity();
    let written = rows_of.transact(move |tx| Box::pin(async move { activity::write_batch(tx, &rows).await }));
    written.await.unwrap();
}

/// A page, and the cursor of the next.
pub(crate) async fn page(
    world: &World,
    project: ProjectId,
    filter: &ActivityFilter,
    after: Option<String>,
    limit: u32,
) -> (Vec<StoredActivity>, Option<String>) {
    let filter = filter.clone();
    let rows_of = world.store.activity();
    let page = rows_of
        .look(move |tx| {
            Box::pin(async move { activity::list(tx, project, &filter, &PageRequest { after, limit }).await })
        })
        .await
        .unwrap();
    (page.items, page.next)
}

/// All rows that a filter finds, through all pages.
pub(crate) async fn all(
    world: &World,
    project: ProjectId,
    filter: &ActivityFilter,
    limit: u32,
) -> Vec<Activity> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = page(world, project, filter, after, limit).await;
        assert!(items.len() <= limit as usize);
        found.extend(items.into_iter().map(|stored| stored.activity));
        match next {
            None => return found,
            Some(_) => after = next,
        }
    }
}
