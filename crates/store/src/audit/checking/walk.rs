//! The walk along a chain, row by row.

use std::collections::HashSet;

use gatewright_domain::audit::{
    FieldChange,
    chain::{Personal, Proof},
};

use super::{
    Anchored, Known, Report,
    fault::{Fault, Shown},
};
use crate::{
    audit::{heads::Head, trail},
    row::Row,
    tx::chain::Stored,
};

/// Where the walk is, and what was found so far.
pub(super) struct Walk<'a> {
    report: Report,
    /// The number of the last row, or of the last deleted one.
    seq: i64,
    /// The digest of that row. Nothing after a row that could not be read.
    digest: Option<String>,
    /// The first number that was not deleted because of its age.
    base_seq: i64,
    /// What the latest event about deleted events says: the last number, and its digest.
    pruned: Option<(i64, String)>,
    /// Erased values that no event has named yet. The event is always later than those that it names.
    unnamed: HashSet<(String, Personal)>,
    anchored: Option<&'a Anchored>,
}

impl<'a> Walk<'a> {
    pub(super) fn begin(head: &Head, known: Known<'a>) -> Self {
        let mut report = Report {
            chain: head.chain.clone(),
            deleted: head.base_seq,
            ..Report::default()
        };
        let anchored = known.anchored;
        if let Some(anchored) = anchored
            && (1..=head.base_seq).contains(&anchored.seq)
        {
            // Of the deleted part, only the end can be compared. What is not old enough was not deleted because of its age.
            if anchored.at.is_some_and(|at| at >= known.kept_since) {
                report.add(Fault::TooYoung {
                    seq: head.base_seq,
                    anchored: anchored.seq,
                });
            } else if anchored.seq < head.base_seq {
                report.is_uncompared = true;
            } else if anchored.digest != head.base_digest {
                report.add(Fault::Rewritten { seq: anchored.seq });
            }
        }
        Self {
            report,
            seq: head.base_seq,
            digest: Some(head.base_digest.clone()),
            base_seq: head.base_seq,
            pruned: None,
            unnamed: HashSet::new(),
            anchored,
        }
    }

    /// The next row; returns its number, or nothing if no further row can be found.
    pub(super) fn step(&mut self, row: &Row) -> Option<i64> {
        let Ok(seq) = row.int("seq") else {
            self.report.add(Fault::Unreadable { seq: Shown(None) });
            return None;
        };
        self.report.events += 1;
        let read = Stored::read(row);
        if seq <= self.base_seq {
            let id = read.map(|row| row.id).unwrap_or_default();
            self.report.add(Fault::Beyond { seq, id });
            return Some(seq);
        }
        if seq > self.seq + 1 {
            self.report.add(Fault::Missing {
                from: self.seq + 1,
                to: seq - 1,
            });
            self.digest = None;
        }
        self.seq = seq;
        if let Ok(row) = read {
            self.check(seq, row);
        } else {
            self.report.add(Fault::Unreadable {
                seq: Shown(Some(seq)),
            });
            self.digest = None;
        }
        Some(seq)
    }

    fn check(&mut self, seq: i64, row: Stored) {
        let previous = row.previous.clone().unwrap_or_default();
        // After a gap there is nothing to compare with.
        if self.digest.as_ref().is_some_and(|digest| *digest != previous) {
            self.report.add(Fault::Broken {
                seq,
                id: row.id.clone(),
            });
        }
        let digest = row.digest(seq, &previous).map(|digest| digest.to_string());
        if digest.is_none() || digest != row.digest || row.tally_key.is_some() {
            self.report.add(Fault::Changed {
                seq,
                id: row.id.clone(),
            });
        }
        if let Some(anchored) = self.anchored
            && anchored.seq == seq
            && row.digest.as_deref() != Some(&anchored.digest)
        {
            self.report.add(Fault::Rewritten { seq });
        }
        self.note_erased(&row);
        if row.object_type == trail::KIND {
            self.read_trail(&row);
        }
        self.digest = row.digest;
    }

    fn note_erased(&mut self, row: &Stored) {
        let is_erased = |part: &Personal| {
            let proof = row.proof(*part).and_then(Proof::from_text);
            matches!(proof, Some(Proof::Erased(_)))
        };
        let erased: Vec<_> = Personal::ALL.into_iter().filter(is_erased).collect();
        self.report.erased += u64::from(!erased.is_empty());
        self.unnamed
            .extend(erased.into_iter().map(|part| (row.id.clone(), part)));
    }

    /// What an event about the trail says.
    fn read_trail(&mut self, row: &Stored) {
        let changes: Vec<FieldChange> = serde_json::from_str(&row.changes).unwrap_or_default();
        let value = |name: &str| trail::value_of(&changes, name);
        match row.action.as_str() {
            trail::PRUNED => {
                let seq = value("last_seq").and_then(|seq| seq.as_i64());
                let digest = value("last_digest");
                let digest = digest.as_ref().and_then(serde_json::Value::as_str);
                self.pruned = seq.zip(digest.map(str::to_owned));
            }
            trail::ERASED => {
                for part in Personal::ALL {
                    let ids = value(part.as_str());
                    let ids = ids.as_ref().and_then(serde_json::Value::as_array);
                    for id in ids.into_iter().flatten().filter_map(serde_json::Value::as_str) {
                        self.unnamed.remove(&(id.to_owned(), part));
                    }
                }
            }
            trail::ADOPTED => {
                let events = value("events").and_then(|events| events.as_u64());
                self.report.adopted += events.unwrap_or_default();
            }
            _ => {}
        }
    }

    /// What was found, with what only the end shows.
    pub(super) fn finish(mut self, head: &Head, has_head: bool) -> Report {
        let seq = self.seq;
        self.report.seq = seq;
        if has_head {
            if seq < head.seq {
                self.report.add(Fault::Missing {
                    from: seq + 1,
                    to: head.seq,
                });
            } else if seq > head.seq || self.digest.as_ref().is_some_and(|digest| *digest != head.digest) {
                self.report.add(Fault::Head { seq });
            }
        } else if self.report.events > 0 {
            self.report.add(Fault::NoHead);
        }
        let base = (head.base_seq, head.base_digest.clone());
        if base.0 > 0 && self.pruned != Some(base) {
            self.report.add(Fault::Base { seq: head.base_seq });
        }
        if let Some(anchored) = self.anchored
            && anchored.seq > seq
        {
            self.report.add(Fault::Truncated {
                seq,
                anchored: anchored.seq,
            });
        }
        let mut unnamed: Vec<_> = self.unnamed.drain().collect();
        unnamed.sort_by(|one, other| one.0.cmp(&other.0));
        for (id, part) in unnamed {
            let part = part.label();
            self.report.add(Fault::Erased { id, part });
        }
        self.report
    }
}
