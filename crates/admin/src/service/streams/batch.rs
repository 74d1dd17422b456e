//! What a stream sends next.

use gatewright_core::streams::{Fact, Loss, LostRecords, Record, record};
use gatewright_domain::{Timestamp, stream::Stream};
use gatewright_store::{
    StoreError,
    activity::{self, Place},
    audit, project,
    stream_state::{self, Behind, Progress},
};

use super::super::watch;
use crate::Admin;

/// Records in a batch.
pub(super) const RECORDS_MAX: usize = 500;
/// Bytes of a batch: it is complete with the record that goes beyond.
const BYTES_MAX: usize = 900 * 1024;
/// Events of one chain in a batch, so that a busy project keeps none of the others waiting.
const OF_A_CHAIN: usize = 100;

/// Records to send, and what is noted once they have arrived.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) progress: Progress,
    /// Whether there may be more.
    pub(super) is_full: bool,
    bytes: usize,
    limit: usize,
}

impl Batch {
    /// The next records of a stream, in one snapshot of the audit trail and one of the activity.
    pub(super) async fn gather(app: &Admin, stream: &Stream, limit: usize) -> Result<Self, StoreError> {
        let mut batch = Self {
            limit,
            ..Self::default()
        };
        let authority = watch::ourselves();
        let Some((reading, _)) = watch::permits(&authority) else {
            return Ok(batch);
        };
        let now = app.now();
        let mut tx = app.store.read(reading).await?;
        if stream.audit {
            let behind = stream_state::behind(&mut tx, stream.id, stream.project_id).await?;
            for chain in behind {
                if batch.is_complete() {
                    break;
                }
                let wanted = batch.room().min(OF_A_CHAIN);
                let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
                let rows = audit::follow(&mut tx, &chain.chain, chain.place, limit).await?;
                batch.add_chain(stream, chain, &rows, wanted, now);
            }
        }
        let place = stream_state::activity_place(&mut tx, stream.id).await?;
        let is_gone = match stream.project_id {
            Some(project) => project::find(&mut tx, project).await?.is_none(),
            None => false,
        };
        drop(tx);
        if stream.activity && place.row != stream_state::GONE && !batch.is_complete() {
            let limit = u32::try_from(batch.room()).unwrap_or(u32::MAX);
            let mut tx = app.store.read_activity(reading).await?;
            let rows = activity::follow(&mut tx, stream.project_id, place, limit).await?;
            batch.add_activity(stream, place, &rows, now);
            if is_gone && rows.is_unknown {
                batch.end_activity(stream, place, &rows, now);
            }
        }
        batch.is_full |= batch.is_complete();
        Ok(batch)
    }

    /// Whether there is nothing to send or to note.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.progress.places.is_empty() && self.progress.activity.is_none()
    }

    fn is_complete(&self) -> bool {
        self.records.len() >= self.limit || self.bytes >= BYTES_MAX
    }

    fn room(&self) -> usize {
        self.limit.saturating_sub(self.records.len()).max(1)
    }

    fn add(&mut self, stream: &Stream, fact: Fact<'_>) {
        let record = record(fact, stream.format);
        self.bytes += record.json.len();
        if let Fact::Lost(lost) = fact {
            self.progress.lost += lost.count;
        } else {
            self.progress.delivered += 1;
        }
        self.records.push(record);
    }

    fn add_chain(
        &mut self,
        stream: &Stream,
        chain: Behind,
        rows: &[audit::Followed],
        wanted: usize,
        now: Timestamp,
    ) {
        let lost = |first: i64, last: i64| LostRecords {
            stream_id: stream.id,
            at: now,
            source: "audit",
            project_id: chain.chain.parse().ok(),
            first,
            last,
            count: last - first + 1,
            why: Loss::Deleted,
        };
        let mut place = chain.place;
        let mut read = 0;
        for row in rows {
            if self.bytes >= BYTES_MAX {
                break;
            }
            let next = place.saturating_add(1);
            if row.seq > next {
                self.add(stream, Fact::Lost(&lost(next, row.seq - 1)));
            }
            match &row.event {
                Some(event) => self.add(stream, Fact::Audit(event)),
                None => self.add(stream, Fact::Lost(&lost(row.seq, row.seq))),
            }
            place = row.seq;
            read += 1;
        }
        // Fewer than were asked for, so there are no others: what the head counts beyond is not there.
        if read == rows.len() && rows.len() < wanted && place < chain.latest {
            self.add(stream, Fact::Lost(&lost(place + 1, chain.latest)));
            place = chain.latest;
        }
        self.is_full |= place < chain.latest;
        self.progress.places.push((chain.chain, place));
    }

    fn add_activity(
        &mut self,
        stream: &Stream,
        noted: Place,
        followed: &activity::FollowedActivity,
        now: Timestamp,
    ) {
        let begin = followed.begin;
        let mut place = begin.after;
        if begin.is_again {
            let (first, last) = (place + 1, noted.row.max(place + 1));
            let again = LostRecords {
                why: Loss::Again,
                ..lost_requests(stream, now, first, last)
            };
            self.add(stream, Fact::Lost(&again));
        }
        if followed.deleted > 0 {
            let lost = lost_requests(stream, now, place + 1, place + followed.deleted);
            self.add(stream, Fact::Lost(&lost));
            place = lost.last;
        }
        // Without gaps, the rows of all projects are numbered one after the other.
        let mut gaps = Gaps::default();
        let mut is_cut = false;
        for row in &followed.rows {
            if self.bytes >= BYTES_MAX {
                is_cut = true;
                break;
            }
            if stream.project_id.is_none() {
                gaps.note(place + 1, row.id.row() - 1);
            }
            self.add(stream, Fact::Activity(row));
            place = row.id.row();
        }
        if !is_cut {
            if stream.project_id.is_none() {
                gaps.note(place + 1, followed.seen);
            }
            place = place.max(followed.seen);
        }
        if let Some((first, last)) = gaps.range {
            let lost = LostRecords {
                count: gaps.count,
                ..lost_requests(stream, now, first, last)
            };
            self.add(stream, Fact::Lost(&lost));
        }
        self.is_full |= is_cut;
        if place != noted.row || begin.is_again {
            self.progress.activity = Some((place, begin.generation));
        }
    }

    /// Ends the requests of a stream whose only project is gone with all its requests: those that it had not sent are lost.
    fn end_activity(
        &mut self,
        stream: &Stream,
        noted: Place,
        followed: &activity::FollowedActivity,
        now: Timestamp,
    ) {
        let (first, last) = (noted.row + followed.deleted + 1, followed.begin.last);
        if !followed.begin.is_again && last >= first {
            self.add(stream, Fact::Lost(&lost_requests(stream, now, first, last)));
        }
        self.progress.activity = Some((stream_state::GONE, followed.begin.generation));
    }
}

/// Numbers without rows, of all requests in a batch.
#[derive(Debug, Default)]
struct Gaps {
    /// The first and the last of them.
    range: Option<(i64, i64)>,
    count: i64,
}

impl Gaps {
    /// Notes all from `first` to `last`, if there are any.
    fn note(&mut self, first: i64, last: i64) {
        if last >= first {
            let begin = self.range.map_or(first, |(begin, _)| begin);
            self.range = Some((begin, last));
            self.count += last - first + 1;
        }
    }
}

fn lost_requests(stream: &Stream, now: Timestamp, first: i64, last: i64) -> LostRecords {
    LostRecords {
        stream_id: stream.id,
        at: now,
        source: "activity",
        project_id: stream.project_id,
        first,
        last,
        count: last - first + 1,
        why: Loss::Deleted,
    }
}
