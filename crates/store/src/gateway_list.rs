//! Gateways of a project for a list: without the large fields, and with the name of the source.

use gatewright_domain::{
    gateway::{GatewayStatus, Mode},
    id::{GatewayId, ProjectId, UserSourceId},
};

use crate::{
    Page, PageRequest, StoreError, Tx,
    row::{Row, to_word},
    user::pattern,
    value::values,
};

/// A gateway in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySummary {
    /// Its id.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// The last part of its URL.
    pub slug: String,
    /// Who its users are.
    pub mode: Mode,
    /// The source it names, in User Source mode.
    pub user_source_id: Option<UserSourceId>,
    /// The name of that source; `None` if it was deleted.
    pub user_source_name: Option<String>,
    /// Whether it is active.
    pub status: GatewayStatus,
}

/// Which gateways to list. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayFilter {
    /// Only those whose name or slug contains this text, ignoring case (on SQLite: of ASCII letters).
    pub search: String,
    /// Only those in this mode.
    pub mode: Option<Mode>,
    /// Only those with this status.
    pub status: Option<GatewayStatus>,
}

/// Gateways of a project, oldest first.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    filter: &GatewayFilter,
    page: &PageRequest,
) -> Result<Page<GatewaySummary>, StoreError> {
    // One statement for every filter: an empty text filters nothing, and an index finds a project's gateways.
    let sql = "SELECT gateways.id AS id, gateways.name AS name, gateways.slug AS slug, gateways.mode AS mode, \
               gateways.user_source_id AS user_source_id, user_sources.name AS user_source_name, \
               gateways.status AS status FROM gateways \
               LEFT JOIN user_sources ON user_sources.id = gateways.user_source_id \
               WHERE gateways.project_id = $1 AND gateways.id > $2 \
               AND (LOWER(gateways.name) LIKE $3 ESCAPE '!' OR gateways.slug_key LIKE $3 ESCAPE '!') \
               AND ($4 = '' OR gateways.mode = $4) AND ($5 = '' OR gateways.status = $5) \
               ORDER BY gateways.id LIMIT $6";
    let values = values![
        project,
        page.above(),
        pattern(&filter.search),
        filter.mode.map_or("", Mode::as_str),
        filter.status.map_or_else(String::new, |status| to_word(&status)),
        page.rows(),
    ];
    let rows = tx.fetch_all(sql, values).await?;
    page.page(rows, read)
}

fn read(row: &Row) -> Result<GatewaySummary, StoreError> {
    Ok(GatewaySummary {
        id: row.id("id")?,
        name: row.text("name")?,
        slug: row.text("slug")?,
        mode: row.word("mode")?,
        user_source_id: row.opt_id("user_source_id")?,
        user_source_name: row.opt_text("user_source_name")?,
        status: row.word("status")?,
    })
}
