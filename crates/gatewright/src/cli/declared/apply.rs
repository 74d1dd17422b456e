//! `gatewright apply`: plans all projects first, and changes each in one transaction.

use std::{
    io::{BufRead as _, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_admin::Admin;
use gatewright_domain::audit::Origin;

use super::{credentials::CredentialsFile, files};
use crate::{
    config::{Config, master_key},
    operator::{
        Authority,
        declared::{self, ApplyError, Declaration, Options, Outcome, SecretsOfProcess, schema},
    },
};

/// The exit code of a plan in which something differs.
const DIFFERS: u8 = 2;

/// What is applied, and how.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(in crate::cli) struct Arguments {
    /// A file, a folder whose .yaml and .yml files are read, or `-` for standard input. It can be repeated.
    #[arg(
        short,
        long = "file",
        value_name = "FILE|DIR",
        required_unless_present = "schema"
    )]
    file: Vec<PathBuf>,
    /// Show what would change, and change nothing. Exit code 0: nothing; 2: something; 1: the files cannot be applied.
    #[arg(long)]
    plan: bool,
    /// Delete what is missing in a list that a file has. Lists that a file does not have are left alone, and projects are never
    /// deleted. Asks before it deletes something.
    #[arg(long)]
    prune: bool,
    /// Delete without asking.
    #[arg(long, requires = "prune")]
    yes: bool,
    /// Save User Sources without asking their providers.
    #[arg(long)]
    skip_validation: bool,
    /// Write API keys, client secrets and invitation links that are created to this new file, which only you can read.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Print the JSON Schema of the files, for editors, and do nothing else.
    #[arg(long, exclusive = true)]
    schema: bool,
}

impl Arguments {
    /// Whether only the schema is wanted, for which no configuration is needed.
    pub(in crate::cli) const fn wants_schema(&self) -> bool {
        self.schema
    }

    const fn options(&self) -> Options {
        Options {
            prune: self.prune,
            skip_validation: self.skip_validation,
        }
    }
}

/// Prints the schema.
pub(in crate::cli) fn print_schema() -> ExitCode {
    println!("{:#}", schema());
    ExitCode::SUCCESS
}

/// Applies the files to the configured instance, which is named by `place`.
pub(in crate::cli) async fn run(
    arguments: &Arguments,
    config: Config,
    place: &str,
) -> anyhow::Result<ExitCode> {
    let declarations = files::declarations(&arguments.file)?;
    eprintln!("{place}");
    let app = crate::cli::build(config).await?;
    let done = apply(&app, arguments, &declarations).await;
    app.core().store.close().await;
    done
}

pub(super) async fn apply(
    app: &Admin,
    arguments: &Arguments,
    declarations: &[Declaration],
) -> anyhow::Result<ExitCode> {
    let plans = plan(app, arguments, declarations).await?;
    for plan in &plans {
        print!("{}", plan.shown());
    }
    let differs = plans.iter().any(|plan| !plan.steps.is_empty());
    if !differs {
        println!("No changes.");
        if !arguments.plan {
            adopt(app, arguments, declarations, &plans).await?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{}",
        counts("Plan", ["to create", "to change", "to delete"], &plans)
    );
    if arguments.plan {
        return Ok(ExitCode::from(DIFFERS));
    }
    let removals = plans
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter(|step| step.removes())
        .count();
    if removals > 0 && !arguments.yes && !confirmed(removals)? {
        eprintln!("Nothing was applied.");
        return Ok(ExitCode::FAILURE);
    }
    let mut credentials = CredentialsFile::for_plans(arguments.credentials.as_deref(), &plans)?;
    let mut done = Vec::new();
    for (declaration, plan) in declarations.iter().zip(&plans) {
        let outcome = one(app, arguments, declaration, plan).await;
        let outcome = outcome.with_context(|| already(&done, declaration))?;
        if let Some(file) = &mut credentials {
            file.write(&outcome)?;
        }
        done.push(outcome);
    }
    println!("{}", counts("Applied", ["created", "changed", "deleted"], &done));
    if let Some(file) = &credentials {
        eprintln!("New credentials are in {}.", file.path().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Marks what the files manage where nothing else differs.
async fn adopt(
    app: &Admin,
    arguments: &Arguments,
    declarations: &[Declaration],
    plans: &[Outcome],
) -> anyhow::Result<()> {
    let mut adopted = 0;
    for (declaration, plan) in declarations.iter().zip(plans) {
        adopted += one(app, arguments, declaration, plan).await?.adopted;
    }
    if adopted > 0 {
        eprintln!(
            "These files manage {adopted} things that they did not manage before. The dashboard says so on their pages."
        );
    }
    Ok(())
}

/// The plans of all declarations. Mistakes of all files are reported together.
async fn plan(
    app: &Admin,
    arguments: &Arguments,
    declarations: &[Declaration],
) -> anyhow::Result<Vec<Outcome>> {
    let (authority, options) = (Authority::operator(Origin::Cli), arguments.options());
    let mut plans = Vec::new();
    let mut faults = Vec::new();
    for declaration in declarations {
        match declared::plan(app, &authority, declaration, &secrets_for(app), options).await {
            Ok(plan) => plans.push(plan),
            Err(ApplyError::Faults(found)) => faults.extend(found),
            Err(ApplyError::Service(error)) => {
                return Err(error).with_context(|| format!("the project {}", declaration.project_name()));
            }
        }
    }
    if !faults.is_empty() {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        bail!("nothing was applied. Correct this first:\n{}", faults.join("\n"));
    }
    Ok(plans)
}

async fn one(
    app: &Admin,
    arguments: &Arguments,
    declaration: &Declaration,
    plan: &Outcome,
) -> Result<Outcome, ApplyError> {
    let (authority, options) = (Authority::operator(Origin::Cli), arguments.options());
    declared::apply(app, &authority, declaration, &secrets_for(app), options, plan).await
}

/// What declarations can refer to: not the files of the program, which a file that anyone proposed could send to a server.
fn secrets_for(app: &Admin) -> SecretsOfProcess {
    let mut own = master_key::files(&app.config);
    own.push(app.config.database.data_dir.clone());
    SecretsOfProcess::without(own)
}

/// What was done before a project failed: each project is one transaction.
fn already(done: &[Outcome], failed: &Declaration) -> String {
    let names: Vec<_> = done.iter().map(|outcome| outcome.project.as_str()).collect();
    let before = match names.as_slice() {
        [] => "nothing was applied".to_owned(),
        names => format!("applied before: {}", names.join(", ")),
    };
    format!(
        "the project {} was not changed, nor those after it ({before})",
        failed.project_name()
    )
}

fn counts(what: &str, words: [&str; 3], outcomes: &[Outcome]) -> String {
    let mut sum = [0; 3];
    for outcome in outcomes {
        let (created, changed, removed) = outcome.counts();
        sum[0] += created;
        sum[1] += changed;
        sum[2] += removed;
    }
    let [create, change, delete] = words;
    format!(
        "{what}: {} {create}, {} {change}, {} {delete}.",
        sum[0], sum[1], sum[2]
    )
}

fn confirmed(removals: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!(
            "this deletes {removals} things, and there is no terminal to ask. Look at the plan, and add --yes to delete them. Nothing \
             was applied"
        );
    }
    eprint!("Delete {removals} things permanently? Enter `yes` to go on: ");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("the answer cannot be read")?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
impl Arguments {
    /// Arguments for files that were read already.
    pub(super) fn of(plan: bool, prune: bool, credentials: Option<&std::path::Path>) -> Self {
        Self {
            file: Vec::new(),
            plan,
            prune,
            yes: prune,
            skip_validation: true,
            credentials: credentials.map(std::path::Path::to_owned),
            schema: false,
        }
    }
}
