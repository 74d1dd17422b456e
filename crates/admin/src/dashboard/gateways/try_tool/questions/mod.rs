//! What a server asks before it goes on with a request (2026-07-28 client/elicitation).

mod constraints;
