//! Counts grants and the people who hold them, for pages that show in advance what a change ends.

use gatewright_domain::{
    Timestamp,
    id::{GatewayId, ProjectId, UserId, UserSourceId},
};

use crate::{
    StoreError, Tx,
    grant::{awake, standing},
    value::{Value, values},
};

macro_rules! count_standing {
    ($rest:literal) => {
        concat!(
            "SELECT COUNT(*) AS standing, COALESCE(SUM(CASE WHEN ",
            awake!(),
            "THEN 1 ELSE 0 END), 0) AS live_grants, \
             COUNT(DISTINCT COALESCE(grants.user_id, grants.account_id)) AS holders, \
             COUNT(DISTINCT grants.gateway_id) AS places FROM grants ",
            standing!(),
            $rest
        )
    };
}

/// The number of grants that are neither revoked nor expired, of the people who hold them, and of their gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldGrants {
    /// Live grants.
    pub live: i64,
    /// Sleeping grants, because their gateway or source is inactive. They are live again when it is active again.
    pub asleep: i64,
    /// The users or members who have either.
    pub users: i64,
    /// The gateways of either.
    pub gateways: i64,
}

impl HeldGrants {
    /// All of them, which is what a deletion ends.
    pub const fn all(&self) -> i64 {
        self.live + self.asleep
    }
}

/// The grants of a source's users.
pub async fn count_of_user_source(
    tx: &mut Tx,
    project: ProjectId,
    source: UserSourceId,
    now: Timestamp,
) -> Result<HeldGrants, StoreError> {
    let sql = count_standing!("AND users.project_id = $2 AND users.user_source_id = $3");
    count(tx, sql, values![now, project, source]).await
}

/// The grants at a gateway.
pub async fn count_of_gateway(
    tx: &mut Tx,
    project: ProjectId,
    gateway: GatewayId,
    now: Timestamp,
) -> Result<HeldGrants, StoreError> {
    let sql = count_standing!("AND grants.project_id = $2 AND grants.gateway_id = $3");
    count(tx, sql, values![now, project, gateway]).await
}

/// The grants of a user.
pub async fn count_of_user(
    tx: &mut Tx,
    project: ProjectId,
    user: UserId,
    now: Timestamp,
) -> Result<HeldGrants, StoreError> {
    let sql = count_standing!("AND grants.project_id = $2 AND grants.user_id = $3");
    count(tx, sql, values![now, project, user]).await
}

/// The grants at all gateways of a project, found gateway by gateway, because that is how they are indexed.
pub async fn count_of_project(
    tx: &mut Tx,
    project: ProjectId,
    now: Timestamp,
) -> Result<HeldGrants, StoreError> {
    count(
        tx,
        count_standing!("AND gateways.project_id = $2"),
        values![now, project],
    )
    .await
}

async fn count(tx: &mut Tx, sql: &'static str, values: &[Value]) -> Result<HeldGrants, StoreError> {
    let row = tx.fetch_optional(sql, values).await?;
    row.map_or(Ok(HeldGrants::default()), |row| {
        let live = row.int("live_grants")?;
        Ok(HeldGrants {
            live,
            asleep: row.int("standing")? - live,
            users: row.int("holders")?,
            gateways: row.int("places")?,
        })
    })
}
