//! Attempts to sign in, step by step, for an administrator who has to find out why someone could not sign in. They contain
//! no secret, code, token or claim value; the subject is read from the user that the attempt led to.

mod step;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    id::{AttemptId, GatewayId, ProjectId, UserId, UserSourceId},
    reference::Reference,
    words::worded,
};

pub use step::{Step, StepFailure, StepRecord};

/// An attempt without activity for longer than this was abandoned. Consent pages, the visit to the provider and
/// codes all expire sooner.
pub const GIVEN_UP_AFTER: Duration = Duration::from_mins(11);

/// What is known about an attempt from its beginning. It travels with the sign-in, so that the process that continues it can
/// write to the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptHead {
    /// The id.
    pub id: AttemptId,
    /// The project.
    pub project_id: ProjectId,
    /// The gateway.
    pub gateway_id: GatewayId,
    /// The source that was asked, if any.
    pub user_source_id: Option<UserSourceId>,
    /// The reference that its pages show; `None` if only a later part of it is known.
    pub reference: Option<Reference>,
    /// The client, in the short form that tokens use.
    pub client_id: String,
    /// The name reported by the client, unverified.
    pub client_name: String,
    /// When it began.
    pub started_at: Timestamp,
}

/// The progress of an attempt, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Neither yet.
    InProgress,
    /// Something failed, and nothing has fixed it since.
    Failed,
    /// The app has its tokens. Nothing later changes that.
    Succeeded,
}

impl Progress {
    /// The combined progress of two parts of one attempt: a failed sign-in may still succeed, by a reload.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Succeeded, _) | (_, Self::Succeeded) => Self::Succeeded,
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::InProgress, Self::InProgress) => Self::InProgress,
        }
    }
}

worded! {
    /// The current state of an attempt.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Outcome {
        /// It is in progress.
        InProgress = "in_progress", "Under way";
        /// The app has its tokens.
        Succeeded = "succeeded", "Signed in";
        /// It failed.
        Failed = "failed", "Failed";
        /// There was no activity for longer than any step takes.
        Abandoned = "abandoned", "Given up";
    }
}

/// A part of an attempt, as one process saw it; parts are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPart {
    /// What is known from its beginning.
    pub head: AttemptHead,
    /// Who signed in, once that is known.
    pub user_id: Option<UserId>,
    /// Its progress.
    pub progress: Progress,
    /// The time of its last activity.
    pub updated_at: Timestamp,
    /// The steps.
    pub steps: Vec<StepRecord>,
}

/// An attempt as currently known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInAttempt {
    /// All that was recorded.
    pub part: AttemptPart,
    /// The subject of the user, as long as the user exists.
    pub subject: Option<String>,
    /// Whether it is in the database; before *Allow* it is only in the memory of one process.
    pub stored: bool,
}

impl AttemptPart {
    /// Adds a step. The step shows a failure; only the caller knows about success.
    pub fn add(&mut self, record: StepRecord) {
        let ended = record.at.plus(Duration::from_millis(record.duration_ms));
        self.updated_at = self.updated_at.max(ended);
        if record.failure.is_some() {
            self.progress = self.progress.and(Progress::Failed);
        }
        self.steps.push(record);
    }

    /// Merges a later part.
    pub fn add_part(&mut self, later: Self) {
        self.user_id = later.user_id.or(self.user_id);
        self.progress = self.progress.and(later.progress);
        self.updated_at = self.updated_at.max(later.updated_at);
        self.steps.extend(later.steps);
    }

    /// Sorts the steps by time. Each process may see a first call; only the first one counts.
    pub fn put_in_order(&mut self) {
        self.steps.sort_by_key(|record| record.at);
        let mut called = false;
        self.steps
            .retain(|record| record.step != Step::FirstCall || !std::mem::replace(&mut called, true));
    }
}

impl SignInAttempt {
    /// Its state at `now`.
    pub fn outcome(&self, now: Timestamp) -> Outcome {
        match self.part.progress {
            Progress::Succeeded => Outcome::Succeeded,
            Progress::Failed => Outcome::Failed,
            Progress::InProgress if now.since(self.part.updated_at) > GIVEN_UP_AFTER => Outcome::Abandoned,
            Progress::InProgress => Outcome::InProgress,
        }
    }

    /// Why it did not succeed: the failed step that counts, or where it was abandoned.
    pub fn failure(&self, now: Timestamp) -> Option<(Step, StepFailure)> {
        match self.outcome(now) {
            Outcome::InProgress | Outcome::Succeeded => None,
            Outcome::Failed => self
                .part
                .steps
                .iter()
                .rev()
                .find_map(|record| record.failure.clone().map(|failure| (record.step, failure))),
            Outcome::Abandoned => self
                .part
                .steps
                .last()
                .map(|record| (record.step, step::given_up_after(record.step))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::FixedClock, entropy::SeededEntropy};

    fn attempt(steps: Vec<StepRecord>) -> SignInAttempt {
        let (clock, entropy) = (FixedClock::at_seconds(100), SeededEntropy::new(1));
        let mut part = AttemptPart {
            head: AttemptHead {
                id: AttemptId::generate(&clock, &entropy),
                project_id: ProjectId::generate(&clock, &entropy),
                gateway_id: GatewayId::generate(&clock, &entropy),
                user_source_id: None,
                reference: None,
                client_id: "client".to_owned(),
                client_name: "Client".to_owned(),
                started_at: Timestamp::from_seconds(100),
            },
            user_id: None,
            progress: Progress::InProgress,
            updated_at: Timestamp::from_seconds(100),
            steps: Vec::new(),
        };
        for step in steps {
            part.add(step);
        }
        part.put_in_order();
        SignInAttempt {
            part,
            subject: None,
            stored: true,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn the_failure_that_counts_is_the_last_one() {
        let attempt = attempt(vec![
            StepRecord::done(Step::IdToken, at(120)).failed("second", "do this"),
            StepRecord::done(Step::Callback, at(110)).failed("first", "do that"),
            StepRecord::done(Step::Authorize, at(100)),
        ]);
        assert_eq!(attempt.outcome(at(9_999)), Outcome::Failed);
        let (step, failure) = attempt.failure(at(9_999)).unwrap();
        assert_eq!((step, failure.reason.as_str()), (Step::IdToken, "second"));
        let order: Vec<_> = attempt.part.steps.iter().map(|record| record.step).collect();
        assert_eq!(order, [Step::Authorize, Step::Callback, Step::IdToken]);
    }

    #[test]
    fn success_is_final_and_an_attempt_without_activity_is_abandoned() {
        let mut succeeded = attempt(vec![
            StepRecord::done(Step::Callback, at(110)).failed("no cookie", ""),
        ]);
        succeeded.part.progress = succeeded.part.progress.and(Progress::Succeeded);
        succeeded
            .part
            .add(StepRecord::done(Step::Callback, at(130)).failed("again", ""));
        assert_eq!(succeeded.outcome(at(9_999)), Outcome::Succeeded);
        assert_eq!(succeeded.failure(at(9_999)), None);
        let open = attempt(vec![
            StepRecord::done(Step::Redirect, at(110)).lasting(Duration::from_secs(10)),
        ]);
        assert_eq!(open.outcome(at(120 + 11 * 60)), Outcome::InProgress);
        assert_eq!(open.outcome(at(121 + 11 * 60)), Outcome::Abandoned);
        let (step, failure) = open.failure(at(9_999)).unwrap();
        assert_eq!(step, Step::Redirect);
        assert!(failure.advice.contains("redirect URL"));
    }

    #[test]
    fn of_several_first_calls_the_first_counts() {
        let attempt = attempt(vec![
            StepRecord::done(Step::FirstCall, at(130)),
            StepRecord::done(Step::FirstCall, at(110)),
        ]);
        assert_eq!(attempt.part.steps, [StepRecord::done(Step::FirstCall, at(110))]);
    }

    #[test]
    fn a_step_reads_back_and_its_texts_are_bounded() {
        let record = StepRecord::done(Step::Keys, at(5))
            .with_detail(&"x".repeat(1_000))
            .failed(&"y".repeat(1_000), "z");
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.len() < 800);
        assert_eq!(serde_json::from_str::<StepRecord>(&json).unwrap(), record);
    }
}
