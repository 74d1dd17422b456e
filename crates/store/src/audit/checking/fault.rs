//! What can be wrong with a chain.

/// A sign that a chain was changed by something other than Gatewright.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The row does not match its digest.
    #[error("event {seq} ({id}) was changed after it was written")]
    Changed {
        /// Its number.
        seq: i64,
        /// Its ID.
        id: String,
    },
    /// The row does not continue the row before it.
    #[error("event {seq} ({id}) does not follow from the event before it, which was changed or replaced")]
    Broken {
        /// Its number.
        seq: i64,
        /// Its ID.
        id: String,
    },
    /// The row has a value of the wrong type, or text that is not UTF-8.
    #[error("event {seq} was changed and can no longer be read")]
    Unreadable {
        /// Its number; nothing if that cannot be read either.
        seq: Shown,
    },
    /// Numbers are missing.
    #[error("the events {from} to {to} are missing")]
    Missing {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// The row is outside the numbers of its chain.
    #[error("event {seq} ({id}) is outside the chain: it was inserted, or the head of the chain was changed")]
    Beyond {
        /// Its number.
        seq: i64,
        /// Its ID.
        id: String,
    },
    /// The row is not in the chain.
    #[error(
        "event {id} is not in the chain. If a process of an older version wrote it, restart Gatewright to add it; otherwise it \
         was inserted from outside"
    )]
    Outside {
        /// Its ID.
        id: String,
    },
    /// A value was erased, and no event records it.
    #[error("{part} of event {id} was removed, and no event tells that it was erased")]
    Erased {
        /// The event's ID.
        id: String,
        /// Which value.
        part: &'static str,
    },
    /// There are rows but no head.
    #[error("the head of the chain is missing")]
    NoHead,
    /// The head does not match the last row.
    #[error("the head of the chain does not match its last event, {seq}")]
    Head {
        /// The number of the last row.
        seq: i64,
    },
    /// The first events are missing, and no event records that they were deleted because of their age.
    #[error(
        "the events up to {seq} are missing, and no event tells that they were deleted because of their age"
    )]
    Base {
        /// The number of the last missing one.
        seq: i64,
    },
    /// The event of the anchor is too young to have been deleted because of its age.
    #[error(
        "the events up to {seq} are missing as if they were too old, but the anchor knows event {anchored}, which is younger than \
         audit.retention_days: they were removed, unless events were kept for less time before"
    )]
    TooYoung {
        /// The number of the last missing one.
        seq: i64,
        /// The number in the anchor.
        anchored: i64,
    },
    /// The occurrences of a row are still counted, although its time is over or has not come.
    #[error(
        "event {id} is still counted, but its time is long over or has not come: it was inserted, or changed after it was written"
    )]
    Counted {
        /// Its ID.
        id: String,
    },
    /// The chain ends before the anchor.
    #[error(
        "the chain ends at event {seq}, but the anchor knows event {anchored}: the last events were removed"
    )]
    Truncated {
        /// The number of the last row.
        seq: i64,
        /// The number in the anchor.
        anchored: i64,
    },
    /// The chain had another event at the number of the anchor.
    #[error("event {seq} is not the one that the anchor knows: the chain was written again")]
    Rewritten {
        /// The number in the anchor.
        seq: i64,
    },
}

/// A number that can be unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown(pub Option<i64>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("without a readable number"),
        }
    }
}
