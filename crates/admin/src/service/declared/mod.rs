//! Configuration as code: projects written as declarations, and declarations applied to projects.
//!
//! Applying one is one change of its project. It makes each thing what the file says by the same functions that the API and the
//! dashboard call, which write nothing where nothing differs. A plan is the same change as a rehearsal: what it shows is what the
//! events of the change would show.

mod export;
mod outcome;
mod present;
mod shown;

pub use self::export::{Exported, References, export};
pub use self::outcome::{Credential, Outcome, Step};
