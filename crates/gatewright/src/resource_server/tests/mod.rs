//! The resource server through the whole front of the program, towards servers on loopback.

mod calling;
mod identity;
mod refusing;
mod world;
