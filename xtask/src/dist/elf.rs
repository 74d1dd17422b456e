//! What a program needs of the C library.

/// The oldest version of the C library that has everything the program uses, such as `2.34`; `None` if it uses none. Each needed
/// version is a text of the program (`GLIBC_2.34`), in the table that the loader checks.
pub(crate) fn needed_glibc(program: &[u8]) -> Option<(u32, u32)> {
    const NAME: &[u8] = b"\0GLIBC_";
    let version = |start: usize| {
        let text = program[start..].split(|byte| *byte == 0).next()?;
        let (major, rest) = std::str::from_utf8(text).ok()?.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    program
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == NAME)
        .filter_map(|(at, _)| version(at + NAME.len()))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_named_counts() {
        let program = b"x\0GLIBC_2.4\0GLIBC_2.34\0y\0GLIBC_2.2.5\0GLIBC_PRIVATE\0";
        assert_eq!(needed_glibc(program), Some((2, 34)));
        assert_eq!(needed_glibc(b"nothing"), None);
    }
}
