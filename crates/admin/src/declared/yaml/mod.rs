//! YAML (version 1.2) as far as declarations need it: what JSON can express, with comments and anchors. What is read has lines, so
//! that a mistake can be found; what is written reads back as the same.

mod node;
mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use self::node::Node;
pub use self::read::MAX_BYTES;
pub(crate) use self::read::{YamlError, read};
pub(crate) use self::write::write;
