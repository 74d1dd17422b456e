//! Accounts through the service functions, as pages and API use them.

mod inviting;
mod sessions;
mod setting_up;
mod signing_in;
mod squatting;
mod world;
