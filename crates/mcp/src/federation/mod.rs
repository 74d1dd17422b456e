//! The servers of the process as gateways offer them: plans, what the servers list, lists merged across servers, names,
//! and which server a call goes to.

pub(crate) mod aim;
pub(crate) mod call;
pub(crate) mod capabilities;
pub(crate) mod catalog;
mod catalog_read;
pub(crate) mod catalogs;
mod changes;
mod choice;
pub(crate) mod inspection;
mod instructions;
mod list;
mod list_behind;
mod list_counting;
pub mod list_memory;
mod lists;
pub mod merge;
pub mod naming;
pub(crate) mod news;
pub(crate) mod offered;
mod pages;
pub(crate) mod plan;
pub(crate) mod resolved;
mod resources;
mod seen_uris;
pub mod selection;
mod server;
pub(crate) mod servers;
mod spelling;
pub(crate) mod subscribed;
pub(crate) mod task_news;
mod under_way;
pub(crate) mod updates;
mod view;

use crate::peer::places;

pub use choice::{Choice, OfServer};
pub use plan::{GatewayConfig, Plan};
