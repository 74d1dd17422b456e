//! The MCP endpoint of gateways towards clients: the methods of both eras, sessions of clients, our own client, and
//! what answers are made of.

pub(crate) mod answer;
mod answers;
mod batch;
mod batch_answer;
mod beginning;
mod calls;
mod elsewhere;
mod feature;
mod in_session;
mod kept_events;
mod listen;
mod logging;
mod methods;
mod noted;
pub mod own_client;
mod reached;
mod reply;
mod resumable;
pub(crate) mod service;
pub mod session;
mod subscribing;
mod tasks;

pub use elsewhere::{LATE, Replica, Replicas, Reply};
pub use in_session::Refused;
pub use listen::PlanNow;
pub use reached::Reached;
pub use service::{Endpoint, Lasting};

pub use crate::wire::meta::header_era;
