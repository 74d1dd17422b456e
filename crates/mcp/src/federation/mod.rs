//! The servers of the process as gateways offer them: plans, what the servers list, lists merged across servers, names,
//! and which server a call goes to.

pub(crate) mod call;
pub mod catalog;
pub(crate) mod catalog_read;
pub(crate) mod inspection;
pub(crate) mod list;
mod list_behind;
mod list_counting;
pub mod list_memory;
mod lists;
pub mod merge;
pub mod naming;
pub(crate) mod outgoing;
pub(crate) mod servers;

pub use servers::{Federation, GatewayConfig, Plan};
