//! The rows that a request to a gateway leaves in the activity, once its answer has ended.

use std::time::Instant;

use gatewright_core::{
    recorded_body::HeldArguments,
    telemetry::{AskedFor, Decided, Notes, RequestRecord},
};
use gatewright_domain::{
    Timestamp,
    activity::{Activity, Outcome, RequestKind, RequestNumber, Rule},
    id::{GatewayId, ProjectId},
};
use gatewright_mcp::verdict::{AnswerReader, Verdict};
use http::{HeaderMap, header::CONTENT_TYPE};

/// What is seen of an answer while it passes.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Reads what the answer says of itself, where that is not known yet.
    reader: Option<AnswerReader>,
    bytes_out: u64,
    /// Whether all of it was passed on.
    pub(super) has_ended: bool,
    /// Whether it broke off, or the server's part of it did.
    pub(super) broke: bool,
    /// Whether it was ended because its reader may not go on.
    pub(super) was_cut: bool,
}

impl Watched {
    /// Watches the answer to a request of which this is known when it begins.
    pub(super) fn begin(notes: &Notes, headers: &HeaderMap) -> Self {
        let is_open = |asked: &AskedFor| asked.decided.is_none() && asked.kind != RequestKind::Listen;
        let is_wanted = notes.project.get().is_some()
            && notes.decided.get().is_none()
            && (notes.asked.get().is_some_and(is_open) || notes.batch.get().is_some());
        let is_events = || {
            headers
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
        };
        Self {
            reader: is_wanted.then(|| AnswerReader::new(is_events())),
            ..Self::default()
        }
    }

    /// A piece of it passes.
    pub(super) fn passes(&mut self, piece: &[u8]) {
        self.bytes_out += piece.len() as u64;
        if let Some(reader) = &mut self.reader {
            reader.read(piece);
        }
    }

    /// The rows of its request; none if it was not for a gateway. `status` is nothing if the client left before there was an
    /// answer.
    pub(super) fn rows(
        &self,
        record: &RequestRecord,
        status: Option<u16>,
        now: (Timestamp, Instant),
        mut write: impl FnMut(Activity, Option<&AskedFor>, Option<HeldArguments>),
    ) {
        let notes = record.notes();
        let (Some(gateway), Some(project)) = (record.gateway(), notes.project.get()) else {
            return;
        };
        let row =
            |asked: Option<&AskedFor>, decided| self.row(record, (gateway, *project), asked, decided, now);
        let arguments = |asked: Option<&AskedFor>| {
            let asked = asked?;
            HeldArguments::of(notes.body.get()?, asked.kind, asked.id.as_deref())
        };
        if let Some(batch) = notes.batch.get() {
            for asked in batch {
                let row = row(Some(asked), self.decided_in_batch(asked, status));
                write(row, Some(asked), arguments(Some(asked)));
            }
            return;
        }
        let asked = notes.asked.get();
        let decided = notes
            .decided
            .get()
            .or(asked.and_then(|asked| asked.decided.as_ref()));
        let decided = decided.copied().unwrap_or_else(|| {
            let verdict = self.reader.as_ref().and_then(AnswerReader::verdict);
            self.decide(asked, verdict, status)
        });
        write(row(asked, decided), asked, arguments(asked));
    }

    fn decided_in_batch(&self, asked: &AskedFor, status: Option<u16>) -> Decided {
        asked.decided.unwrap_or_else(|| {
            let answered = self.reader.as_ref().map(AnswerReader::answered);
            let id = asked.id.as_deref().map(str::as_bytes);
            let own = answered
                .unwrap_or_default()
                .iter()
                .find(|answered| Some(&*answered.id) == id);
            self.decide(Some(asked), own.map(|answered| answered.verdict), status)
        })
    }

    /// What became of a request, as its answer tells.
    fn decide(&self, asked: Option<&AskedFor>, verdict: Option<Verdict>, status: Option<u16>) -> Decided {
        let went_to_server = asked.is_some_and(|asked| asked.server.is_some() || asked.sent_at.is_some());
        match verdict {
            // An error of ours in the place of the rest.
            Some(Verdict::Error) if self.broke => (Outcome::Broken, None),
            Some(Verdict::Error) if went_to_server => (Outcome::Error, None),
            Some(Verdict::Error) => (Outcome::Refused, Some(rule_of(status))),
            Some(Verdict::ToolError) => (Outcome::ToolError, None),
            Some(Verdict::InputRequired) => (Outcome::InputRequired, None),
            Some(Verdict::Result) => (Outcome::Ok, None),
            None if self.was_cut => (Outcome::Refused, Some(Rule::BadCredentials)),
            None if self.broke => (Outcome::Broken, None),
            None => match status {
                Some(500..) => (Outcome::Unavailable, None),
                Some(400..) => (Outcome::Refused, Some(rule_of(status))),
                // Who listens leaves some time.
                Some(_) if asked.is_some_and(|asked| asked.kind == RequestKind::Listen) => {
                    (Outcome::Ok, None)
                }
                // A stream that ends without an answer says that its request was cancelled.
                Some(_) if self.has_ended && !(went_to_server && self.reader.is_some()) => {
                    (Outcome::Ok, None)
                }
                _ => (Outcome::Cancelled, None),
            },
        }
    }

    fn row(
        &self,
        record: &RequestRecord,
        (gateway_id, project_id): (GatewayId, ProjectId),
        asked: Option<&AskedFor>,
        (outcome, rule): Decided,
        (at, now): (Timestamp, Instant),
    ) -> Activity {
        let notes = record.notes();
        let micros = |from: Instant| i64::try_from(now.saturating_duration_since(from).as_micros());
        Activity {
            at,
            project_id,
            gateway_id,
            caller: notes.caller.get().cloned(),
            server_id: asked.and_then(|asked| asked.server),
            kind: asked.map_or(RequestKind::Other, |asked| asked.kind),
            item: asked.and_then(|asked| asked.item.clone()),
            outcome,
            rule,
            duration_us: micros(record.started()).unwrap_or(i64::MAX),
            upstream_us: asked
                .and_then(|asked| asked.sent_at)
                .map(|sent_at| micros(sent_at).unwrap_or(i64::MAX)),
            bytes_in: signed(notes.bytes_in.get().copied().unwrap_or_default()),
            bytes_out: signed(self.bytes_out),
            request: RequestNumber(record.id().number()),
            // Its writer knows.
            trace: None,
            session: asked.and_then(|asked| asked.session),
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Why a request was refused, where only the status of its answer tells.
const fn rule_of(status: Option<u16>) -> Rule {
    match status {
        Some(404) => Rule::NoSession,
        Some(413) => Rule::Body,
        Some(415) => Rule::Malformed,
        Some(429) => Rule::PersonBusy,
        _ => Rule::BadParams,
    }
}
