//! Configuration as files declare it.

mod yaml;

pub use self::yaml::MAX_BYTES;
