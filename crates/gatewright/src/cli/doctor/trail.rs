//! The check of the audit trail.

use std::io::Write;

use gatewright_store::{
    StoreError,
    audit::{self, Known, named},
};

use super::report::Report;
use gatewright_admin::Admin;

/// Checks every chain.
pub(super) async fn check(report: &mut Report<impl Write>, app: &Admin) {
    match read(app).await {
        Ok(reports) => tell(report, &reports),
        Err(error) => report.bad(
            "audit trail",
            format!("{:#}", anyhow::Error::from(error)),
            "Check the database",
        ),
    }
}

async fn read(app: &Admin) -> Result<Vec<audit::Report>, StoreError> {
    let mut tx = app.core().store.read().await?;
    let chains = audit::chains(&mut tx).await?;
    drop(tx);
    let mut reports = Vec::new();
    for chain in chains {
        reports.push(audit::check(&app.core().store, &chain, Known::at(app.now())).await?);
    }
    Ok(reports)
}

fn tell(report: &mut Report<impl Write>, reports: &[audit::Report]) {
    let events: u64 = reports.iter().map(|found| found.events).sum();
    let faulty = reports.iter().find(|found| found.fault_count > 0);
    match faulty {
        None => report.good("audit trail", format!("{events} events, none was changed")),
        Some(found) => {
            let first = found.faults.first().map(ToString::to_string).unwrap_or_default();
            report.bad(
                "audit trail",
                format!("it was changed outside Gatewright. {}: {first}", named(&found.chain)),
                "Find out who can write to the database. Run `gatewright audit verify` for everything that was found",
            );
        }
    }
}
