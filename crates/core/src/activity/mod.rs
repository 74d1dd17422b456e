//! Activity on its way to the store: requests leave what became of them in a queue, and a job writes it in batches, so that no
//! request waits for it.

mod recorder;
mod retention;
#[cfg(test)]
mod tests;

pub use recorder::Recorder;
pub use retention::Retention;
