//! Upstream servers.

use gatewright_domain::{
    Timestamp,
    gateway::GatewayStatus,
    id::{GatewayId, ProjectId, ServerId},
    server::Server,
};

use crate::{
    Page, PageRequest, StoreError, Tx, incident,
    row::{Row, to_json, to_word},
    tx::Lock,
    value::{Value, values},
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, slug, prefix, name, url, timeout_ms, retries, headers, identity, protocol, \
             created_at, updated_at FROM servers ",
            $rest
        )
    };
}

/// Adds a server; `Taken` with the field `slug` or `prefix`.
pub async fn insert(tx: &mut Tx, server: &Server) -> Result<(), StoreError> {
    check_names(tx, server).await?;
    let sql = "INSERT INTO servers (slug, prefix, name, url, timeout_ms, retries, headers, identity, protocol, updated_at, \
               assertion_origin, project_id, id, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING";
    let own = values![server.project_id, server.id, server.created_at,];
    let values = [changeable(server).as_slice(), own].concat();
    if tx.execute(sql, &values).await? == 0 {
        return Err(StoreError::Taken { field: "slug" });
    }
    tx.note_change();
    Ok(())
}

/// What may change of a server, as `$1` to `$11`.
fn changeable(server: &Server) -> Vec<Value> {
    values![
        server.slug.to_lowercase(),
        &server.prefix,
        &server.name,
        &server.url,
        server.timeout_ms,
        i64::from(server.retries),
        to_json(&server.headers),
        to_word(&server.identity),
        to_word(&server.protocol),
        server.updated_at,
        server.assertion_origin(),
    ]
    .to_vec()
}

/// Finds a server by project and ID.
pub async fn find(tx: &mut Tx, project: ProjectId, id: ServerId) -> Result<Option<Server>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id = $2");
    let row = tx.fetch_optional(sql, values![project, id]).await?;
    row.as_ref().map(read).transpose()
}

/// All servers of a project, oldest first.
pub async fn list(tx: &mut Tx, project: ProjectId, page: &PageRequest) -> Result<Page<Server>, StoreError> {
    let sql = select!("WHERE project_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    let rows = tx
        .fetch_all(sql, values![project, page.above(), page.rows()])
        .await?;
    page.page(rows, read)
}

/// The servers of a project whose name, slug or URL contains a text, oldest first. Letters beyond ASCII must match in
/// case: the engines do not agree on their lower-case forms.
pub async fn search(
    tx: &mut Tx,
    project: ProjectId,
    text: &str,
    page: &PageRequest,
) -> Result<Page<Server>, StoreError> {
    let sql = select!(
        "WHERE project_id = $1 AND id > $2 AND (slug LIKE $3 ESCAPE '!' OR LOWER(name) LIKE $3 ESCAPE '!' \
         OR LOWER(url) LIKE $3 ESCAPE '!') ORDER BY id LIMIT $4"
    );
    let values = values![project, page.above(), crate::user::pattern(text), page.rows()];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

/// A gateway that offers tools of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsingGateway {
    /// Its id.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: GatewayStatus,
    /// Whether it names the server. Otherwise it offers all servers of the project.
    pub names_it: bool,
}

/// The gateways of a project that name a server or offer all servers, oldest first: at most `limit`.
pub async fn list_using_gateways(
    tx: &mut Tx,
    project: ProjectId,
    id: ServerId,
    limit: u32,
) -> Result<Vec<UsingGateway>, StoreError> {
    let sql = "SELECT id, name, status, CAST(CASE WHEN EXISTS (SELECT 1 FROM gateway_servers \
               WHERE gateway_id = gateways.id AND server_id = $2) THEN 1 ELSE 0 END AS BIGINT) AS names_it \
               FROM gateways WHERE project_id = $1 \
               AND EXISTS (SELECT 1 FROM servers WHERE servers.project_id = $1 AND servers.id = $2) AND (\
               EXISTS (SELECT 1 FROM gateway_servers WHERE gateway_id = gateways.id AND server_id = $2) \
               OR NOT EXISTS (SELECT 1 FROM gateway_servers \
               WHERE gateway_id = gateways.id AND position IS NOT NULL)) ORDER BY id LIMIT $3";
    let rows = tx.fetch_all(sql, values![project, id, limit]).await?;
    let using = |row: &Row| {
        Ok(UsingGateway {
            id: row.id("id")?,
            name: row.text("name")?,
            status: row.word("status")?,
            names_it: row.int("names_it")? != 0,
        })
    };
    rows.iter().map(using).collect()
}

/// How many gateways offer tools of each of the servers from `first` to `last`, in the order of their IDs: those that choose
/// servers and name this one, and those that choose none and so offer all of the project, which are counted once for all rows.
pub async fn count_using_gateways(
    tx: &mut Tx,
    project: ProjectId,
    first: ServerId,
    last: ServerId,
) -> Result<Vec<(ServerId, i64)>, StoreError> {
    let sql = "SELECT servers.id, (SELECT COUNT(*) FROM gateway_servers named WHERE named.server_id = servers.id \
               AND EXISTS (SELECT 1 FROM gateway_servers chosen WHERE chosen.gateway_id = named.gateway_id \
               AND chosen.position IS NOT NULL)) + \
               (SELECT COUNT(*) FROM gateways WHERE gateways.project_id = $1 AND NOT EXISTS \
               (SELECT 1 FROM gateway_servers chosen WHERE chosen.gateway_id = gateways.id \
               AND chosen.position IS NOT NULL)) AS gateways \
               FROM servers WHERE project_id = $1 AND id >= $2 AND id <= $3 ORDER BY id";
    let rows = tx.fetch_all(sql, values![project, first, last]).await?;
    let counted = |row: &Row| Ok((row.id("id")?, row.int("gateways")?));
    rows.iter().map(counted).collect()
}

/// The servers of all projects, for the directory, oldest first.
pub(crate) async fn list_all(tx: &mut Tx) -> Result<Vec<Server>, StoreError> {
    let rows = tx.fetch_all(select!("ORDER BY id"), &[]).await?;
    rows.iter().map(read).collect()
}

/// Replaces the row if `updated_at` is still `seen`; `Taken` with the field `slug` or `prefix`.
pub async fn update(tx: &mut Tx, server: &Server, seen: Timestamp) -> Result<bool, StoreError> {
    check_names(tx, server).await?;
    let sql = "UPDATE servers SET slug = $1, prefix = $2, name = $3, url = $4, timeout_ms = $5, retries = $6, \
               headers = $7, identity = $8, protocol = $9, updated_at = $10, assertion_origin = $11 \
               WHERE project_id = $12 AND id = $13 AND updated_at = $14";
    let values = [
        changeable(server).as_slice(),
        values![server.project_id, server.id, seen],
    ]
    .concat();
    let updated = tx
        .execute(sql, &values)
        .await
        .map_err(|error| error.or_taken("slug"))?
        > 0;
    tx.note_change();
    Ok(updated)
}

/// Fails if another server of the project has this slug, or begins the names of its tools in the same way. The indices
/// enforce both rules, but not on both engines do they say which was broken.
async fn check_names(tx: &mut Tx, server: &Server) -> Result<(), StoreError> {
    let sql = "SELECT slug FROM servers WHERE project_id = $1 AND id <> $2 AND (slug = $3 OR COALESCE(prefix, slug) = $4) \
               ORDER BY id LIMIT 2";
    let slug = server.slug.to_lowercase();
    let prefix = server.prefix.as_deref().unwrap_or(&slug);
    let values = values![server.project_id, server.id, &slug, prefix];
    let rows = tx.fetch_all(sql, values).await?;
    for row in &rows {
        if row.text("slug")? == slug {
            return Err(StoreError::Taken { field: "slug" });
        }
    }
    match (rows.is_empty(), &server.prefix) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err(StoreError::Taken { field: "prefix" }),
        // Its slug begins the names of its tools, and another server has it as its prefix.
        (false, None) => Err(StoreError::Taken { field: "slug" }),
    }
}

/// Deletes it unless gateways name it (ID, name of each).
pub async fn delete(tx: &mut Tx, project: ProjectId, id: ServerId) -> Result<ServerDelete, StoreError> {
    // The lock prevents a gateway that is being saved from naming the server between the check and the deletion.
    let sql = "SELECT id FROM servers WHERE project_id = $1 AND id = $2";
    if tx
        .lock_optional(sql, Lock::Update, values![project, id])
        .await?
        .is_none()
    {
        return Ok(ServerDelete::NotFound);
    }
    let sql = "SELECT gateways.id, gateways.name FROM gateway_servers \
               JOIN gateways ON gateways.id = gateway_servers.gateway_id \
               WHERE gateways.project_id = $1 AND gateway_servers.server_id = $2 ORDER BY gateways.id";
    let rows = tx.fetch_all(sql, values![project, id]).await?;
    if !rows.is_empty() {
        let named = |row: &Row| Ok((row.id("id")?, row.text("name")?));
        return rows
            .iter()
            .map(named)
            .collect::<Result<_, _>>()
            .map(ServerDelete::InUse);
    }
    incident::forget(tx, id.to_string()).await?;
    let sql = "DELETE FROM servers WHERE project_id = $1 AND id = $2";
    tx.execute(sql, values![project, id]).await?;
    tx.note_change();
    Ok(ServerDelete::Done)
}

/// The outcome of deleting a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerDelete {
    /// Done.
    Done,
    /// No such server in this project.
    NotFound,
    /// These gateways name it; nothing changed.
    InUse(Vec<(GatewayId, String)>),
}

pub(crate) fn read(row: &Row) -> Result<Server, StoreError> {
    Ok(Server {
        id: row.id("id")?,
        project_id: row.id("project_id")?,
        slug: row.text("slug")?,
        prefix: row.opt_text("prefix")?,
        name: row.text("name")?,
        url: row.text("url")?,
        timeout_ms: row.small("timeout_ms")?,
        retries: row.small("retries")?,
        headers: row.json("headers")?,
        identity: row.word("identity")?,
        protocol: row.word("protocol")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
