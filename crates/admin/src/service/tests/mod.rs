//! What administrators do, seen by the end users and clients of a gateway.

mod blocking;
mod connection;
mod members;
mod permits;
mod preregistering;
mod single_sign_on;
mod test_sign_ins;
mod together;

use std::sync::Arc;

use gatewright_gateway::{
    Gateways,
    authorization_server::testing::{self as world, host},
};

use crate::Admin;

/// The services over the gateways of a world.
fn app(gateways: &Arc<Gateways>) -> Admin {
    Admin::over(Arc::clone(gateways)).unwrap()
}
