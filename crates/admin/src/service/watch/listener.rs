//! The certificate of this instance: whether it expires soon, and whether a newer one that was expected is missing. Each replica
//! notes what it presents itself.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use gatewright_core::tls::Standing;
use gatewright_domain::{
    Timestamp,
    incident::{IncidentKind, Observation},
};

use super::{
    Seen,
    certificates::{NOTED_EVERY, SOON},
};
use crate::Admin;

/// The subject of these incidents.
pub(super) const SUBJECT: &str = "tls";
const KINDS: [IncidentKind; 2] = [
    IncidentKind::CertificateExpires,
    IncidentKind::CertificateNotRenewed,
];

/// What was noted last, and when, by kind.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<HashMap<IncidentKind, (bool, Timestamp)>>);

/// What is new about the certificate that this replica presents.
pub(super) fn seen(app: &Admin) -> Vec<Seen> {
    let Some(standing) = app.tls.standing() else {
        return Vec::new();
    };
    let noted = app
        .watch
        .listener
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let now = app.now();
    KINDS
        .into_iter()
        .filter_map(|kind| {
            let wrong = wrong(kind, &standing, now);
            let is_new = noted.get(&kind).is_none_or(|(was_wrong, at)| {
                *was_wrong != wrong.is_some() || (wrong.is_some() && now.since(*at) >= NOTED_EVERY)
            });
            is_new.then(|| match wrong {
                Some((what, remedy)) => Seen::Observed(
                    Observation {
                        project_id: None,
                        kind,
                        subject_id: SUBJECT.to_owned(),
                        subject_name: app.config.public_host(),
                        what,
                        remedy,
                        at: now,
                    }
                    .bounded(),
                ),
                None => Seen::Recovered {
                    kind,
                    subject_id: SUBJECT.to_owned(),
                    at: now,
                },
            })
        })
        .collect()
}

/// What is wrong, and what to do.
fn wrong(kind: IncidentKind, standing: &Standing, now: Timestamp) -> Option<(String, String)> {
    if kind == IncidentKind::CertificateNotRenewed {
        let problem = standing.problem.as_ref()?;
        return Some((format!("{}.", problem.what), problem.remedy.to_owned()));
    }
    // One that is renewed automatically, as a rule for a short time, has an incident of its own if that fails.
    let validity = standing.validity?;
    let lifetime = validity.not_after.since(validity.not_before);
    (validity.not_after < now.plus(SOON.min(lifetime / 4))).then(|| {
        (
            format!(
                "The certificate of this instance expires at {}.",
                validity.not_after.to_rfc3339()
            ),
            "Renew it and replace its files: they are read again automatically. If that happens automatically, find out why it \
             did not."
                .to_owned(),
        )
    })
}

/// Remembers what has been noted.
pub(super) fn remember(app: &Admin, seen: &[Seen]) {
    let mut noted = app
        .watch
        .listener
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for each in seen {
        match each {
            Seen::Observed(observed) if observed.subject_id == SUBJECT => {
                noted.insert(observed.kind, (true, observed.at));
            }
            Seen::Recovered { kind, subject_id, at } if subject_id == SUBJECT => {
                noted.insert(*kind, (false, *at));
            }
            Seen::Observed(_) | Seen::Recovered { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_core::{tls::Problem, x509::Validity};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_hours(24);

    fn standing(days: u32, left: u32) -> Standing {
        Standing {
            source: "files",
            validity: Some(Validity {
                not_before: NOW.minus(DAY * (days - left)),
                not_after: NOW.plus(DAY * left),
            }),
            problem: None,
        }
    }

    #[test]
    fn a_certificate_expires_soon_by_its_days_or_by_its_life() {
        let expires =
            |days, left| wrong(IncidentKind::CertificateExpires, &standing(days, left), NOW).is_some();
        assert!(expires(365, 13) && !expires(365, 15));
        // One that lives for six days is renewed with two left.
        assert!(expires(6, 1) && !expires(6, 2));
        let (what, _) = wrong(IncidentKind::CertificateExpires, &standing(365, 13), NOW).unwrap();
        assert!(what.contains("2027-01-28"), "{what}");
        // There is nothing that could expire, and another incident says why.
        let none = Standing {
            validity: None,
            ..standing(1, 1)
        };
        assert_eq!(wrong(IncidentKind::CertificateExpires, &none, NOW), None);
    }

    #[test]
    fn why_there_is_no_newer_one_is_told_with_the_remedy() {
        let failing = Standing {
            problem: Some(Problem {
                what: "the authority is away".to_owned(),
                remedy: "Wait.",
            }),
            ..standing(90, 60)
        };
        let kind = IncidentKind::CertificateNotRenewed;
        let told = wrong(kind, &failing, NOW).unwrap();
        assert_eq!(told, ("the authority is away.".to_owned(), "Wait.".to_owned()));
        assert_eq!(wrong(kind, &standing(90, 60), NOW), None);
    }
}
