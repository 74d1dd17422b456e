//! Members of projects.

use gatewright_domain::{
    Timestamp,
    account::Account,
    id::{AccountId, ProjectId},
    member::{Member, Role, leaves_an_owner},
};

use crate::{
    Page, PageRequest, StoreError, Tx, account,
    row::{Row, to_word},
    tx::Lock,
    value::values,
};

/// The outcome of a change that must leave the project an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberWrite {
    /// It was written.
    Done,
    /// The member already has that role.
    Same,
    /// It would have left the project no active owner.
    LastOwner,
    /// There is no such member.
    Missing,
}

/// One project of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The project.
    pub project_id: ProjectId,
    /// Its name.
    pub project_name: String,
    /// The account's role there.
    pub role: Role,
}

/// Adds a member; `false` if the account already is one.
pub async fn insert(tx: &mut Tx, member: &Member) -> Result<bool, StoreError> {
    let sql = "INSERT INTO members (project_id, account_id, role, created_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, account_id) DO NOTHING";
    let values = values![
        member.project_id,
        member.account_id,
        to_word(&member.role),
        member.created_at,
        member.updated_at,
    ];
    let added = tx.execute(sql, values).await? > 0;
    tx.note_change();
    Ok(added)
}

/// One member with their account.
pub async fn find(
    tx: &mut Tx,
    project: ProjectId,
    account: AccountId,
) -> Result<Option<(Member, Account)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        account::columns!(),
        ", members.project_id, members.account_id, members.role, members.created_at AS member_since, \
         members.updated_at AS role_since FROM members JOIN accounts ON accounts.id = members.account_id \
         WHERE members.project_id = $1 AND members.account_id = $2"
    );
    let row = tx.fetch_optional(sql, values![project, account]).await?;
    row.as_ref().map(read_with_account).transpose()
}

/// Members of a project with their accounts, in the order in which the accounts were created.
pub async fn list(
    tx: &mut Tx,
    project: ProjectId,
    page: &PageRequest,
) -> Result<Page<(Member, Account)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        account::columns!(),
        ", members.project_id, members.account_id, members.role, members.created_at AS member_since, \
         members.updated_at AS role_since FROM members JOIN accounts ON accounts.id = members.account_id \
         WHERE members.project_id = $1 AND members.account_id > $2 ORDER BY members.account_id LIMIT $3"
    );
    let rows = tx
        .fetch_all(sql, values![project, page.above(), page.rows()])
        .await?;
    page.page(rows, read_with_account)
}

/// The projects of an account, by name.
pub async fn memberships(tx: &mut Tx, account: AccountId) -> Result<Vec<Membership>, StoreError> {
    let sql = "SELECT members.project_id, members.role, projects.name FROM members \
               JOIN projects ON projects.id = members.project_id WHERE members.account_id = $1 \
               ORDER BY projects.name_key";
    let membership = |row: &Row| {
        Ok(Membership {
            project_id: row.id("project_id")?,
            project_name: row.text("name")?,
            role: row.word("role")?,
        })
    };
    tx.fetch_all(sql, values![account])
        .await?
        .iter()
        .map(membership)
        .collect()
}

/// Whether a project has an owner who can sign in.
pub async fn has_owner(tx: &mut Tx, project: ProjectId) -> Result<bool, StoreError> {
    let sql = "SELECT members.account_id FROM members JOIN accounts ON accounts.id = members.account_id \
               AND accounts.status = 'active' WHERE members.project_id = $1 AND members.role = 'owner' LIMIT 1";
    Ok(tx.fetch_optional(sql, values![project]).await?.is_some())
}

/// Names of owners who can sign in, at most `limit`, longest membership first.
pub async fn owner_names(tx: &mut Tx, project: ProjectId, limit: u32) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT accounts.name FROM members JOIN accounts ON accounts.id = members.account_id \
               AND accounts.status = 'active' WHERE members.project_id = $1 AND members.role = 'owner' \
               ORDER BY members.created_at, members.account_id LIMIT $2";
    let rows = tx.fetch_all(sql, values![project, limit]).await?;
    rows.iter().map(|row| row.text("name")).collect()
}

/// All members with an active account, for the directory.
pub(crate) async fn list_active(tx: &mut Tx) -> Result<Vec<(ProjectId, AccountId)>, StoreError> {
    let sql = "SELECT members.project_id, members.account_id FROM members \
               JOIN accounts ON accounts.id = members.account_id WHERE accounts.status = 'active'";
    let pair = |row: &Row| Ok((row.id("project_id")?, row.id("account_id")?));
    tx.fetch_all(sql, &[]).await?.iter().map(pair).collect()
}

/// Changes a role.
pub async fn change_role(
    tx: &mut Tx,
    project: ProjectId,
    account: AccountId,
    role: Role,
    now: Timestamp,
) -> Result<MemberWrite, StoreError> {
    match guard(tx, project, account, Some(role)).await? {
        MemberWrite::Done => {}
        refused => return Ok(refused),
    }
    let sql = "UPDATE members SET role = $1, updated_at = $2 WHERE project_id = $3 AND account_id = $4";
    tx.execute(sql, values![to_word(&role), now, project, account])
        .await?;
    tx.note_change();
    Ok(MemberWrite::Done)
}

/// Removes a member.
pub async fn remove(tx: &mut Tx, project: ProjectId, account: AccountId) -> Result<MemberWrite, StoreError> {
    match guard(tx, project, account, None).await? {
        MemberWrite::Done => {}
        refused => return Ok(refused),
    }
    let sql = "DELETE FROM members WHERE project_id = $1 AND account_id = $2";
    tx.execute(sql, values![project, account]).await?;
    tx.note_change();
    Ok(MemberWrite::Done)
}

/// Whether a change of a member can be written. The project is locked from here on, so that of two changes that would each leave
/// the other as the last owner, the second sees the first.
async fn guard(
    tx: &mut Tx,
    project: ProjectId,
    account: AccountId,
    after: Option<Role>,
) -> Result<MemberWrite, StoreError> {
    let sql = "SELECT id FROM projects WHERE id = $1";
    tx.lock_optional(sql, Lock::Update, values![project]).await?;
    let sql = "SELECT role FROM members WHERE project_id = $1 AND account_id = $2";
    let Some(row) = tx.fetch_optional(sql, values![project, account]).await? else {
        return Ok(MemberWrite::Missing);
    };
    let before: Role = row.word("role")?;
    if after == Some(before) {
        return Ok(MemberWrite::Same);
    }
    let sql = "SELECT members.account_id FROM members JOIN accounts ON accounts.id = members.account_id \
               AND accounts.status = 'active' WHERE members.project_id = $1 AND members.role = 'owner'";
    let owners = tx.fetch_all(sql, values![project]).await?;
    let mut others = 0;
    for row in &owners {
        others += usize::from(row.id::<AccountId>("account_id")? != account);
    }
    if !leaves_an_owner(others + 1, before, after) {
        return Ok(MemberWrite::LastOwner);
    }
    Ok(MemberWrite::Done)
}

fn read_with_account(row: &Row) -> Result<(Member, Account), StoreError> {
    let member = Member {
        project_id: row.id("project_id")?,
        account_id: row.id("account_id")?,
        role: row.word("role")?,
        created_at: row.time("member_since")?,
        updated_at: row.time("role_since")?,
    };
    Ok((member, account::read(row)?))
}
