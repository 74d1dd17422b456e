//! `gatewright-VERSION.cdx.json`: what is in the program and the image, in CycloneDX 1.6, with the checksums of `Cargo.lock`.

mod crates;

use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Artefact, PREFIX, contents::Contents, date, digest, source::Source};
use crate::shell::capture;
use crates::Crate;

/// The packages of Debian whose libraries are in the image.
const LIBRARIES: [&str; 2] = ["libc6", "libgcc-s1"];

/// A library of Debian that is in the image, beside the program.
pub(crate) struct SystemLibrary {
    /// Such as `libc6`.
    pub package: &'static str,
    /// The version of the package.
    pub version: String,
}

/// What the program is made of.
pub(crate) struct Materials {
    crates: Vec<Crate>,
    /// Sorted by name.
    pub libraries: Vec<SystemLibrary>,
}

impl Materials {
    /// Asks cargo and dpkg.
    pub(crate) fn gather(source: &Source) -> anyhow::Result<Self> {
        let libraries = LIBRARIES.map(|package| {
            let version =
                capture(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]))
                    .context("the image takes the C library of Debian: make it there")?;
            anyhow::Ok(SystemLibrary { package, version })
        });
        Ok(Self {
            crates: crates::of_program(&source.root)?,
            libraries: libraries.into_iter().collect::<anyhow::Result<_>>()?,
        })
    }
}

/// Makes the bill of materials.
pub(crate) fn make(source: &Source, contents: &Contents, materials: &Materials) -> anyhow::Result<Artefact> {
    let program = format!("pkg:generic/{PREFIX}@{}", source.version);
    let main = materials
        .crates
        .iter()
        .find(|each| each.name == PREFIX)
        .context("cargo does not list gatewright itself")?;
    let mut components: Vec<Value> = materials.crates.iter().map(component).collect();
    components.extend(materials.libraries.iter().map(library));
    let mut dependencies = vec![json!({ "ref": program, "dependsOn": [main.purl()] })];
    dependencies.extend(
        materials
            .crates
            .iter()
            .map(|each| json!({ "ref": each.purl(), "dependsOn": each.dependencies })),
    );
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": date::rfc3339(source.time),
            "tools": { "components": [{ "type": "application", "name": "cargo xtask dist", "version": source.version }] },
            "component": {
                "type": "application",
                "bom-ref": program,
                "name": "gatewright",
                "version": source.version,
                "purl": program,
                "licenses": [{ "expression": "Apache-2.0" }],
                "hashes": [{ "alg": "SHA-256", "content": digest::sha256(&contents.program) }],
                "properties": [{ "name": "gatewright:commit", "value": source.commit }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    // A number of its own for each content, and the same for the same.
    document["serialNumber"] = format!(
        "urn:uuid:{}",
        uuid(&digest::sha256(document.to_string().as_bytes()))
    )
    .into();
    Ok(Artefact {
        name: format!("{PREFIX}-{}.cdx.json", source.version),
        bytes: format!("{document:#}\n").into_bytes(),
    })
}

fn component(each: &Crate) -> Value {
    let purl = each.purl();
    let mut value = json!({
        "type": "library",
        "bom-ref": purl,
        "name": each.name,
        "version": each.version,
        "purl": purl,
        // Macros run while it is built, and are not in the program.
        "scope": if each.is_in_program { "required" } else { "excluded" },
    });
    if let Some(license) = &each.license {
        value["licenses"] = json!([{ "expression": license }]);
    }
    if let Some(checksum) = &each.checksum {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    value
}

fn library(library: &SystemLibrary) -> Value {
    let (name, version) = (library.package, &library.version);
    let purl = format!("pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12");
    json!({
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "scope": "optional",
        "description": "Only in the container image. Elsewhere the program uses the one of the system.",
    })
}

/// A UUID of version 8 (RFC 9562, 5.8) from a checksum in hexadecimal.
fn uuid(hash: &str) -> String {
    format!(
        "{}-{}-8{}-8{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[13..16],
        &hash[17..20],
        &hash[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::{contents::testing::contents, source::testing::source};

    fn materials() -> Materials {
        let each = |name: &str, is_ours: bool, dependencies: &[&str]| Crate {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            license: Some("MIT OR Apache-2.0".to_owned()),
            checksum: (!is_ours).then(|| "ab".repeat(32)),
            is_in_program: true,
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        };
        Materials {
            crates: vec![
                each("gatewright", true, &["pkg:cargo/serde@1.2.3"]),
                each("serde", false, &[]),
            ],
            libraries: vec![SystemLibrary {
                package: "libc6",
                version: "2.36-9".to_owned(),
            }],
        }
    }

    #[test]
    fn every_dependency_is_a_component_and_the_number_follows_the_content() {
        let made = |materials: &Materials| {
            let bytes = make(&source(), &contents(), materials).unwrap().bytes;
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        let document = made(&materials());
        let of = |member: &str, name: &str| -> Vec<String> {
            let each = document[member].as_array().unwrap().iter();
            each.map(|each| each[name].as_str().unwrap().to_owned()).collect()
        };
        let known = of("components", "bom-ref");
        assert_eq!(
            of("dependencies", "ref")[1..],
            ["pkg:cargo/gatewright@1.2.3", "pkg:cargo/serde@1.2.3"]
        );
        assert_eq!(known.len(), 3);
        assert_eq!(
            document["components"][1]["hashes"][0]["content"],
            "ab".repeat(32).as_str()
        );
        assert_eq!(document["serialNumber"], made(&materials())["serialNumber"]);
        let mut others = materials();
        others.crates[1].version = "1.2.4".to_owned();
        assert_ne!(document["serialNumber"], made(&others)["serialNumber"]);
    }

    #[test]
    fn the_crates_of_this_program_have_checksums_and_macros_are_not_in_it() {
        let crates = crates::of_program(&crate::shell::root()).unwrap();
        let find = |name: &str| {
            crates
                .iter()
                .find(|each| each.name == name)
                .unwrap_or_else(|| panic!("{name} is missing"))
        };
        assert!(find("tokio").is_in_program && find("tokio").checksum.is_some());
        assert!(!find("serde_derive").is_in_program);
        let main = find("gatewright");
        assert!(main.checksum.is_none() && !main.dependencies.is_empty());
        // Used by tests and by this command, not by the program.
        assert!(
            crates
                .iter()
                .all(|each| each.name != "tempfile" && each.name != "proptest")
        );
        let known: Vec<String> = crates.iter().map(Crate::purl).collect();
        let mut named = crates.iter().flat_map(|each| &each.dependencies);
        assert!(named.all(|name| known.contains(name)));
    }
}
