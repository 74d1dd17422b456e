//! Configuration as files declare it: the model of a project, how it is read from YAML and written as YAML, and its JSON Schema.
//! What becomes of it is in `service::declared`.

mod document;
mod mistakes;
pub(crate) mod model;
mod schema;
mod secret;
mod yaml;

pub(crate) use self::document::write;
pub use self::document::{Declaration, Fault, read};
pub use self::schema::schema;
pub use self::secret::{Secrets, SecretsOfProcess};
pub use self::yaml::MAX_BYTES;
