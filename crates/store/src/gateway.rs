//! Gateways and the slugs they hold.

use std::collections::HashMap;

use gatewright_domain::{
    Timestamp,
    gateway::{Authentication, Gateway, GatewayStatus, Mode, RecordArguments},
    id::{GatewayId, ProjectId, ServerId, UserSourceId},
    user_source::UserSourceStatus,
};
use sqlx::AssertSqlSafe;

use crate::{
    Page, PageRequest, StoreError, Tx,
    gateway_list::GatewayFilter,
    incident,
    row::{Row, to_json, to_word},
    sign_in_attempt,
    tx::Lock,
    user::pattern,
    value::{Value, places, values},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, name, description, instructions, server_instructions, slug, mode, user_source_id, trusted_clients, \
             prefix_mode, offers, allowed_tools, allowed_prompts, allowed_resources, status, settings, \
             record_arguments, created_at, updated_at FROM gateways ",
            $rest
        )
    };
}

/// Why a gateway row was not written. After anything except `Done`, drop the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayWrite {
    /// Written.
    Done,
    /// It was changed in the meantime or deleted (updates only).
    Stale,
    /// The slug is in use, or was once used by another project.
    SlugTaken,
    /// The User Source does not exist in this project.
    SourceNotFound,
    /// The source is inactive and the gateway would be active.
    SourceInactive,
    /// The source that the gateway already has was deleted, and the gateway would be active.
    SourceDeleted,
    /// A server does not exist in this project.
    ServerNotFound(ServerId),
}

/// Adds a gateway and reserves its slug permanently (for this project, ignoring case); source and servers are
/// locked until the end of the transaction, so that neither can be deleted in the meantime.
pub async fn insert(tx: &mut Tx, gateway: &Gateway) -> Result<GatewayWrite, StoreError> {
    if let Some(refused) = guard(tx, gateway, None).await? {
        return Ok(refused);
    }
    if !reserve_slug(tx, gateway).await? {
        return Ok(GatewayWrite::SlugTaken);
    }
    let sql = "INSERT INTO gateways (name, description, instructions, server_instructions, slug, slug_key, mode, \
               user_source_id, trusted_clients, prefix_mode, offers, allowed_tools, allowed_prompts, allowed_resources, \
               status, settings, record_arguments, updated_at, project_id, id, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
               ON CONFLICT (slug_key) DO NOTHING";
    let own = values![gateway.project_id, gateway.id, gateway.created_at,];
    let values = [changeable(gateway).as_slice(), own].concat();
    if tx.execute(sql, &values).await? == 0 {
        return Ok(GatewayWrite::SlugTaken);
    }
    write_servers(tx, gateway).await?;
    tx.note_change();
    Ok(GatewayWrite::Done)
}

/// Finds a gateway by project and ID.
pub async fn find(tx: &mut Tx, project: ProjectId, id: GatewayId) -> Result<Option<Gateway>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    let Some(mut gateway) = row.as_ref().map(read).transpose()? else {
        return Ok(None);
    };
    // These rows do not have their own project; the gateway was just found in it.
    let sql = "SELECT gateway_id, server_id FROM gateway_servers \
               WHERE gateway_id = $1 AND position IS NOT NULL ORDER BY position";
    let rows = tx.fetch_all(sql, values![id]).await?;
    attach_servers(std::slice::from_mut(&mut gateway), &rows)?;
    Ok(Some(gateway))
}

/// Locks a gateway until the end of the transaction, so that no code of it becomes a grant in the meantime; `false` if it
/// does not exist in this project.
pub async fn hold(tx: &mut Tx, project: ProjectId, id: GatewayId) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM gateways WHERE project_id = $1 AND id = $2";
    let row = tx.lock_optional(sql, Lock::Update, values![project, id]).await?;
    Ok(row.is_some())
}

/// The gateways of a project that match a filter, oldest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &GatewayFilter,
    page: &PageRequest,
) -> Result<Page<Gateway>, StoreError> {
    let sql = select!(
        "WHERE project_id = $1 AND id > $2 AND (LOWER(name) LIKE $3 ESCAPE '!' OR slug_key LIKE $3 ESCAPE '!') \
         AND ($4 = '' OR mode = $4) AND ($5 = '' OR status = $5) ORDER BY id LIMIT $6"
    );
    let values = values![
        project,
        page.above(),
        pattern(&filter.search),
        filter.mode.map_or("", Mode::as_str),
        filter.status.map_or_else(String::new, |status| to_word(&status)),
        page.rows(),
    ];
    let rows = tx.fetch_all(sql, values).await?;
    let mut page = page.page(rows, read)?;
    if let (Some(first), Some(last)) = (page.items.first(), page.items.last()) {
        let sql = "SELECT gateway_id, server_id FROM gateway_servers \
                   JOIN gateways ON gateways.id = gateway_servers.gateway_id \
                   WHERE gateways.project_id = $1 AND gateways.id >= $2 AND gateways.id <= $3 \
                   AND position IS NOT NULL ORDER BY gateway_id, position";
        let rows = tx.fetch_all(sql, values![project, first.id, last.id]).await?;
        attach_servers(&mut page.items, &rows)?;
    }
    Ok(page)
}

/// Those that use a source, active or not, oldest first: ID, name and status of each.
pub async fn list_of_user_source(
    tx: &mut Tx,
    project: ProjectId,
    source: UserSourceId,
) -> Result<Vec<(GatewayId, String, GatewayStatus)>, StoreError> {
    let sql =
        "SELECT id, name, status FROM gateways WHERE project_id = $1 AND user_source_id = $2 ORDER BY id";
    let rows = tx.fetch_all(sql, values![project, source]).await?;
    let named = |row: &Row| Ok((row.id("id")?, row.text("name")?, row.word("status")?));
    rows.iter().map(named).collect()
}

/// How many gateways of a project use each of these sources; unused sources are left out.
pub async fn count_of_user_sources(
    tx: &mut Tx,
    project: ProjectId,
    first: UserSourceId,
    last: UserSourceId,
) -> Result<Vec<(UserSourceId, i64)>, StoreError> {
    let sql = "SELECT user_source_id, COUNT(*) AS gateways FROM gateways WHERE project_id = $1 \
               AND user_source_id >= $2 AND user_source_id <= $3 GROUP BY user_source_id";
    let rows = tx.fetch_all(sql, values![project, first, last]).await?;
    let counted = |row: &Row| Ok((row.id("user_source_id")?, row.int("gateways")?));
    rows.iter().map(counted).collect()
}

/// The active gateways of all projects, for the directory.
pub(crate) async fn list_active(tx: &mut Tx) -> Result<Vec<Gateway>, StoreError> {
    let rows = tx
        .fetch_all(select!("WHERE status = 'active' ORDER BY id"), &[])
        .await?;
    let mut gateways = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let sql = "SELECT gateway_id, server_id FROM gateway_servers WHERE position IS NOT NULL \
               ORDER BY gateway_id, position";
    let rows = tx.fetch_all(sql, &[]).await?;
    attach_servers(&mut gateways, &rows)?;
    Ok(gateways)
}

/// How those of these gateways record arguments that do.
pub async fn recording(
    tx: &mut Tx,
    gateways: &[GatewayId],
) -> Result<HashMap<GatewayId, RecordArguments>, StoreError> {
    if gateways.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT id, record_arguments FROM gateways WHERE record_arguments IS NOT NULL AND id IN ({})",
        places(1, gateways)
    );
    let values: Vec<Value> = gateways.iter().map(|id| Value::from(*id)).collect();
    let rows = tx.fetch_all(AssertSqlSafe(sql), &values).await?;
    let read = |row: &Row| Ok((row.id("id")?, row.json("record_arguments")?));
    rows.iter().map(read).collect()
}

/// The holder of a slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlugHolder {
    /// None: it was never used.
    NoOne,
    /// This project, whose gateway with this slug was deleted.
    Project(ProjectId),
    /// This gateway.
    Gateway(GatewayId),
}

/// Finds the holder of a slug, ignoring case.
pub async fn holder_of_slug(tx: &mut Tx, slug: &str) -> Result<SlugHolder, StoreError> {
    let sql = "SELECT gateway_slugs.project_id AS project_id, gateways.id AS gateway_id FROM gateway_slugs \
               LEFT JOIN gateways ON gateways.slug_key = gateway_slugs.slug_key WHERE gateway_slugs.slug_key = $1";
    let Some(row) = tx.fetch_optional(sql, values![slug.to_lowercase()]).await? else {
        return Ok(SlugHolder::NoOne);
    };
    match row.opt_id("gateway_id")? {
        Some(gateway) => Ok(SlugHolder::Gateway(gateway)),
        None => row.id("project_id").map(SlugHolder::Project),
    }
}

/// Replaces the row (including its status) if `updated_at` is still `seen`, under the same guards as `insert`. An inactive
/// gateway may keep a deleted source, so that the rest of it can still be changed.
pub async fn update(tx: &mut Tx, gateway: &Gateway, seen: Timestamp) -> Result<GatewayWrite, StoreError> {
    let sql = "SELECT user_source_id FROM gateways WHERE project_id = $1 AND id = $2 AND updated_at = $3";
    let values = values![gateway.project_id, gateway.id, seen];
    let Some(row) = tx.lock_optional(sql, Lock::Update, values).await? else {
        return Ok(GatewayWrite::Stale);
    };
    let stored_source = row.opt_id("user_source_id")?;
    if let Some(refused) = guard(tx, gateway, stored_source).await? {
        return Ok(refused);
    }
    if !reserve_slug(tx, gateway).await? {
        return Ok(GatewayWrite::SlugTaken);
    }
    let sql = "UPDATE gateways SET name = $1, description = $2, instructions = $3, server_instructions = $4, slug = $5, \
               slug_key = $6, mode = $7, user_source_id = $8, trusted_clients = $9, prefix_mode = $10, offers = $11, \
               allowed_tools = $12, allowed_prompts = $13, allowed_resources = $14, status = $15, settings = $16, \
               record_arguments = $17, updated_at = $18 WHERE project_id = $19 AND id = $20";
    let values = [
        changeable(gateway).as_slice(),
        values![gateway.project_id, gateway.id],
    ]
    .concat();
    match tx
        .execute(sql, &values)
        .await
        .map_err(|error| error.or_taken("slug"))
    {
        Ok(_) => {}
        Err(StoreError::Taken { .. }) => return Ok(GatewayWrite::SlugTaken),
        Err(error) => return Err(error),
    }
    // These rows do not have their own project; the gateway was just changed in it.
    tx.execute(
        "DELETE FROM gateway_servers WHERE gateway_id = $1",
        values![gateway.id],
    )
    .await?;
    write_servers(tx, gateway).await?;
    tx.note_change();
    Ok(GatewayWrite::Done)
}

/// Deletes it with its codes and grants; the slug stays reserved for the project.
pub async fn delete(tx: &mut Tx, project: ProjectId, id: GatewayId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM gateways WHERE project_id = $1 AND id = $2";
    if tx.execute(sql, values![project, id]).await? == 0 {
        return Ok(false);
    }
    sign_in_attempt::forget_of_gateway(tx, project, id).await?;
    incident::forget(tx, id.to_string()).await?;
    tx.note_change();
    Ok(true)
}

/// What prevents saving this gateway, which now has `stored_source`. Source and servers are locked, so the result stays true
/// until the commit.
async fn guard(
    tx: &mut Tx,
    gateway: &Gateway,
    stored_source: Option<UserSourceId>,
) -> Result<Option<GatewayWrite>, StoreError> {
    let is_active = gateway.status == GatewayStatus::Active;
    if let Some(source) = gateway.authentication.user_source() {
        let sql = "SELECT status FROM user_sources WHERE project_id = $1 AND id = $2";
        let values = values![gateway.project_id, source];
        let status = match tx.lock_optional(sql, Lock::Share, values).await? {
            Some(row) => Some(row.word::<UserSourceStatus>("status")?),
            None => None,
        };
        match status {
            None if stored_source != Some(source) => return Ok(Some(GatewayWrite::SourceNotFound)),
            None if is_active => return Ok(Some(GatewayWrite::SourceDeleted)),
            Some(UserSourceStatus::Inactive) if is_active => return Ok(Some(GatewayWrite::SourceInactive)),
            None | Some(UserSourceStatus::Inactive | UserSourceStatus::Active) => {}
        }
    }
    let mut servers = gateway.servers_of_choices();
    servers.extend(&gateway.servers);
    for server in servers {
        let sql = "SELECT id FROM servers WHERE project_id = $1 AND id = $2";
        let values = values![gateway.project_id, server];
        if tx.lock_optional(sql, Lock::Share, values).await?.is_none() {
            return Ok(Some(GatewayWrite::ServerNotFound(server)));
        }
    }
    Ok(None)
}

/// Reserves the slug, or finds that this project already has it; `false` if another project does.
async fn reserve_slug(tx: &mut Tx, gateway: &Gateway) -> Result<bool, StoreError> {
    let sql = "INSERT INTO gateway_slugs (slug_key, project_id) VALUES ($1, $2) \
               ON CONFLICT (slug_key) DO UPDATE SET project_id = excluded.project_id \
               WHERE gateway_slugs.project_id = excluded.project_id";
    let reserved = tx
        .execute(sql, values![slug_key(gateway), gateway.project_id])
        .await?;
    Ok(reserved > 0)
}

/// What may change of a gateway, as `$1` to `$18`.
fn changeable(gateway: &Gateway) -> Vec<Value> {
    values![
        &gateway.name,
        &gateway.description,
        &gateway.instructions,
        gateway.server_instructions,
        &gateway.slug,
        slug_key(gateway),
        gateway.authentication.mode().as_str(),
        gateway.authentication.user_source().map(|id| id.to_string()),
        to_json(&gateway.trusted_clients),
        to_word(&gateway.prefix_mode),
        to_json(&gateway.offers),
        to_json(&gateway.allowed_tools),
        to_json(&gateway.allowed_prompts),
        to_json(&gateway.allowed_resources),
        to_word(&gateway.status),
        to_json(&gateway.settings),
        gateway.record_arguments.as_ref().map(to_json),
        gateway.updated_at,
    ]
    .to_vec()
}

fn slug_key(gateway: &Gateway) -> String {
    gateway.slug.to_lowercase()
}

async fn write_servers(tx: &mut Tx, gateway: &Gateway) -> Result<(), StoreError> {
    let sql = "INSERT INTO gateway_servers (gateway_id, server_id, position) VALUES ($1, $2, $3) \
               ON CONFLICT (gateway_id, server_id) DO NOTHING";
    for (position, server) in (0_u32..).zip(&gateway.servers) {
        tx.execute(sql, values![gateway.id, *server, position]).await?;
    }
    for server in gateway.servers_of_choices() {
        tx.execute(sql, values![gateway.id, server, None::<Timestamp>])
            .await?;
    }
    Ok(())
}

/// Assigns each gateway its servers, from rows in their order.
fn attach_servers(gateways: &mut [Gateway], rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        let id: GatewayId = row.id("gateway_id")?;
        if let Ok(index) = gateways.binary_search_by(|gateway| gateway.id.cmp(&id)) {
            gateways[index].servers.push(row.id("server_id")?);
        }
    }
    Ok(())
}

fn read(row: &Row) -> Result<Gateway, StoreError> {
    let authentication = match row.word("mode")? {
        Mode::ProjectMembers => Authentication::ProjectMembers,
        Mode::UserSource => Authentication::UserSource(row.id("user_source_id")?),
        Mode::Headers => Authentication::Headers,
    };
    Ok(Gateway {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        name: row.text("name")?,
        description: row.text("description")?,
        instructions: row.text("instructions")?,
        server_instructions: row.flag("server_instructions")?,
        slug: row.text("slug")?,
        authentication,
        trusted_clients: row.json("trusted_clients")?,
        servers: Vec::new(),
        prefix_mode: row.word("prefix_mode")?,
        offers: row.json("offers")?,
        allowed_tools: row.json("allowed_tools")?,
        allowed_prompts: row.json("allowed_prompts")?,
        allowed_resources: row.json("allowed_resources")?,
        status: row.word("status")?,
        settings: row.json("settings")?,
        record_arguments: row.opt_json("record_arguments")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
