//! `gatewright completions` and `gatewright man`: what packages install beside the program.

use std::{fs, io::Write as _, path::Path, process::ExitCode};

use anyhow::Context as _;
use clap_complete::Shell;

/// Prints the completions of a shell.
pub(super) fn completions(mut command: clap::Command, shell: Shell) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "gatewright", &mut text);
    print(&text)
}

/// Prints the page of the program, or writes one page for each command into the folder: `gatewright.1`, `gatewright-serve.1`.
pub(super) fn pages(command: clap::Command, folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        return print(&text);
    };
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .with_context(|| {
            format!(
                "the manual pages cannot be written to {}. Name a folder that this user can write to",
                folder.display()
            )
        })?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    std::io::stdout()
        .write_all(text)
        .context("standard output is closed")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn there_is_a_manual_page_for_each_command_that_names_its_flags() {
        let folder = tempfile::tempdir().unwrap();
        let pages_of = folder.path().join("man/man1");
        pages(Cli::command(), Some(&pages_of)).unwrap();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let page = fs::read_to_string(pages_of.join(format!("gatewright-{name}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
        }
        let page = fs::read_to_string(pages_of.join("gatewright-demo.1")).unwrap();
        assert!(page.contains("no\\-open"), "{page}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = pages(Cli::command(), Some(&file)).unwrap_err().to_string();
        assert!(error.contains("Name a folder"), "{error}");
    }
}
