//! `gatewright_VERSION_amd64.deb`, for Debian 12 and later, and what descends from it. A package is an `ar` archive of two tar
//! archives: what to do (`control`) and what to install (`data`), see deb(5).

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::{
    Artefact, PREFIX,
    archive::{self, Tree},
    contents::Contents,
    date, digest,
    source::Source,
};

/// The file that administrators change, which an update keeps.
const CONFFILE: &str = "etc/gatewright/gatewright.toml";

const MAINTAINER: &str = "Gatewright <gatewright@localhost>";

/// The scripts that dpkg runs.
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("../../../ops/deb/postinst")),
    ("prerm", include_str!("../../../ops/deb/prerm")),
    ("postrm", include_str!("../../../ops/deb/postrm")),
];

/// Makes the package.
pub(crate) fn make(source: &Source, contents: &Contents) -> anyhow::Result<Artefact> {
    let data = data(source, contents)?;
    let control = control(source, contents, &data);
    let packed = |tree: &Tree| archive::gzip(&tree.tar("./", source.time)?);
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", packed(&control)?),
        ("data.tar.gz", packed(&data)?),
    ];
    Ok(Artefact {
        name: format!("{PREFIX}_{}_amd64.deb", source.version),
        bytes: ar(&members, source.time),
    })
}

/// What is installed.
fn data(source: &Source, contents: &Contents) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    tree.file("usr/bin/gatewright", 0o755, contents.program.as_slice());
    tree.file(CONFFILE, 0o644, contents.service.as_slice());
    tree.file(
        "usr/lib/systemd/system/gatewright.service",
        0o644,
        contents.unit.as_str(),
    );
    for (page, bytes) in &contents.manual {
        tree.file(
            &format!("usr/share/man/man1/{page}.gz"),
            0o644,
            archive::gzip_best(bytes)?,
        );
    }
    for (file, bytes) in &contents.completions {
        let place = match *file {
            "gatewright.bash" => "bash-completion/completions/gatewright",
            "_gatewright" => "zsh/vendor-completions/_gatewright",
            _ => "fish/vendor_completions.d/gatewright.fish",
        };
        tree.file(&format!("usr/share/{place}"), 0o644, bytes.as_slice());
    }
    let mut document = |name: &str, bytes: Vec<u8>| {
        tree.file(&format!("usr/share/doc/gatewright/{name}"), 0o644, bytes);
    };
    document("copyright", COPYRIGHT.as_bytes().to_vec());
    document("changelog.gz", archive::gzip_best(changes(source).as_bytes())?);
    document("CHANGELOG.md.gz", archive::gzip_best(&contents.changelog)?);
    document("README.md", contents.readme.clone());
    document("gatewright.example.toml", contents.example.clone());
    Ok(tree)
}

/// Who made it, and the licence, in the format that Debian reads by machine.
const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Gatewright

Files: *
Copyright: The Gatewright authors
License: Apache-2.0
 The licence is in /usr/share/common-licenses/Apache-2.0.
";

/// What apt shows of a version.
fn changes(source: &Source) -> String {
    format!(
        "gatewright ({}) stable; urgency=medium\n\n  * See CHANGELOG.md.gz in this folder.\n\n -- {MAINTAINER}  {}\n",
        source.version,
        date::rfc2822(source.time)
    )
}

/// What dpkg reads and runs.
fn control(source: &Source, contents: &Contents, data: &Tree) -> Tree {
    let mut tree = Tree::default();
    let (mut size, mut sums) = (0, String::new());
    for (path, bytes) in data.files() {
        size += bytes.len().div_ceil(1024);
        if path != CONFFILE {
            let _ = writeln!(sums, "{}  {path}", digest::hexadecimal(&Md5::digest(bytes)));
        }
    }
    let fields = format!(
        "Package: gatewright\nVersion: {}\nArchitecture: amd64\nMaintainer: {MAINTAINER}\n\
         Installed-Size: {size}\nDepends: libc6 (>= {}), libgcc-s1, passwd\nSection: net\nPriority: optional\n\
         Description: MCP gateway that signs users in at your own identity provider\n \
         Gatewright puts many MCP servers behind one URL, sends every end user to\n \
         your identity provider to sign in, and tells the servers who is calling.\n",
        source.version, contents.glibc
    );
    tree.file("control", 0o644, fields);
    tree.file("md5sums", 0o644, sums);
    tree.file("conffiles", 0o644, format!("/{CONFFILE}\n"));
    for (name, script) in SCRIPTS {
        tree.file(name, 0o755, script);
    }
    tree
}

/// An `ar` archive in the common format: a header of 60 letters before each member, members at even places.
fn ar(members: &[(&str, Vec<u8>)], time: u64) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let size = content.len();
        let header = format!("{name:<16}{time:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 100_644);
        bytes.extend(header.as_bytes());
        bytes.extend(content);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::{
        dist::{contents::testing::contents, source::testing::source},
        shell::{capture, has},
    };

    #[test]
    fn members_have_headers_of_sixty_letters_and_even_places() {
        let bytes = ar(&[("one", b"abc".to_vec()), ("two", b"de".to_vec())], 7);
        let header = |name: &str, size: &str| {
            format!("{name}             7           0     0     100644  {size}         `\n")
        };
        let expected = format!("!<arch>\n{}abc\n{}de", header("one", "3"), header("two", "2"));
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn dpkg_reads_the_package() {
        if !has("dpkg-deb") {
            return;
        }
        let package = make(&source(), &contents()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(&package.name);
        fs::write(&file, &package.bytes).unwrap();
        let field = |name: &str| capture(Command::new("dpkg-deb").arg("-f").arg(&file).arg(name)).unwrap();
        assert_eq!(field("Version"), "1.2.3");
        assert_eq!(field("Depends"), "libc6 (>= 2.34), libgcc-s1, passwd");
        let listed = capture(Command::new("dpkg-deb").arg("-c").arg(&file)).unwrap();
        for path in ["./usr/bin/gatewright", "./etc/gatewright/gatewright.toml"] {
            assert!(listed.contains(&format!(" {path}\n")), "{listed}");
        }
        assert!(!listed.contains("gatewright/gatewright.toml.dpkg"), "{listed}");
    }
}
