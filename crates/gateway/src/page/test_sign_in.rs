//! The pages of a test sign-in: what will happen, and what happened. Administrators read them, so that the second shows
//! the exact reason of a failure, which pages for other people do not.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{STYLE, render};
use crate::test_report::{Fit, Report, ReportedClaim};

/// How much of a value the table shows, in characters.
const SHOWN: usize = 240;

/// What the page says on which a test begins.
#[derive(Debug, Clone)]
pub(crate) struct TestPage<'a> {
    /// The source's name.
    pub source_name: &'a str,
    /// Its issuer.
    pub issuer: &'a str,
    /// The host of that.
    pub host: &'a str,
    /// Where the provider sends people back to.
    pub redirect_url: &'a str,
    /// Where the form goes: a path of ours.
    pub action: &'a str,
}

#[derive(Template)]
#[template(path = "test_sign_in.html")]
struct TestTemplate<'a> {
    style: &'static str,
    page: &'a TestPage<'a>,
}

#[derive(Template)]
#[template(path = "test_report.html")]
struct ReportTemplate<'a> {
    style: &'static str,
    report: &'a Report,
    failure: Option<Failure<'a>>,
    warnings: Vec<Warning<'a>>,
    rows: Vec<Row<'a>>,
}

/// Why it failed.
struct Failure<'a> {
    reason: Vec<Part<'a>>,
    advice: Vec<Part<'a>>,
    reference: Option<&'a str>,
}

/// Something to know.
struct Warning<'a> {
    found: Vec<Part<'a>>,
    remedy: Vec<Part<'a>>,
}

/// A piece of a sentence, or what stands between backticks in it.
struct Part<'a> {
    text: &'a str,
    is_code: bool,
}

/// A claim as the table shows it.
struct Row<'a> {
    name: &'a str,
    value: String,
    is_subject: bool,
    mark: &'static str,
    detail: &'a str,
}

/// Renders the page on which a test begins.
pub(crate) fn test_sign_in(page: &TestPage<'_>) -> Response {
    render(StatusCode::OK, &TestTemplate { style: STYLE, page })
}

/// Renders the report of a test.
pub(crate) fn test_report(report: &Report) -> Response {
    let status = match report.failure {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let reason = report
        .failure
        .as_ref()
        .map(|failure| sentence(&failure.reason))
        .unwrap_or_default();
    let template = ReportTemplate {
        style: STYLE,
        report,
        failure: report.failure.as_ref().map(|failure| Failure {
            reason: parts(&reason),
            advice: parts(&failure.advice),
            reference: failure.reference.as_deref(),
        }),
        warnings: report
            .warnings
            .iter()
            .map(|warning| Warning {
                found: parts(&warning.found),
                remedy: parts(&warning.remedy),
            })
            .collect(),
        rows: report.claims.iter().map(row).collect(),
    };
    render(status, &template)
}

/// The value of a claim as a table shows it, cut where it is long.
pub fn shown_value(claim: &ReportedClaim) -> String {
    let full = match &claim.value {
        None => "(too long to show)".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut value: String = full.chars().take(SHOWN).collect();
    if full.chars().nth(SHOWN).is_some() {
        value.push('…');
    }
    value
}

fn row(claim: &ReportedClaim) -> Row<'_> {
    Row {
        name: &claim.name,
        value: shown_value(claim),
        is_subject: claim.is_subject,
        mark: match claim.fit {
            Fit::Usable => "Usable",
            Fit::Discouraged => "Better not",
            Fit::Unusable => "Not usable",
        },
        detail: &claim.detail,
    }
}

/// A reason as the log has it, made a sentence.
pub fn sentence(reason: &str) -> String {
    let mut characters = reason.chars();
    let first = characters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

fn parts(text: &str) -> Vec<Part<'_>> {
    text.split('`')
        .enumerate()
        .map(|(index, text)| Part {
            text,
            is_code: index % 2 == 1,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_a_sentence_and_what_is_quoted_becomes_code() {
        assert_eq!(sentence("`iss` is wrong"), "`iss` is wrong.");
        assert_eq!(sentence("the code ran out"), "The code ran out.");
        assert_eq!(sentence(""), ".");
        let parts = parts("set `openid`, please");
        let shown: Vec<_> = parts.iter().map(|part| (part.text, part.is_code)).collect();
        assert_eq!(shown, [("set ", false), ("openid", true), (", please", false)]);
    }
}
