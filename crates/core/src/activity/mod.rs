//! Activity on its way to the store: requests leave what became of them in a queue, and a job writes it in batches, so that no
//! request waits for it.

mod kept_arguments;
mod kept_counts;
mod recorder;
mod retention;
#[cfg(test)]
mod tests;

pub use kept_arguments::{delete_arguments_at, delete_arguments_of};
pub use recorder::Recorder;
pub use retention::Retention;
