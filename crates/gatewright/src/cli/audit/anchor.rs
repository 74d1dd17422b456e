//! Anchors: the heads of all chains at one moment, signed with a key of the instance, as a file to keep elsewhere.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use anyhow::{Context as _, bail};
use gatewright_domain::Timestamp;
use gatewright_store::audit::{self, Anchored, named};
use serde::{Deserialize, Serialize};

use gatewright_admin::Admin;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Anchor {
    /// The public URL of the instance.
    instance: String,
    /// When it was made.
    at: Timestamp,
    /// The latest event of each chain.
    heads: Vec<Head>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Head {
    /// The project's ID, or `instance`.
    chain: String,
    seq: i64,
    digest: String,
    /// When that event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// The file: the anchor in readable form, and as a JWT (RFC 7515) that the published keys verify.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    #[serde(flatten)]
    anchor: Anchor,
    signature: String,
}

pub(super) async fn write(app: &Admin, out: Option<&Path>) -> anyhow::Result<()> {
    let mut tx = app.core().store.read().await?;
    let heads = audit::heads(&mut tx).await?;
    let times = audit::times(&mut tx).await?;
    drop(tx);
    let head = |head: audit::Head| Head {
        at: times.get(&head.chain).copied(),
        chain: named(&head.chain).to_owned(),
        seq: head.seq,
        digest: head.digest,
    };
    let anchor = Anchor {
        instance: app.config.public_url().to_owned(),
        at: app.now(),
        heads: heads.into_iter().map(head).collect(),
    };
    let file = File {
        signature: app.signing.sign_anchor(&anchor),
        anchor,
    };
    let mut text = serde_json::to_string_pretty(&file)?;
    text.push('\n');
    match out {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("{} could not be written", path.display()))?;
            eprintln!(
                "The latest digests of {} audit logs are in {}. Keep the file where those who administer this machine cannot \
                 change it.",
                file.anchor.heads.len(),
                path.display()
            );
        }
        None => std::io::stdout().write_all(text.as_bytes())?,
    }
    Ok(())
}

/// The heads in a file, by chain, once its signature has been checked.
pub(super) fn read(app: &Admin, path: &Path) -> anyhow::Result<BTreeMap<String, Anchored>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} could not be read", path.display()))?;
    let file: File =
        serde_json::from_str(&text).with_context(|| format!("{} is not an anchor", path.display()))?;
    let signed: Anchor = app
        .signing
        .verify_anchor(&file.signature)
        .with_context(|| format!("{} was not signed by this instance", path.display()))?;
    if signed != file.anchor {
        bail!("{} was changed after it was signed", path.display());
    }
    let anchored = |head: Head| {
        let chain = match head.chain.as_str() {
            "instance" => String::new(),
            _ => head.chain,
        };
        let (seq, digest, at) = (head.seq, head.digest, head.at);
        (chain, Anchored { seq, digest, at })
    };
    Ok(signed.heads.into_iter().map(anchored).collect())
}
