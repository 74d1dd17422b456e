//! The files that variables such as `GATEWRIGHT__DATABASE__URL_FILE` name: orchestrators mount secrets as files.

use std::{fs::File, io::Read as _, path::Path};

/// The most bytes that are read of a file.
const LARGEST: usize = 64 * 1024;

/// Returns the text of a file without the line end behind it, or what is wrong with the file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut text = String::new();
    let opened = File::open(path).map(|file| file.take(LARGEST as u64 + 1));
    if let Err(error) = opened.and_then(|mut file| file.read_to_string(&mut text)) {
        return Err(format!(
            "the file {shown} cannot be read ({}). Name a text file that this user can read",
            error.kind()
        ));
    }
    if text.len() > LARGEST {
        return Err(format!(
            "the file {shown} is larger than {LARGEST} bytes. Name a file that holds only the value"
        ));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_line_end_and_only_up_to_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " a b \r\n\n").unwrap();
        assert_eq!(read(&path).unwrap(), " a b ");
        std::fs::write(&path, "x".repeat(LARGEST)).unwrap();
        assert_eq!(read(&path).unwrap().len(), LARGEST);
        std::fs::write(&path, "x".repeat(LARGEST + 1)).unwrap();
        assert!(read(&path).unwrap_err().contains("larger than"));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read(&path).unwrap_err().contains("text file"));
    }
}
