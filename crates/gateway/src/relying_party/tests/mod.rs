//! Whole sign-ins through the real router against a provider that the test controls, right or wrong.

pub(super) mod advice;
mod brought_codes;
mod client_authentication;
mod connections;
mod faults;
mod logged;
mod office;
mod reasons;
mod redirect_urls;
mod refusals;
mod replays;
mod secrets;
mod test_sign_ins;
mod trace;
mod variations;
