//! What a stream sends next.

use gatewright_core::streams::{Fact, LostRecords, Record, record};
use gatewright_domain::{Timestamp, stream::Stream};
use gatewright_store::{
    StoreError, activity, audit,
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
        drop(tx);
        if stream.activity && !batch.is_complete() {
            let limit = u32::try_from(batch.room()).unwrap_or(u32::MAX);
            let mut tx = app.store.read_activity(reading).await?;
            let rows = activity::follow(&mut tx, stream.project_id, place, limit).await?;
            batch.add_activity(stream, place, &rows, now);
        }
        batch.is_full |= batch.is_complete();
        Ok(batch)
    }

    /// Whether there is nothing to send or to note.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.progress.places.is_empty()
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
            self.progress.lost += lost.count();
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
        mut place: i64,
        followed: &activity::FollowedActivity,
        now: Timestamp,
    ) {
        let before = place;
        if followed.deleted > 0 {
            let lost = LostRecords {
                stream_id: stream.id,
                at: now,
                source: "activity",
                project_id: stream.project_id,
                first: place + 1,
                last: place + followed.deleted,
            };
            self.add(stream, Fact::Lost(&lost));
            place = lost.last;
        }
        let mut is_cut = false;
        for row in &followed.rows {
            if self.bytes >= BYTES_MAX {
                is_cut = true;
                break;
            }
            self.add(stream, Fact::Activity(row));
            place = row.id.row();
        }
        if !is_cut {
            place = place.max(followed.seen);
        }
        self.is_full |= is_cut;
        if place > before {
            let source = stream_state::ACTIVITY.to_owned();
            self.progress.places.push((source, place));
        }
    }
}
