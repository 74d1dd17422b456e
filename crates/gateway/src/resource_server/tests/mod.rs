//! The resource server through the whole front of the program, towards servers on loopback.

mod activity;
mod calling;
mod ending;
mod identity;
mod mail;
mod measures;
mod naming;
mod primitives;
mod refusing;
mod running;
mod selecting;
mod world;
