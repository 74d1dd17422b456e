//! Configuration as code against the API: what the API made, exported and applied to an empty instance, has the same answers; and
//! a plan says what applying it does.
//!
//! `GATEWRIGHT_DECLARED_CASES` says how many instances and edits are generated.

mod edits;
mod generated;
mod instance;
mod round_trip;
mod rules;

use std::path::Path;

use gatewright_domain::{audit::Origin, secret::Secret};

use super::bench::Bench;
use crate::{
    declared::{Declaration, Secrets, model, read, write},
    service::{
        Authority,
        declared::{ApplyError, Options, Outcome, References, apply, export, plan},
    },
};

/// Every variable has a value that names it.
struct Named;

impl Secrets for Named {
    fn variable(&self, name: &str) -> Result<Secret, String> {
        Ok(Secret::new(format!("value-of-{name}")))
    }

    fn file(&self, path: &Path) -> Result<Secret, String> {
        Ok(Secret::new(format!("text-of-{}", path.display())))
    }
}

const APPLY: Options = Options {
    prune: false,
    skip_validation: true,
};
const PRUNE: Options = Options {
    prune: true,
    skip_validation: true,
};

/// How many cases are generated.
#[expect(clippy::disallowed_methods, reason = "the environment says how long to test")]
fn cases(usual: u64) -> u64 {
    let cases = std::env::var("GATEWRIGHT_DECLARED_CASES");
    cases.ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn operator() -> Authority {
    Authority::operator(Origin::Cli)
}

/// The declaration of a document.
fn document(text: &str) -> Declaration {
    let mut read =
        read("acme.yaml", Path::new("/declared"), text).unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
    assert_eq!(read.len(), 1);
    read.remove(0)
}

/// The declaration of a model, through its text.
fn declaration(project: &model::Project) -> Declaration {
    let text = write(project);
    let declaration = document(&text);
    assert_eq!(&declaration.project, project, "{text}");
    declaration
}

async fn planned(bench: &Bench, declaration: &Declaration, options: Options) -> Result<Outcome, ApplyError> {
    plan(&bench.app, &operator(), declaration, &Named, options).await
}

/// Plans and applies it.
async fn applied(bench: &Bench, declaration: &Declaration, options: Options) -> Result<Outcome, ApplyError> {
    let plan = planned(bench, declaration, options).await?;
    bench.clock.advance(std::time::Duration::from_millis(7));
    apply(&bench.app, &operator(), declaration, &Named, options, &plan).await
}

/// The document of a project.
async fn exported(bench: &Bench, project: &str, references: References) -> String {
    let exported = export(&bench.app, &operator(), Some(project), references).await;
    exported.unwrap().remove(0).text
}
