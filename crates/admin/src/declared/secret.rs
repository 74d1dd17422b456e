//! Where the values of secrets come from when a declaration is applied.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use gatewright_domain::secret::Secret;

/// The most bytes that are read of a file.
const LARGEST: usize = 64 * 1024;
/// Variables that configure the program. A file that anyone could propose must not send the master key to a server.
const OWN: &str = "GATEWRIGHT_";

/// What reads the values that declarations refer to.
pub trait Secrets: Send + Sync {
    /// The value of an environment variable, or what is wrong.
    fn variable(&self, name: &str) -> Result<Secret, String>;

    /// The text of a file without the line end behind it, or what is wrong.
    fn file(&self, path: &Path) -> Result<Secret, String>;
}

/// The environment and the files of this process, without those that are its own.
#[derive(Debug, Clone, Default)]
pub struct SecretsOfProcess {
    own: Vec<PathBuf>,
}

impl SecretsOfProcess {
    /// Refuses the files in `own`, and what is in folders among them.
    pub fn without(own: Vec<PathBuf>) -> Self {
        Self { own }
    }

    /// Whether a file belongs to the program, by whatever name it is reached.
    fn is_own(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        let Some(path) = real(path) else { return false };
        self.own
            .iter()
            .filter_map(|own| real(own))
            .any(|own| path.starts_with(own))
    }
}

impl Secrets for SecretsOfProcess {
    fn variable(&self, name: &str) -> Result<Secret, String> {
        if name.to_ascii_uppercase().starts_with(OWN) {
            return Err(format!(
                "Variables that begin with `{OWN}` configure the program and cannot be secrets of a project: use another name."
            ));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a secret that a file of the operator refers to is not configuration"
        )]
        let value = std::env::var(name);
        match value {
            Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
            Ok(_) | Err(std::env::VarError::NotPresent) => Err(format!(
                "The environment variable `{name}` is not set: set it to the value before you run this."
            )),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!(
                "The environment variable `{name}` is not text: set it again."
            )),
        }
    }

    fn file(&self, path: &Path) -> Result<Secret, String> {
        let shown = path.display();
        if self.is_own(path) {
            return Err(format!(
                "The file {shown} belongs to the program, such as its master key, and cannot be a secret of a project: name another."
            ));
        }
        let mut text = String::new();
        let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
        let opened = File::open(path).map(|file| file.take(LARGEST as u64 + 1));
        let read = opened.and_then(|mut file| {
            if is_file {
                file.read_to_string(&mut text)
            } else {
                Ok(0)
            }
        });
        if let Err(error) = read {
            return Err(format!(
                "The file {shown} cannot be read ({}): name a text file that this user can read.",
                error.kind()
            ));
        }
        if text.len() > LARGEST {
            return Err(format!(
                "The file {shown} is larger than {LARGEST} bytes: name a file that holds only the value."
            ));
        }
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!(
                "The file {shown} is empty, or not a file: name one that holds the value."
            ));
        }
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_line_end_and_only_up_to_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " a b \r\n\n").unwrap();
        let secrets = SecretsOfProcess::default();
        assert_eq!(secrets.file(&path).unwrap().expose(), " a b ");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let careful = SecretsOfProcess::without(vec![path.clone()]);
        let refused = careful.file(&link).unwrap_err();
        assert!(refused.contains("belongs to the program"), "{refused}");
        let careful = SecretsOfProcess::without(vec![folder.path().to_owned()]);
        assert!(careful.file(&path).is_err());
        std::fs::write(&path, "x".repeat(LARGEST + 1)).unwrap();
        assert!(
            SecretsOfProcess::default()
                .file(&path)
                .unwrap_err()
                .contains("larger than")
        );
        std::fs::write(&path, "\n").unwrap();
        assert!(
            SecretsOfProcess::default()
                .file(&path)
                .unwrap_err()
                .contains("is empty")
        );
        assert!(
            SecretsOfProcess::default()
                .file(folder.path())
                .unwrap_err()
                .contains("not a file")
        );
        assert!(
            SecretsOfProcess::default()
                .file(&folder.path().join("none"))
                .unwrap_err()
                .contains("cannot be read")
        );
    }

    #[test]
    fn variables_of_the_program_itself_and_those_that_are_not_set_are_refused() {
        let refused = |name: &str| SecretsOfProcess::default().variable(name).unwrap_err();
        assert!(refused("GATEWRIGHT__KEYS__MASTER").contains("configure the program"));
        assert!(refused("Gatewright_Database").contains("configure the program"));
        assert!(refused("NO_SUCH_VARIABLE_IS_SET").contains("is not set"));
    }
}
