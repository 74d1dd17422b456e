//! One server and how it is spoken with: its configuration and what is known of it, the requests of our own, sessions,
//! and which era it speaks. The layers above speak with servers through [`peers::Peers`]; HTTP is its one implementation,
//! over a [`transport::Transport`].

pub(crate) mod about;
pub(crate) mod announced;
pub(crate) mod answer_error;
pub(crate) mod answer_events;
pub(crate) mod answer_json;
pub(crate) mod ask;
mod back;
mod budget;
pub(crate) mod call;
pub(crate) mod call_guard;
pub mod caller;
pub(crate) mod client_streams;
pub(crate) mod config;
pub mod credentials;
mod era;
mod exchange;
mod handshake;
mod http;
pub mod http_sse;
pub(crate) mod held;
pub(crate) mod incoming;
mod late;
pub(crate) mod listening;
mod logging;
pub(crate) mod mailbox;
pub(crate) mod metered;
pub(crate) mod net;
pub(crate) mod outgoing;
pub(crate) mod peers;
mod progress;
mod resume;
pub(crate) mod seals;
mod session;
mod subscribing;
pub mod transport;
pub(crate) mod unavailable;
pub(crate) mod upstream;
mod user_places;
pub(crate) mod wanted;
mod watch;
mod whole;
mod witness;
