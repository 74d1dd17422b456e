//! Erasing what events say about a person. The digests of the values stay, so the chains stay whole, and an event names each
//! value that was erased.

use std::collections::BTreeSet;

use gatewright_domain::{
    Clock, Entropy,
    audit::{
        Actor,
        chain::{Digest, Personal, Proof},
    },
    id::{AccountId, UserId},
};
use sqlx::AssertSqlSafe;

use super::trail;
use crate::{
    Store, StoreError, Tx, Urgency,
    tx::chain::{Head, Stored, stored_columns},
    value::{Value, values},
};

/// Events in one transaction, which one event names.
const BATCH: u32 = 100;

/// Whose values are erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The network address, in every event from it.
    Address(String),
    /// The network addresses from which an account acted; its name, address and fields in events about it.
    Account(AccountId),
    /// The network addresses from which a user acted; their name and fields in events about them.
    User(UserId),
    /// Names and changes that contain this text, such as an e-mail address, in small or capital letters.
    Text(String),
}

/// How much was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// Events of which something was erased.
    pub events: u64,
    /// Events that would be included, but are still counted for some minutes.
    pub waiting: u64,
    /// Those of the first that had been changed outside Gatewright. Their values are deleted too, and the check reports them as before.
    pub tampered: u64,
}

impl Selector {
    /// The condition for a part, with `$2` as the value. Nothing if that part is not affected.
    fn condition(&self, part: Personal) -> Option<&'static str> {
        match (self, part) {
            (Self::Address(_), Personal::Address) => Some("address = $2"),
            (Self::Account(_) | Self::User(_), Personal::Address) => {
                Some("actor_id = $2 AND address IS NOT NULL")
            }
            (Self::Account(_) | Self::User(_), Personal::ObjectName) => {
                Some("object_id = $2 AND object_name <> ''")
            }
            (Self::Account(_) | Self::User(_), Personal::Changes) => {
                Some("object_id = $2 AND changes <> '[]'")
            }
            (Self::Text(_), Personal::ObjectName) => {
                Some("REPLACE(LOWER(object_name), LOWER($2), '') <> LOWER(object_name)")
            }
            (Self::Text(_), Personal::Changes) => {
                Some("REPLACE(LOWER(changes), LOWER($2), '') <> LOWER(changes)")
            }
            (Self::Address(_), Personal::ObjectName | Personal::Changes)
            | (Self::Text(_), Personal::Address) => None,
        }
    }

    fn value(&self) -> String {
        match self {
            Self::Address(text) | Self::Text(text) => text.clone(),
            Self::Account(id) => id.to_string(),
            Self::User(id) => id.to_string(),
        }
    }

    /// What the event says about it: never the erased value.
    fn told(&self) -> String {
        match self {
            Self::Address(_) => "a network address".to_owned(),
            Self::Text(_) => "a text".to_owned(),
            Self::Account(id) => id.to_string(),
            Self::User(id) => id.to_string(),
        }
    }
}

/// Erases values in one chain, in batches, and adds events that name what was erased. What is still counted is left.
pub async fn erase(
    store: &Store,
    chain: &str,
    selector: &Selector,
    actor: &Actor,
    random: (&dyn Clock, &dyn Entropy),
) -> Result<Erased, StoreError> {
    let mut erased = Erased::default();
    loop {
        let mut tx = store.write_for(Urgency::Program).await?;
        let head = Head::lock(&mut tx, chain).await?;
        let (count, tampered) = erase_batch(&mut tx, &head, selector, actor, random).await?;
        if count == 0 {
            erased.waiting = waiting(&mut tx, chain, selector).await?;
            return Ok(erased);
        }
        tx.commit().await?;
        erased.events += count;
        erased.tampered += tampered;
    }
}

async fn erase_batch(
    tx: &mut Tx,
    head: &Head,
    selector: &Selector,
    actor: &Actor,
    random: (&dyn Clock, &dyn Entropy),
) -> Result<(u64, u64), StoreError> {
    let mut tampered = BTreeSet::new();
    let mut named: Vec<(Personal, Vec<String>)> = Vec::new();
    let mut events = BTreeSet::new();
    for part in Personal::ALL {
        let Some(condition) = selector.condition(part) else {
            continue;
        };
        let sql = format!(
            concat!(
                "SELECT ",
                stored_columns!(),
                " FROM audit_events WHERE project_id = $1 AND seq IS NOT NULL AND object_type <> $3 AND {} ORDER BY seq LIMIT $4"
            ),
            condition
        );
        let values = values![head.chain.as_str(), selector.value(), trail::KIND, BATCH];
        let mut ids = Vec::new();
        for row in tx.fetch_all(AssertSqlSafe(sql), values).await? {
            let id = row.text("id")?;
            let proof = Stored::read(&row).ok().and_then(|row| {
                let proof = row.proof(part).and_then(Proof::from_text)?;
                Some((proof.digest(part, row.personal(part)), proof))
            });
            let digest = match proof {
                Some((Some(digest), _)) => Some(digest),
                // A salt that is missing, or a value in the place of an erased one: someone changed the row.
                Some((None, Proof::Erased(digest))) => {
                    tampered.insert(id.clone());
                    Some(digest)
                }
                Some((None, Proof::Salt(_))) | None => {
                    tampered.insert(id.clone());
                    None
                }
            };
            erase_value(tx, &id, part, digest).await?;
            ids.push(id);
        }
        events.extend(ids.iter().cloned());
        if !ids.is_empty() {
            named.push((part, ids));
        }
    }
    if named.is_empty() {
        return Ok((0, 0));
    }
    let mut changes = vec![trail::field("erased", selector.told())];
    changes.extend(named.iter().map(|(part, ids)| trail::field(part.as_str(), ids)));
    trail::tell(tx, head, actor.clone(), trail::ERASED, changes, random);
    Ok((events.len() as u64, tampered.len() as u64))
}

/// Puts the digest of a value in the place of its salt, and nothing in the place of the value. Without a digest, the salt is deleted.
async fn erase_value(
    tx: &mut Tx,
    id: &str,
    part: Personal,
    digest: Option<Digest>,
) -> Result<(), StoreError> {
    let sql = match part {
        Personal::Address => "UPDATE audit_events SET address = $1, address_proof = $2 WHERE id = $3",
        Personal::ObjectName => {
            "UPDATE audit_events SET object_name = $1, object_name_proof = $2 WHERE id = $3"
        }
        Personal::Changes => "UPDATE audit_events SET changes = $1, changes_proof = $2 WHERE id = $3",
    };
    let blank = Value::Text(part.erased().map(str::to_owned));
    let proof = Value::Text(digest.map(|digest| Proof::Erased(digest).to_string()));
    let values = [blank, proof, id.into()];
    tx.execute(sql, &values).await?;
    Ok(())
}

/// How many events would be affected, but are not in the chain yet.
async fn waiting(tx: &mut Tx, chain: &str, selector: &Selector) -> Result<u64, StoreError> {
    let conditions: Vec<&str> = Personal::ALL
        .into_iter()
        .filter_map(|part| selector.condition(part))
        .collect();
    let sql = format!(
        "SELECT COUNT(*) AS number FROM audit_events WHERE project_id = $1 AND seq IS NULL AND ({})",
        conditions
            .iter()
            .map(|condition| format!("({condition})"))
            .collect::<Vec<_>>()
            .join(" OR ")
    );
    let row = tx
        .fetch_one(AssertSqlSafe(sql), values![chain, selector.value()])
        .await?;
    row.small("number")
}
