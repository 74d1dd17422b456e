//! Work on the audit trail: adding counted events to their chains, and checking the chains.

use std::time::Duration;

use gatewright_store::{
    StoreError, Urgency,
    audit::{self, Check, Known},
};

use gatewright_admin::Admin;

/// How often each chain is checked.
const CHECK_EVERY: Duration = Duration::from_hours(24);

/// Adds events to their chains that an older version wrote.
pub(super) async fn adopt_once(app: &Admin) -> Result<(), StoreError> {
    let adopted = audit::adopt(&app.core().store, app.clock.as_ref(), app.entropy.as_ref()).await?;
    if adopted > 0 {
        tracing::info!(
            events = adopted,
            "events of an older version were added to the chains of the audit trail"
        );
    }
    Ok(())
}

/// Adds events to their chains whose occurrences are no longer counted.
pub(super) async fn seal_once(app: &Admin) -> Result<(), StoreError> {
    audit::seal_due(&app.core().store, app.clock.as_ref(), app.entropy.as_ref()).await?;
    Ok(())
}

/// Checks the chains that were not checked for a day, here or at another replica.
pub(super) async fn check_once(app: &Admin) -> Result<(), StoreError> {
    let mut tx = app.core().store.write_for(Urgency::Program).await?;
    audit::add_missing(&mut tx).await?;
    tx.commit().await?;
    loop {
        let mut tx = app.core().store.write_for(Urgency::Program).await?;
        let claimed = audit::claim_check(&mut tx, app.now(), CHECK_EVERY).await?;
        tx.commit().await?;
        let Some(chain) = claimed else {
            return Ok(());
        };
        // After a long pause, there may be events that are no longer counted.
        seal_once(app).await?;
        let known = Known {
            is_sealed: true,
            ..Known::at(app.now())
        };
        let report = audit::check(&app.core().store, &chain, known).await?;
        if let Some(first) = report.faults.first() {
            tracing::error!(
                chain = audit::named(&chain),
                faults = report.fault_count,
                first = %first,
                "the audit trail was changed outside Gatewright; run `gatewright audit verify`"
            );
        }
        let check = Check {
            at: app.now(),
            seq: report.seq,
            faults: report.fault_count,
        };
        let mut tx = app.core().store.write_for(Urgency::Program).await?;
        audit::note_check(&mut tx, &chain, check).await?;
        tx.commit().await?;
    }
}

#[cfg(test)]
mod tests {
    use gatewright_admin::testing::TestAdmin;
    use gatewright_domain::audit::{Origin, TALLY_WINDOW};

    use super::*;
    use crate::operator::{
        Authority,
        projects::{self, NewProject},
    };

    async fn head(app: &Admin) -> audit::Head {
        let mut tx = app.core().store.read().await.unwrap();
        audit::find_head(&mut tx, None).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_chain_is_checked_once_a_day_and_what_is_found_is_kept() {
        let test = TestAdmin::new().await;
        let app = &test.app;
        let operator = Authority::operator(Origin::Cli);
        let new = |name: &str| NewProject {
            name: name.to_owned(),
        };
        projects::create(app, &operator, new("One")).await.unwrap();
        check_once(app).await.unwrap();
        let first = head(app).await;
        let check = first.check.unwrap();
        assert_eq!((check.at, check.seq, check.faults), (app.now(), first.seq, 0));

        let file = app.config.database.data_dir.join(crate::config::SQLITE_FILE);
        let outside = rusqlite::Connection::open(file).unwrap();
        let changed = outside.execute("UPDATE audit_events SET object_name = 'Another'", []);
        assert!(changed.unwrap() > 0);
        test.clock.advance(TALLY_WINDOW);
        check_once(app).await.unwrap();
        assert_eq!(head(app).await.check, Some(check), "not again on the same day");
        test.clock.advance(CHECK_EVERY);
        check_once(app).await.unwrap();
        let later = head(app).await.check.unwrap();
        assert_eq!(later.at, app.now());
        assert!(later.faults > 0);
    }

    #[tokio::test]
    async fn a_chain_whose_head_was_deleted_is_checked_all_the_same() {
        let test = TestAdmin::new().await;
        let app = &test.app;
        let operator = Authority::operator(Origin::Cli);
        let new = NewProject {
            name: "One".to_owned(),
        };
        projects::create(app, &operator, new).await.unwrap();
        let file = app.config.database.data_dir.join(crate::config::SQLITE_FILE);
        let outside = rusqlite::Connection::open(file).unwrap();
        assert!(outside.execute("DELETE FROM audit_heads", []).unwrap() > 0);
        check_once(app).await.unwrap();
        let check = head(app).await.check.unwrap();
        assert!(check.faults > 0 && check.seq > 0);
    }
}
