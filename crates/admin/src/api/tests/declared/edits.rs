//! Generated edits: a plan says what applying it does, and applying it again does nothing.

use gatewright_domain::audit::AuditEvent;
use gatewright_store::{PageRequest, audit::AuditFilter};

use super::{
    APPLY, Bench, Named, PRUNE, applied, cases, declaration,
    generated::{Dice, edited, project},
    instance::{answers, id_of, on_both_stores},
    operator, planned,
};
use crate::{
    declared::model::Project,
    service::{
        audit_events,
        declared::{ApplyError, Outcome, apply},
    },
};

on_both_stores! {
    a_plan_says_what_applying_does;
}

async fn a_plan_says_what_applying_does(bench: &Bench, _: &Bench) {
    let cases = cases(40);
    let mut dice = Dice::new(7);
    let mut before = project(&mut dice, "Edited", "e");
    let first = applied(bench, &declaration(&before), APPLY).await.unwrap();
    assert!(first.steps.iter().any(|step| step.kind == "project"));
    let mut done = 0;
    for case in 0..cases {
        let after = edited(&mut dice, &before, "e");
        let options = if dice.once_in(3) { APPLY } else { PRUNE };
        let declaration = declaration(&after);
        let state = answers(bench, "Edited").await;
        let plan = planned(bench, &declaration, options).await;
        assert_eq!(
            answers(bench, "Edited").await,
            state,
            "case {case}: a plan changes nothing"
        );
        let plan = match plan {
            Ok(plan) => plan,
            // What cannot be planned says where in the file, and is not applied.
            Err(ApplyError::Faults(faults)) => {
                let is_explained =
                    |fault: &crate::declared::Fault| fault.line > 0 && !fault.detail.is_empty();
                assert!(faults.iter().all(is_explained), "{faults:?}");
                continue;
            }
            Err(ApplyError::Service(error)) => panic!("case {case}: {error}"),
        };
        let newest = events(bench).await.first().map(|event| event.id);
        bench.clock.advance(std::time::Duration::from_millis(5));
        let outcome = apply(&bench.app, &operator(), &declaration, &Named, options, &plan).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("case {case}: {error}\n{}", plan.shown()));
        assert_eq!(outcome.steps, plan.steps, "case {case}");
        let events = events(bench).await;
        let new = events.iter().take_while(|event| Some(event.id) != newest);
        is_what_events_show(&outcome, new.collect(), case);
        let again = planned(bench, &declaration, options).await.unwrap();
        assert!(again.steps.is_empty(), "case {case}: {:#?}", again.steps);
        done += 1;
        before = together(after, before);
    }
    assert!(done * 3 > cases, "only {done} of {cases} edits could be applied");
}

async fn events(bench: &Bench) -> Vec<AuditEvent> {
    let id = id_of(bench, "Edited").await;
    let page = PageRequest::first(200);
    let events = audit_events::list(&bench.app, &operator(), Some(id), &AuditFilter::default(), &page).await;
    events.unwrap().items
}

/// The steps are the events, with the same fields. Events of one moment are in no order.
fn is_what_events_show(outcome: &Outcome, new: Vec<&AuditEvent>, case: u64) {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for step in &outcome.steps {
        let fields = step.fields.iter().map(|change| change.field.as_str());
        told.push((format!("{}.{}", step.kind, step.verb), fields.collect()));
    }
    let mut shown: Vec<(String, Vec<&str>)> = Vec::new();
    for event in new {
        let fields = event.changes.iter().map(|change| change.field.as_str());
        let fields = fields.filter(|field| {
            let of_the_moment = [("user_source.", "verified_at"), ("invitation.", "expires_at")];
            let is_it = |(kind, name): &(&str, &str)| event.action.starts_with(kind) && field == name;
            !of_the_moment.iter().any(is_it)
        });
        shown.push((event.action.clone(), fields.collect()));
    }
    told.sort();
    shown.sort();
    assert_eq!(told, shown, "case {case}");
}

/// What the project has after an edit: lists that the file left out stayed.
fn together(after: Project, before: Project) -> Project {
    Project {
        secrets: after.secrets.or(before.secrets),
        user_sources: after.user_sources.or(before.user_sources),
        servers: after.servers.or(before.servers),
        gateways: after.gateways.or(before.gateways),
        members: after.members.or(before.members),
        keys: after.keys.or(before.keys),
        ..after
    }
}
