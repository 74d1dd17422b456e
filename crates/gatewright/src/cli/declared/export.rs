//! `gatewright export`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_domain::audit::Origin;

use crate::{
    config::Config,
    operator::{
        Authority, ServiceError,
        declared::{self, Exported, References, schema},
    },
};

/// The JSON Schema beside the files of a folder, for editors.
const SCHEMA_FILE: &str = "gatewright.schema.json";

/// What is written where.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only this project, by name or ID.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The file, or a folder that gets a file for each project and the JSON Schema for editors. A folder must exist or end with a
    /// slash. The default is standard output.
    #[arg(short, long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// Refer to secrets by environment variables, to apply the files to another instance. Without this option they refer to the
    /// values that this instance has stored.
    #[arg(long)]
    secrets_from_env: bool,
}

pub(in crate::cli) async fn run(arguments: &Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let app = crate::cli::build(config).await?;
    let references = if arguments.secrets_from_env {
        References::Environment
    } else {
        References::Existing
    };
    let authority = Authority::operator(Origin::Cli);
    let exported = match declared::export(&app, &authority, arguments.project.as_deref(), references).await {
        Err(ServiceError::NotFound { .. }) => {
            bail!(
                "there is no project with this name or ID. Without --project, all projects are exported, each with its name"
            )
        }
        exported => exported?,
    };
    app.core().store.close().await;
    warn(&exported);
    match &arguments.output {
        None => print!("{}", together(&exported)),
        Some(path) if is_folder(path) => into_folder(path, &exported)?,
        Some(path) => {
            write(path, &together(&exported))?;
            eprintln!("{} in {}.", counted(exported.len()), path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Headers that were entered as plain text are in the files. They may be credentials.
fn warn(exported: &[Exported]) {
    for project in exported
        .iter()
        .filter(|project| !project.plain_headers.is_empty())
    {
        eprintln!(
            "warning: the file of {} has the values of these headers, as they were entered: {}. If they are credentials, store \
             them as secrets and refer to them as ${{secret:NAME}} before you share the file.",
            project.project,
            project.plain_headers.join(", ")
        );
    }
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.to_string_lossy().ends_with('/')
}

fn counted(projects: usize) -> String {
    match projects {
        1 => "1 project is".to_owned(),
        projects => format!("{projects} projects are"),
    }
}

/// All projects in one file, one document for each.
fn together(exported: &[Exported]) -> String {
    let head = head("Print the schema with `gatewright apply --schema`.");
    let documents: Vec<_> = exported.iter().map(|project| project.text.as_str()).collect();
    format!("{head}{}", documents.join("---\n"))
}

fn into_folder(folder: &Path, exported: &[Exported]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be created", folder.display()))?;
    let mut taken = HashSet::new();
    for project in exported {
        let name = file_name(&project.project, &mut taken);
        let head = head("");
        write(&folder.join(&name), &format!("{head}{}", project.text))?;
    }
    write(&folder.join(SCHEMA_FILE), &format!("{:#}\n", schema()))?;
    eprintln!("{} in {}.", counted(exported.len()), folder.display());
    Ok(())
}

fn head(hint: &str) -> String {
    let hint = if hint.is_empty() {
        String::new()
    } else {
        format!(" {hint}")
    };
    format!(
        "# yaml-language-server: $schema=./{SCHEMA_FILE}\n# Written by `gatewright export`. Stored secrets are not in this file.{hint}\n"
    )
}

/// A file name for a project, each once.
fn file_name(project: &str, taken: &mut HashSet<String>) -> String {
    let mut name = String::new();
    for character in project.chars() {
        if character.is_ascii_alphanumeric() {
            name.push(character.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = match name.trim_end_matches('-') {
        "" => "project",
        name => name,
    };
    let mut number = 1;
    loop {
        let file = if number == 1 {
            format!("{name}.yaml")
        } else {
            format!("{name}-{number}.yaml")
        };
        if taken.insert(file.clone()) {
            return file;
        }
        number += 1;
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| {
        format!(
            "{} cannot be written. Name a file in a folder that exists and that this user can write to",
            path.display()
        )
    })
}

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn every_project_has_a_file_of_its_own() {
        let mut taken = HashSet::new();
        let names = ["Acme production", "acme-production", "日本", "../x", "  "]
            .map(|name| file_name(name, &mut taken));
        assert_eq!(
            names,
            [
                "acme-production.yaml",
                "acme-production-2.yaml",
                "project.yaml",
                "x.yaml",
                "project-2.yaml"
            ]
        );
    }
}
