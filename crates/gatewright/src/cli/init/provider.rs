//! The identity provider: it is checked as soon as its issuer is known.

use std::{
    fmt::Write as _,
    io::{BufRead, Write},
    sync::Arc,
};

use anyhow::bail;
use gatewright_domain::{
    clock::SystemClock,
    entropy::SystemEntropy,
    registration::AuthenticationChoice,
    user_source::{check_issuer, check_scopes},
};
use gatewright_identity::{
    Providers,
    check::{self, Candidate, CheckResult, Outcome},
};

use super::questions::Questions;
use crate::{config::Config, fetch::Fetch};

/// The claim by which users are known unless a User Source says otherwise.
const SUBJECT_CLAIM: &str = "sub";

/// The issuer: from the flag, or from the person; its provider is checked and can be used.
pub(super) async fn issuer(
    given: Option<String>,
    mut questions: Option<&mut Questions<impl BufRead, impl Write>>,
    public_url: &str,
) -> anyhow::Result<Option<String>> {
    if let Some(issuer) = given {
        let (can_be_used, found) = examine(&issuer, public_url).await?;
        if !can_be_used {
            bail!(
                "the provider of {issuer} cannot be used:\n{found}Correct --issuer, or leave it out and create the User Source later"
            );
        }
        eprint!("{issuer}\n{found}");
        return Ok(Some(issuer));
    }
    let Some(questions) = questions.as_mut() else {
        return Ok(None);
    };
    loop {
        let question = "Issuer URL of the identity provider where users sign in, to check it now";
        let issuer = questions.ask(question, "")?;
        if issuer.is_empty() {
            return Ok(None);
        }
        let (can_be_used, found) = examine(&issuer, public_url).await?;
        questions.say(found.trim_end())?;
        if can_be_used {
            return Ok(Some(issuer));
        }
        questions.say("  Correct it, or press Enter to go on without.")?;
    }
}

/// Whether the provider can be used, and what was found, one line each.
async fn examine(issuer: &str, public_url: &str) -> anyhow::Result<(bool, String)> {
    if let Err(invalid) = check_issuer("", issuer) {
        let details: Vec<&str> = invalid
            .violations()
            .iter()
            .map(|violation| violation.detail.as_str())
            .collect();
        return Ok((false, format!("  {}\n", details.join(" "))));
    }
    let mut config = Config::default();
    public_url.clone_into(&mut config.server.public_url);
    let fetch = Fetch::new(&config)?;
    let is_loopback = config.is_loopback();
    let providers =
        Providers::without_core(fetch, Arc::new(SystemClock), Arc::new(SystemEntropy), is_loopback);
    let scopes = check_scopes("", Vec::new())?;
    let candidate = Candidate {
        issuer,
        scopes: &scopes,
        subject_claim: SUBJECT_CLAIM,
        // Whether it shares its redirect URL with others is decided when the User Source is created.
        unnamed: None,
        client_authentication: AuthenticationChoice::default(),
    };
    Ok(tell(&check::check(&providers, None, candidate).await))
}

fn tell(results: &[CheckResult]) -> (bool, String) {
    let mut text = String::new();
    let mut can_be_used = true;
    for result in results {
        let (mark, found, remedy) = match &result.outcome {
            Outcome::Passed => ("ok  ", result.name.when_passed(), ""),
            Outcome::Warning(finding) => ("warn", finding.found.as_str(), finding.remedy.as_str()),
            Outcome::Failed(finding) => {
                can_be_used = false;
                ("FAIL", finding.found.as_str(), finding.remedy.as_str())
            }
            Outcome::Skipped => continue,
        };
        let _ = writeln!(text, "  {mark}  {}", format!("{found} {remedy}").trim_end());
    }
    (can_be_used, text)
}
