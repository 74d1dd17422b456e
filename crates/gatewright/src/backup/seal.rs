//! The end of a backup: the SHA-256 of everything before it, as a gzip member of its own.

use std::io::{self, Read, Write};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// Passes on what is written, and computes its digest.
#[derive(Debug)]
pub(super) struct Hashing<W> {
    inner: W,
    digest: Sha256,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            digest: Sha256::new(),
        }
    }

    /// Writes the seal; returns the digest of everything, including it, in hexadecimal digits, and what was written to.
    pub(super) fn seal(mut self) -> io::Result<(String, W)> {
        let seal = seal_of(&hex(&self.digest.clone().finalize()));
        self.write_all(&seal)?;
        Ok((hex(&self.digest.finalize()), self.inner))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The length of a seal in bytes.
pub(super) fn length() -> u64 {
    seal_of(&"0".repeat(64)).len() as u64
}

/// Whether the first `length` bytes are followed by their seal.
pub(super) fn is_intact(file: &mut impl Read, length: u64) -> io::Result<bool> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
        let read = file.read(&mut buffer[..most])?;
        if read == 0 {
            return Ok(false);
        }
        digest.update(&buffer[..read]);
        left -= read as u64;
    }
    let mut seal = Vec::new();
    file.read_to_end(&mut seal)?;
    Ok(seal == seal_of(&hex(&digest.finalize())))
}

fn seal_of(digest: &str) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::none());
    writeln!(member, "sha256 {digest}").expect("a vector can grow");
    member.finish().expect("a vector can grow")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |text, byte| {
        format!("{text}{byte:02x}")
    })
}
