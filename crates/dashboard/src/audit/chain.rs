//! What pages say about the chain of their events: whether it was checked, when, and what was found.

use askama::Template;
use gatewright_domain::{Timestamp, id::ProjectId};
use gatewright_store::audit::Head;

use crate::{
    Admin,
    error::PageError,
    moment::Moment,
    service::{Authority, audit_events as service},
};

/// The sentence about a chain.
#[derive(Debug, Template)]
#[template(path = "dashboard/audit/chain.html")]
pub(crate) struct Chain {
    checked: Option<Checked>,
}

#[derive(Debug)]
struct Checked {
    at: Moment,
    seq: i64,
    faults: u64,
}

impl Chain {
    /// Of a project, or (`None`) of the instance.
    pub(crate) async fn read(
        app: &Admin,
        authority: &Authority,
        project: Option<ProjectId>,
    ) -> Result<Self, PageError> {
        let head = service::chain(app, authority, project).await?;
        Ok(Self::of(head.as_ref(), app.now()))
    }

    fn of(head: Option<&Head>, now: Timestamp) -> Self {
        let check = head.and_then(|head| head.check);
        Self {
            checked: check.map(|check| Checked {
                at: Moment::new(check.at, now),
                seq: check.seq,
                faults: check.faults,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_store::audit::Check;

    use super::*;

    fn page(check: Option<Check>) -> String {
        let head = Head {
            chain: String::new(),
            seq: 12,
            digest: "v1.digest".to_owned(),
            base_seq: 0,
            base_digest: "v1.genesis".to_owned(),
            check,
        };
        let now = Timestamp::from_seconds(1_800_000_000);
        Chain::of(Some(&head), now).render().unwrap()
    }

    #[test]
    fn a_page_says_whether_the_chain_was_checked_and_what_was_found() {
        let check = |faults| Check {
            at: Timestamp::from_seconds(1_800_000_000 - 7_200),
            seq: 12,
            faults,
        };
        assert!(page(None).contains("not been checked yet"));
        let good = page(Some(check(0)));
        assert!(
            good.contains("2 hours ago") && good.contains("none of them was changed"),
            "{good}"
        );
        assert!(!good.contains("role=\"alert\""), "{good}");
        let bad = page(Some(check(3)));
        assert!(bad.contains("role=\"alert\"") && bad.contains("3 signs"), "{bad}");
    }
}
