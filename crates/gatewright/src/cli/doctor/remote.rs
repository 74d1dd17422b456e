//! Checks over the network: the public URL, each User Source's provider and its clock, each server.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gatewright_domain::{
    Timestamp,
    id::ProjectId,
    user_source::{UserSource, UserSourceStatus},
};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::report::Report;
use gatewright_admin::Admin;

use crate::{
    directory::ServerEntry,
    fetch::{FetchError, Limits, Policy},
    relying_party::check::{Candidate, CheckResult, Outcome, check},
};

/// The number of checks that run at the same time.
const AT_ONCE: usize = 8;
const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(10),
    body: 512 * 1024,
};
/// ID tokens are accepted with clocks this far apart.
const MAX_SKEW: Duration = Duration::from_mins(1);

fn get(url: &str) -> Result<Request<Full<Bytes>>, FetchError> {
    Request::get(url)
        .body(Full::default())
        .map_err(|_| FetchError::Refused(format!("{url} is not a URL")))
}

/// Checks whether clients find this instance under its public URL.
pub(super) async fn public_url(report: &mut Report<impl Write>, app: &Admin) {
    let url = format!("{}/healthz", app.config.public_url());
    let listen = app.config.server.listen;
    let answer = match get(&url) {
        Ok(request) => app.fetch.buffered(Policy::Operator, request, LIMITS).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) if answer.status() == StatusCode::OK && answer.body().as_ref() == b"{\"status\":\"ok\"}" => {
            report.good("public URL", format!("{} responds", app.config.public_url()));
        }
        Ok(answer) => report.bad(
            "public URL",
            format!("{url} returns status {}, but the response is not from this program", answer.status().as_u16()),
            &format!("Another service uses this address. Configure the reverse proxy to forward every path to {listen}"),
        ),
        Err(error) => report.bad(
            "public URL",
            error.to_string(),
            &format!(
                "Check that `gatewright serve` is running, that DNS and firewall lead to the reverse proxy, and that the proxy \
                 forwards every path to {listen}"
            ),
        ),
    }
}

/// Checks the provider of each User Source, and compares our clock with theirs.
pub(super) async fn user_sources(report: &mut Report<impl Write>, app: &Admin) {
    let Ok(directory) = app.core().directory.current() else {
        return;
    };
    let mut sources: Vec<Arc<UserSource>> = directory.sources().cloned().collect();
    drop(directory);
    sources.sort_by_key(|source| source.id);
    let checked = stream::iter(&sources).map(async |source| {
        let candidate = Candidate {
            issuer: &source.issuer,
            scopes: &source.scopes,
            subject_claim: &source.subject_claim,
            callback: source.callback,
            client_authentication: source.client_authentication.choice,
        };
        (source, check(app, candidate).await)
    });
    let mut checked = checked.buffered(AT_ONCE);
    let names = project_names(app, sources.iter().map(|source| source.project_id)).await;
    while let Some((source, results)) = checked.next().await {
        let subject = format!("User Source {:?}{}", source.name, of(&names, source.project_id));
        tell_source(report, &subject, source, &results);
    }
    let issuers: BTreeSet<&str> = sources.iter().map(|source| source.issuer.as_str()).collect();
    let skews = stream::iter(issuers).map(async |issuer| (issuer, clock_skew(app, issuer).await));
    let mut skews = skews.buffered(AT_ONCE);
    while let Some((issuer, skew)) = skews.next().await {
        match skew {
            Some(skew) if skew > MAX_SKEW => report.warn(
                "clock",
                format!("it differs from that of {issuer} by {} seconds", skew.as_secs()),
                "Sign-ins fail if the clocks differ by more than a minute. Set the clock of this machine with NTP or chrony",
            ),
            Some(_) => report.good("clock", format!("matches that of {issuer}")),
            // The provider is unreachable, which was reported above, or it sends no date.
            None => {}
        }
    }
}

/// The names of projects. Those that cannot be read are left out: the check of the database reports why.
async fn project_names(
    app: &Admin,
    projects: impl Iterator<Item = ProjectId>,
) -> BTreeMap<ProjectId, String> {
    let mut names = BTreeMap::new();
    let Ok(mut tx) = app.core().store.read().await else {
        return names;
    };
    for id in projects.collect::<BTreeSet<_>>() {
        if let Ok(Some(project)) = gatewright_store::project::find(&mut tx, id).await {
            names.insert(id, project.name);
        }
    }
    names
}

fn of(names: &BTreeMap<ProjectId, String>, project: ProjectId) -> String {
    names
        .get(&project)
        .map(|name| format!(" of {name:?}"))
        .unwrap_or_default()
}

fn tell_source(report: &mut Report<impl Write>, subject: &str, source: &UserSource, results: &[CheckResult]) {
    let mut good = true;
    if source.client_secret.needs_attention() {
        good = false;
        report.warn(
            subject,
            "the provider refused the client secret at the last sign-in",
            "Enter a client secret that is valid at the provider",
        );
    }
    for result in results {
        match &result.outcome {
            Outcome::Passed | Outcome::Skipped => {}
            Outcome::Warning(finding) => report.warn(subject, &finding.found, &finding.remedy),
            Outcome::Failed(finding) => {
                good = false;
                match source.status {
                    UserSourceStatus::Active => report.bad(subject, &finding.found, &finding.remedy),
                    UserSourceStatus::Inactive => report.warn(subject, &finding.found, &finding.remedy),
                }
            }
        }
    }
    if good {
        report.good(subject, format!("{} passes all checks", source.issuer));
    }
}

/// The difference between our clock and the provider's, from the `Date` of its discovery document (RFC 9110 section 6.6.1).
async fn clock_skew(app: &Admin, issuer: &str) -> Option<Duration> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let answer = app
        .fetch
        .buffered(Policy::Operator, get(&url).ok()?, LIMITS)
        .await
        .ok()?;
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    let theirs = parse_http_date(date)?;
    let ours = app.now();
    Some(ours.since(theirs).max(theirs.since(ours)))
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    // `GMT` is an obsolete zone of RFC 2822, which the parser knows.
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Some(Timestamp::from_seconds(at.unix_timestamp()))
}

/// Checks whether each server responds.
pub(super) async fn servers(report: &mut Report<impl Write>, app: &Admin) {
    let Ok(directory) = app.core().directory.current() else {
        return;
    };
    let servers: Vec<Arc<ServerEntry>> = directory.servers().to_vec();
    drop(directory);
    let names = project_names(app, servers.iter().map(|entry| entry.server.project_id)).await;
    let mut answers = stream::iter(&servers)
        .map(async |entry| (entry, probe(app, entry).await))
        .buffered(AT_ONCE);
    while let Some((entry, answer)) = answers.next().await {
        let subject = format!(
            "server {:?}{}",
            entry.server.slug,
            of(&names, entry.server.project_id)
        );
        match answer {
            Err(error) => report.bad(
                &subject,
                error.to_string(),
                "Check its URL, that it is running, and that firewalls allow connections from this machine",
            ),
            Ok(status) => tell_server(report, &subject, &entry.server.url, status),
        }
        if let Some(problem) = &entry.problem {
            report.bad(&subject, problem, "Until this is fixed, gateways do not call it");
        }
    }
}

fn tell_server(report: &mut Report<impl Write>, subject: &str, url: &str, status: StatusCode) {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => report.warn(
            subject,
            format!(
                "{url} responds, but refuses the request (status {})",
                status.as_u16()
            ),
            "Check the server's custom headers and the secrets they refer to",
        ),
        StatusCode::NOT_FOUND => report.warn(
            subject,
            format!("its host responds, but returned 404 for the request to {url}"),
            "Check the path of the server's URL; it often ends in /mcp",
        ),
        _ if status.is_server_error() => report.bad(
            subject,
            format!("{url} returns status {}", status.as_u16()),
            "Check the log of that server",
        ),
        _ if status.is_redirection() => report.bad(
            subject,
            format!("{url} redirects elsewhere, and redirects are not followed"),
            "Enter the URL it redirects to",
        ),
        _ => report.good(subject, format!("{url} responds")),
    }
}

/// Sends a request that changes nothing: it asks for a stream and drops it. Servers without one return 405.
async fn probe(app: &Admin, entry: &ServerEntry) -> Result<StatusCode, FetchError> {
    let mut request = get(&entry.server.url)?;
    let headers = request.headers_mut();
    for (name, value) in &entry.headers {
        headers.append(name, value.clone());
    }
    headers.insert(
        header::ACCEPT,
        http::HeaderValue::from_static("text/event-stream"),
    );
    let answer = app.fetch.streaming(request, LIMITS.deadline).await?;
    Ok(answer.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let at = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(at.as_seconds(), 784_111_777);
        assert!(parse_http_date("yesterday").is_none());
    }
}
