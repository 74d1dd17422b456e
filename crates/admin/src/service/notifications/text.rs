//! The words of an e-mail.

use std::fmt::Write as _;

use super::{Told, ToldIncident};

/// Subject and text of a message.
pub(super) fn of(told: &Told, public_url: &str) -> (String, String) {
    let mut text = String::new();
    section(&mut text, "Needs attention", &told.begun);
    section(&mut text, "Over", &told.recovered);
    // Writing to a String never fails.
    let _ = writeln!(
        text,
        "This is an automatic message of {public_url}. Its recipients are in notifications.email."
    );
    (subject(told), text)
}

fn subject(told: &Told) -> String {
    let (begun, over) = (told.begun.len(), told.recovered.len());
    match (told.begun.as_slice(), told.recovered.as_slice()) {
        ([one], []) => format!("{}: {}", one.subject.name, one.what.trim_end_matches('.')),
        ([], [one]) => format!("{}: over ({})", one.subject.name, one.what.trim_end_matches('.')),
        (_, []) => format!("{begun} incidents need attention"),
        ([], _) => format!("{over} incidents are over"),
        _ => format!("{begun} need attention, {over} are over"),
    }
}

fn section(text: &mut String, title: &str, incidents: &[ToldIncident]) {
    if incidents.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}\n");
    for incident in incidents {
        let place = incident
            .project
            .as_ref()
            .map(|project| format!(" ({})", project.name))
            .unwrap_or_default();
        let _ = writeln!(text, "{}{place}: {}", incident.subject.name, incident.what);
        let _ = match &incident.recovered_at {
            None => writeln!(text, "Since {}. {}", incident.began_at, incident.remedy),
            Some(at) => writeln!(text, "From {} to {at}.", incident.began_at),
        };
        if let Some(url) = &incident.url {
            let _ = writeln!(text, "{url}");
        }
        text.push('\n');
    }
}
