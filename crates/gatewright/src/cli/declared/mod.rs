//! `gatewright export` and `gatewright apply`: configuration as code.

mod apply;
mod credentials;
mod export;
mod files;
#[cfg(test)]
mod tests;

pub(super) use self::apply::{Arguments as ApplyArguments, print_schema, run as apply};
pub(super) use self::export::{Arguments as ExportArguments, run as export};
