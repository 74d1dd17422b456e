//! `gatewright-VERSION-image.tar`: an OCI image layout, made without a daemon. The root has the program, the C library and the few
//! files that it reads; no shell. `docker load` reads it too.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{
    Artefact, PREFIX,
    archive::{self, Tree},
    contents::Contents,
    date, digest,
    sbom::SystemLibrary,
    source::Source,
};
use crate::shell::capture;

/// The user in the image; by custom the number of `nonroot`.
const USER: u64 = 65532;

/// The most bytes that the image may take, compressed.
const LARGEST: u64 = 30_000_000;

/// Of the C library, but not named by programs: how it finds addresses of hosts.
const NSSWITCH: &str = "hosts: files dns\npasswd: files\ngroup: files\n";

/// Makes the image.
pub(crate) fn make(
    source: &Source,
    contents: &Contents,
    libraries: &[SystemLibrary],
) -> anyhow::Result<Artefact> {
    let mut root = root(contents);
    add_libraries(&mut root, &contents.binary, libraries)?;
    layout(source, &root)
}

/// Fails if a finished image is larger than it may be.
pub(crate) fn check_size(image: &Path) -> anyhow::Result<()> {
    let size = fs::metadata(image)?.len();
    if size > LARGEST {
        bail!("the image takes {size} bytes, more than {LARGEST}: find out what has grown");
    }
    Ok(())
}

/// The name of the image's file.
pub(crate) fn name(source: &Source) -> String {
    format!("{PREFIX}-{}-image.tar", source.version)
}

/// The files of the image, without the C library.
fn root(contents: &Contents) -> Tree {
    let mut root = Tree::default();
    root.file("usr/bin/gatewright", 0o755, contents.program.as_slice());
    root.file(
        "usr/share/doc/gatewright/LICENSE",
        0o644,
        contents.license.as_slice(),
    );
    root.file(
        "etc/passwd",
        0o644,
        format!("root:x:0:0:root:/:/sbin/nologin\ngatewright:x:{USER}:{USER}::/data:/sbin/nologin\n"),
    );
    root.file("etc/group", 0o644, format!("root:x:0:\ngatewright:x:{USER}:\n"));
    root.file("etc/nsswitch.conf", 0o644, NSSWITCH);
    root.file("etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n");
    root.folder("data", 0o700, USER);
    root.folder("tmp", 0o1777, 0);
    // What a runtime mounts on, which it cannot create on a read-only root.
    for mounted in ["dev", "proc", "sys", "run/secrets"] {
        root.folder(mounted, 0o755, 0);
    }
    root
}

/// Adds the libraries that the program loads, where its loader looks for them, and their licences.
fn add_libraries(root: &mut Tree, binary: &Path, libraries: &[SystemLibrary]) -> anyhow::Result<()> {
    let printed = capture(Command::new("ldd").arg(binary))?;
    for path in loaded(&printed) {
        let bytes = fs::read(path).with_context(|| path.to_owned())?;
        root.file(path.trim_start_matches('/'), 0o755, bytes);
    }
    for library in libraries {
        let place = format!("/usr/share/doc/{}/copyright", library.package);
        let bytes = fs::read(&place).with_context(|| place.clone())?;
        root.file(place.trim_start_matches('/'), 0o644, bytes);
    }
    Ok(())
}

/// The paths in what `ldd` prints: `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`, and the loader.
fn loaded(printed: &str) -> Vec<&str> {
    let path = |line: &'_ str| -> Option<usize> { line.find('/') };
    printed
        .lines()
        .filter_map(|line| line[path(line)?..].split(' ').next())
        .collect()
}

/// The layout: the layer, the configuration, the manifest, and what leads to it.
fn layout(source: &Source, root: &Tree) -> anyhow::Result<Artefact> {
    let layer = root.tar("", source.time)?;
    let packed = archive::gzip(&layer)?;
    let version = &source.version;
    let mut tree = Tree::default();
    let configuration = configuration(source, &digest::sha256(&layer));
    let config = blob(
        &mut tree,
        configuration.to_string().into_bytes(),
        "config.v1+json",
    );
    let layer = blob(&mut tree, packed, "layer.v1.tar+gzip");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
        "annotations": labels(source),
    });
    let mut described = blob(&mut tree, manifest.to_string().into_bytes(), "manifest.v1+json");
    described["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    described["annotations"] = json!({
        "org.opencontainers.image.ref.name": version,
        "io.containerd.image.name": format!("docker.io/library/{PREFIX}:{version}"),
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [described],
    });
    tree.file("index.json", 0o644, index.to_string());
    tree.file("oci-layout", 0o644, r#"{"imageLayoutVersion":"1.0.0"}"#);
    // For Docker before version 25, which does not read layouts.
    let older = json!([{ "Config": place(&config), "RepoTags": [format!("{PREFIX}:{version}")], "Layers": [place(&layer)] }]);
    tree.file("manifest.json", 0o644, older.to_string());
    Ok(Artefact {
        name: name(source),
        bytes: tree.tar("", source.time)?,
    })
}

/// Adds a blob, and returns its descriptor.
fn blob(tree: &mut Tree, bytes: Vec<u8>, kind: &str) -> Value {
    let (hash, size) = (digest::sha256(&bytes), bytes.len());
    tree.file(&format!("blobs/sha256/{hash}"), 0o644, bytes);
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{hash}"),
        "size": size,
    })
}

/// Where the blob of a descriptor is.
fn place(descriptor: &Value) -> String {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    format!("blobs/{}", digest.replace(':', "/"))
}

fn labels(source: &Source) -> Value {
    json!({
        "org.opencontainers.image.title": "Gatewright",
        "org.opencontainers.image.description": "MCP gateway that signs users in at your own identity provider",
        "org.opencontainers.image.version": source.version,
        "org.opencontainers.image.revision": source.commit,
        "org.opencontainers.image.created": date::rfc3339(source.time),
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.vendor": "Gatewright",
    })
}

/// How the image runs. `Healthcheck` is of Docker; Kubernetes has probes instead.
fn configuration(source: &Source, layer: &str) -> Value {
    const SECOND: u64 = 1_000_000_000;
    let created = date::rfc3339(source.time);
    json!({
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Env": [
                "PATH=/usr/bin",
                "GATEWRIGHT__SERVER__LISTEN=0.0.0.0:8080",
                "GATEWRIGHT__DATABASE__DATA_DIR=/data",
                "GATEWRIGHT__LOG__FORMAT=json",
            ],
            "Entrypoint": ["/usr/bin/gatewright"],
            "Cmd": ["serve"],
            "WorkingDir": "/data",
            "Volumes": { "/data": {} },
            "ExposedPorts": { "8080/tcp": {} },
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/gatewright", "health"],
                "Interval": 10 * SECOND,
                "Timeout": 5 * SECOND,
                "StartPeriod": 30 * SECOND,
                "Retries": 3,
            },
            "Labels": labels(source),
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created": created, "created_by": "cargo xtask dist" }],
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;
    use crate::dist::{contents::testing::contents, source::testing::source};

    fn read(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, content);
        }
        files
    }

    #[test]
    fn the_digests_lead_from_the_index_to_the_files_of_the_program() {
        let image = layout(&source(), &root(&contents())).unwrap();
        assert_eq!(image.name, "gatewright-1.2.3-image.tar");
        let files = read(&image.bytes);
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let at = |descriptor: &Value| {
            let bytes = &files[&place(descriptor)];
            assert_eq!(
                descriptor["digest"],
                format!("sha256:{}", digest::sha256(bytes)).as_str()
            );
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        };
        let manifest = parse(at(&parse(&files["index.json"])["manifests"][0]));
        let config = parse(at(&manifest["config"]));
        let mut layer = Vec::new();
        flate2::read::GzDecoder::new(at(&manifest["layers"][0]).as_slice())
            .read_to_end(&mut layer)
            .unwrap();
        let unpacked = format!("sha256:{}", digest::sha256(&layer));
        assert_eq!(config["rootfs"]["diff_ids"], json!([unpacked]));
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(
            config["config"]["Labels"]["org.opencontainers.image.revision"],
            source().commit
        );
        let root = read(&layer);
        assert_eq!(root["usr/bin/gatewright"], contents().program);
        assert!(root.contains_key("data/") && root.contains_key("etc/nsswitch.conf"));
        assert_eq!(
            parse(&files["manifest.json"])[0]["Config"],
            place(&manifest["config"])
        );
    }

    #[test]
    fn the_loader_and_the_libraries_are_read_from_what_ldd_prints() {
        let printed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x0000)\n\
             \t/lib64/ld-linux-x86-64.so.2 (0x0000)";
        assert_eq!(
            loaded(printed),
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
    }
}
