//! `gatewright audit`.

mod anchor;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gatewright_core::activity::delete_arguments_of;
use gatewright_domain::{
    Timestamp,
    audit::{Actor, ActorKind, Origin},
    id::{AccountId, ProjectId, UserId},
};
use gatewright_store::audit::{self, Anchored, Known, Report, Selector, named};

use gatewright_admin::Admin;

use crate::config::Config;

/// Tasks with the audit trail.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check that no event was changed, removed, inserted or moved, in every project and in the instance.
    Verify {
        /// Only this project, by ID.
        #[arg(long)]
        project: Option<ProjectId>,
        /// A file that `gatewright audit anchor` wrote. It also shows whether events were removed from the end.
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
    },
    /// Write the latest digests of all projects, signed. Keep them outside of this machine.
    Anchor {
        /// The file. The default is standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Erase what events say about a person. The digests stay, so that the trail can still be checked, and an event says what was erased.
    Erase(Erase),
}

/// Whose data is erased.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Erase {
    #[command(flatten)]
    whose: Whose,
    /// Only in this project, by ID. The default is every project and the instance.
    #[arg(long)]
    project: Option<ProjectId>,
}

/// One of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// A network address, in every event from it.
    #[arg(long)]
    address: Option<String>,
    /// An account, by ID: the addresses it acted from, and its name and fields in events about it.
    #[arg(long)]
    account: Option<AccountId>,
    /// A user, by ID: name and fields in events about them.
    #[arg(long)]
    user: Option<UserId>,
    /// Names and changes that contain this text, such as an e-mail address. Capital and small letters are the same.
    #[arg(long)]
    text: Option<String>,
}

impl Whose {
    fn selector(&self) -> anyhow::Result<Selector> {
        Ok(match self {
            Self {
                address: Some(address),
                ..
            } => Selector::Address(address.clone()),
            Self {
                account: Some(account),
                ..
            } => Selector::Account(*account),
            Self { user: Some(user), .. } => Selector::User(*user),
            Self { text: Some(text), .. } if text.trim().len() >= MIN_TEXT => {
                Selector::Text(text.trim().to_owned())
            }
            Self { .. } => {
                bail!("enter at least {MIN_TEXT} characters: a shorter text is in almost every event")
            }
        })
    }
}

/// A shorter text would erase far too much.
const MIN_TEXT: usize = 4;

pub(super) async fn run(command: &Command, config: Config) -> anyhow::Result<ExitCode> {
    let app = super::build(config).await?;
    let done = match command {
        Command::Verify { project, anchor } => {
            let anchored = match anchor {
                Some(file) => anchor::read(&app, file)?,
                None => BTreeMap::new(),
            };
            verify(&app, *project, &anchored).await?
        }
        Command::Anchor { out } => {
            anchor::write(&app, out.as_deref()).await?;
            ExitCode::SUCCESS
        }
        Command::Erase(command) => erase(&app, command).await?,
    };
    app.core().store.close().await;
    Ok(done)
}

/// The chains to work on: of the project, or all. A chain that only an anchor knows was removed completely.
async fn chains(
    app: &Admin,
    project: Option<ProjectId>,
    anchored: &BTreeMap<String, Anchored>,
) -> anyhow::Result<Vec<String>> {
    if let Some(project) = project {
        return Ok(vec![project.to_string()]);
    }
    let mut tx = app.core().store.read().await?;
    let mut chains = audit::chains(&mut tx).await?;
    chains.extend(anchored.keys().cloned());
    chains.sort();
    chains.dedup();
    Ok(chains)
}

async fn verify(
    app: &Admin,
    project: Option<ProjectId>,
    anchored: &BTreeMap<String, Anchored>,
) -> anyhow::Result<ExitCode> {
    let (mut faults, mut uncompared) = (0, 0);
    let days = app.config.audit.retention_days;
    for chain in chains(app, project, anchored).await? {
        let known = Known {
            // An hour for the job that deletes them.
            kept_since: match days {
                0 => Timestamp::default(),
                days => app.now().minus(Duration::from_hours(24 * u64::from(days) - 1)),
            },
            anchored: anchored.get(&chain),
            ..Known::at(app.now())
        };
        let report = audit::check(&app.core().store, &chain, known)
            .await
            .with_context(|| format!("{} could not be read", named(&chain)))?;
        faults += report.fault_count;
        uncompared += u64::from(report.is_uncompared);
        println!("{}", told(&report));
    }
    if faults == 0 {
        println!("No event was changed, removed, inserted or moved.");
        if uncompared > 0 {
            println!(
                "{uncompared} audit logs could not be compared with the anchor, because its events were deleted by age. Use a newer one."
            );
        }
        if anchored.is_empty() {
            println!(
                "Only an anchor shows whether events were removed from the end: see `gatewright audit anchor`."
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!("{faults} signs that the trail was changed outside Gatewright.");
    Ok(ExitCode::FAILURE)
}

/// A report as lines.
fn told(report: &Report) -> String {
    let last = match report.seq {
        0 => String::new(),
        seq => format!(", the last is number {seq}"),
    };
    let mut lines = vec![format!(
        "{}: {} events{last}",
        named(&report.chain),
        report.events
    )];
    for (count, what) in [
        (
            u64::try_from(report.deleted).unwrap_or_default(),
            "were deleted because of their age",
        ),
        (report.waiting, "are still counted and not in the chain yet"),
        (report.adopted, "were written by an older version and added later"),
        (report.erased, "have erased values"),
    ] {
        if count > 0 {
            lines.push(format!("  {count} {what}"));
        }
    }
    if report.is_uncompared {
        lines.push(
            "  could not be compared with the anchor: the event that it knows was deleted because of its age"
                .to_owned(),
        );
    }
    lines.extend(report.faults.iter().map(|fault| format!("  CHANGED: {fault}")));
    let shown = u64::try_from(report.faults.len()).unwrap_or(u64::MAX);
    if report.fault_count > shown {
        lines.push(format!("  … and {} more", report.fault_count - shown));
    }
    lines.join("\n")
}

async fn erase(app: &Admin, command: &Erase) -> anyhow::Result<ExitCode> {
    let selector = command.whose.selector()?;
    let actor = Actor {
        kind: ActorKind::Operator,
        address: None,
        origin: Origin::Cli,
    };
    let random = (app.clock.as_ref(), app.entropy.as_ref());
    let (mut events, mut waiting, mut tampered) = (0, 0, 0);
    for chain in chains(app, command.project, &BTreeMap::new()).await? {
        let erased = audit::erase(&app.core().store, &chain, &selector, &actor, random).await?;
        events += erased.events;
        waiting += erased.waiting;
        tampered += erased.tampered;
    }
    let person = match &selector {
        Selector::User(id) => Some(id.to_string()),
        Selector::Account(id) => Some(id.to_string()),
        Selector::Address(_) | Selector::Text(_) => None,
    };
    if let Some(person) = person {
        let deleted = delete_arguments_of(&app.core().store, command.project, &person).await?;
        println!("Recorded arguments of {deleted} requests were deleted.");
    }
    println!("Values of {events} events were erased. An event in each affected audit log says so.");
    if tampered > 0 {
        println!(
            "{tampered} of them had been changed outside Gatewright. Their values were deleted as well; run `gatewright audit verify`."
        );
    }
    if waiting > 0 {
        println!(
            "{waiting} events are still counted. Run this again in ten minutes, while `gatewright serve` is running, to erase \
             them as well."
        );
    }
    println!("Copies are not affected: exports, backups, and what was sent to other systems.");
    Ok(ExitCode::SUCCESS)
}
