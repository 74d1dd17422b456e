//! Makes cargo notice when a migration is edited: they are embedded at compile time.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
