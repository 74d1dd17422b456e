//! Activity: rows that are written in batches, found by any filter, and deleted by age and size. Statements here run on
//! [`crate::ActivityStore`].
//!
//! A row is a few numbers: what it says in words is stored once, as a name. Instead of an index for each filter there is one
//! that says which names are in which block of 1,024 rows. A busy gateway writes an entry for hundreds of rows, a quiet one as
//! many as an ordinary index would have; a list reads the blocks that have all of its names, newest first, and looks at each
//! row in them.

mod arguments;
mod filter;
mod following;
mod names;
mod pruning;
mod reading;
mod writing;

pub(crate) use arguments::size_of_arguments;
pub use arguments::{
    delete_arguments_of_gateway, delete_arguments_of_person, find_arguments, gateways_with_arguments,
    persons_with_arguments, prune_arguments, write_arguments,
};
pub use filter::{ActivityFilter, LOOK_AT};
pub use following::{Begin, FollowedActivity, Place, begin, end, follow, next_at, renew_generation};
pub use pruning::{Pruned, forget_project, projects, prune, prune_names, prune_oldest};
pub use reading::{find, last_row, list, since};
pub use writing::{claim_batch, write_batch};

/// Rows in a block, as a power of two.
const BLOCK_BITS: u32 = 10;

/// Milliseconds in a minute.
const MINUTE: i64 = 60_000;

/// The block of a row.
const fn block_of(row: i64) -> i64 {
    row >> BLOCK_BITS
}

/// The first row of a block.
const fn first_row_of(block: i64) -> i64 {
    block << BLOCK_BITS
}
