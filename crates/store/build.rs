//! Compiles the migrations into the program: their names and texts, in order. Those of the activity are separate, because SQLite
//! keeps it in another file.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by its environment where things are"
)]

use std::{env, fmt::Write as _, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("migrations");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    for (folder, list) in [
        (folder.clone(), "migrations.rs"),
        (folder.join("activity"), "activity_migrations.rs"),
    ] {
        let path = Path::new(&out).join(list);
        fs::write(path, list_of(&folder)).expect("the build folder can be written to");
    }
}

/// The migrations of a folder, as source text.
fn list_of(folder: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of migrations exists")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("names are text");
        let (version, description) = name.split_once('_').expect("a name is a version and words");
        let description = description.replace('_', " ");
        let path = path.to_str().expect("paths are text");
        writeln!(list, "({version}, {description:?}, include_str!({path:?})),").expect("a text can grow");
    }
    list.push(']');
    list
}
