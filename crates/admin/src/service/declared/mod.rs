//! Configuration as code: projects written as declarations, and declarations applied to projects.
//!
//! Applying one is one change of its project. It makes each thing what the file says by the same functions that the API and the
//! dashboard call, which write nothing where nothing differs. A plan is the same change as a rehearsal: what it shows is what the
//! events of the change would show.

mod apply;
mod credentials;
mod export;
mod marks;
mod outcome;
mod people;
mod present;
mod pruning;
mod references;
mod shown;
mod sources;
mod things;

pub use self::apply::{ApplyError, Options, apply, plan};
pub use self::export::{Exported, References, export};
pub use self::marks::{list_managed, managed};
pub use self::outcome::{Credential, Outcome, Step};
