//! Opening a browser, if there is a person and a desktop to open it on.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::{Command, Stdio},
};

/// The reasons for and against opening a browser automatically.
#[derive(Debug, Clone, Copy)]
struct Surroundings {
    /// A person watches what is printed.
    is_terminal: bool,
    /// A machine runs this (the variable that build services set).
    is_ci: bool,
    /// There is a desktop here: always on macOS and Windows, elsewhere if there is a display, and never over SSH.
    has_desktop: bool,
}

impl Surroundings {
    fn of_process() -> Self {
        let display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
        Self {
            is_terminal: io::stdout().is_terminal(),
            is_ci: is_set("CI"),
            has_desktop: (cfg!(any(target_os = "macos", windows)) || display) && !is_set("SSH_CONNECTION"),
        }
    }

    const fn invite(self) -> bool {
        self.is_terminal && !self.is_ci && self.has_desktop
    }
}

// Conventions of the system, not our configuration.
fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Opens a link in the person's browser, if this looks like a person's desktop; says whether it tried.
pub(super) fn open(link: &str) -> bool {
    Surroundings::of_process().invite() && start(link)
}

/// Hands the link to the program that knows which browser the person likes.
fn start(link: &str) -> bool {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let spawned = Command::new(program)
        .args(arguments)
        .arg(link)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match spawned {
        Ok(mut child) => {
            // Waited for, so that no dead process is left behind; some of these programs live as long as the browser.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_opens_only_for_a_person_at_a_desktop() {
        let desk = Surroundings {
            is_terminal: true,
            is_ci: false,
            has_desktop: true,
        };
        assert!(desk.invite());
        for elsewhere in [
            Surroundings {
                is_terminal: false,
                ..desk
            },
            Surroundings { is_ci: true, ..desk },
            Surroundings {
                has_desktop: false,
                ..desk
            },
        ] {
            assert!(!elsewhere.invite(), "{elsewhere:?}");
        }
    }
}
