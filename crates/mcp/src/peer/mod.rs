//! One server and how it is spoken with: its configuration and what is known of it, the requests of our own, sessions,
//! and which era it speaks. It is reached through a [`transport::Transport`].

pub(crate) mod about;
pub(crate) mod answer_error;
pub(crate) mod config;
pub(crate) mod exchange;
pub(crate) mod net;
