use std::{
    fs::File,
    hash::BuildHasher,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use foldhash::quality::RandomState;
use unicode_normalization::UnicodeNormalization;

/// Passwords that nobody may choose, kept as sorted hashes of 8 bytes.
///
/// The whole password is compared, letter case aside; a password that merely contains one of them
/// is judged by its strength (NIST SP 800-63B-4 §3.1.1.2).
pub struct Blocklist {
    hasher: RandomState,
    hashes: Vec<u64>,
}

/// An operator's list cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlocklistError {
    /// It cannot be read.
    #[error("cannot read the password blocklist {}", .file.display())]
    Io {
        /// The list.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It has too many lines.
    #[error("the password blocklist {} has more than {MAX_ENTRIES} lines", .0.display())]
    TooLong(PathBuf),
}

/// Most entries; they take 32 MiB.
const MAX_ENTRIES: usize = 4 << 20;
/// No password is longer, see [`NormalPassword`](super::NormalPassword).
const MAX_LINE: u64 = 1024;

/// What people begin with.
const STEMS: &str = include_str!("blocklist.txt");
/// What they add to reach a length.
const SUFFIXES: [&str; 20] = [
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0000",
    "1111",
    "2024",
    "2025",
    "2026",
    "!",
    "!!",
    "123!",
    "1!",
    "abc123",
];
/// Keys beside each other, to be walked along and back.
const WALKS: [&str; 7] = [
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "12345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "1q2w3e4r5t6y7u8i9o0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "zxcvbnmasdfghjklqwertyuiop",
];
/// As long as such passwords get.
const LONGEST: usize = 32;

impl Blocklist {
    /// The list that ships: common beginnings doubled, repeated, suffixed and capitalised, and
    /// walks over the keyboard.
    #[must_use]
    pub fn shipped() -> Self {
        let mut list = Self { hasher: RandomState::default(), hashes: Vec::new() };
        for stem in STEMS.lines().filter(|line| !line.is_empty()) {
            list.add_variants(stem);
        }
        for walk in WALKS {
            let back: String = walk.chars().rev().collect();
            for keys in [walk, &back] {
                for start in 0..keys.len() {
                    for length in 4..=LONGEST.min(keys.len() - start) {
                        list.add(&keys[start..start + length]);
                    }
                }
                list.add_variants(&keys[..4]);
                list.add_variants(&keys[..6]);
            }
        }
        for digit in ('0'..='9').chain('a'..='z') {
            for length in 4..=LONGEST {
                list.add(&String::from(digit).repeat(length));
            }
        }
        list.finish()
    }

    /// The list that ships and an operator's own: one password a line, UTF-8.
    ///
    /// Lines longer than any password are skipped.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has more than four million lines.
    pub fn with_file(path: &Path) -> Result<Self, BlocklistError> {
        let failed = |cause| BlocklistError::Io { file: path.to_owned(), cause };
        let mut list = Self::shipped();
        let mut lines = BufReader::new(File::open(path).map_err(failed)?);
        let mut line = Vec::new();
        while read_line(&mut lines, &mut line).map_err(failed)? {
            if list.hashes.len() == MAX_ENTRIES {
                return Err(BlocklistError::TooLong(path.to_owned()));
            }
            if let Ok(text) = std::str::from_utf8(&line)
                && !text.is_empty()
            {
                list.add(text);
            }
        }
        Ok(list.finish())
    }

    /// Whether `password` is one of them.
    #[must_use]
    pub fn contains(&self, password: &str) -> bool {
        self.hashes.binary_search(&self.hash(password)).is_ok()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    fn add_variants(&mut self, stem: &str) {
        let solid = stem.replace(' ', "");
        for stem in [stem, &solid] {
            self.add(stem);
            for times in 2..=LONGEST / stem.len() {
                self.add(&stem.repeat(times));
            }
            for suffix in SUFFIXES {
                self.add(&format!("{stem}{suffix}"));
                self.add(&format!("{stem}{stem}{suffix}"));
                self.add(&format!("{suffix}{stem}"));
                self.add(&format!("{stem}{suffix}").repeat(2));
            }
        }
    }

    fn add(&mut self, password: &str) {
        self.hashes.push(self.hash(password));
    }

    fn finish(mut self) -> Self {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.shrink_to_fit();
        self
    }

    fn hash(&self, password: &str) -> u64 {
        let folded = if password.is_ascii() {
            password.to_ascii_lowercase()
        } else {
            password.nfc().flat_map(char::to_lowercase).collect()
        };
        self.hasher.hash_one(folded)
    }
}

/// Reads the next line without its end into `line`; one that is too long comes back empty.
fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if lines.take(MAX_LINE + 2).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 > MAX_LINE {
        lines.skip_until(b'\n')?;
        line.clear();
    }
    while let Some(b'\n' | b'\r') = line.last() {
        line.pop();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_of_the_list_reaches_the_length_of_the_policy() {
        let list = Blocklist::shipped();
        assert!(list.len() > 10_000, "{}", list.len());
        for common in [
            "letmeinletmein1234",
            "iloveyouiloveyou",
            "1q2w3e4r5t6y7u8i9o",
            "aaaaaaaaaaaaaaaaaaaa",
            "CorrectHorseBatteryStaple",
            "correct horse battery staple",
        ] {
            assert!(list.contains(common), "{common}");
        }
        assert!(!list.contains("velvet kayak outruns mildew"));
    }

    #[test]
    fn an_operators_list_is_read_line_by_line() {
        let name = format!("gabion-blocklist-{:032x}", rand::random::<u128>());
        let path = std::env::temp_dir().join(name);
        let long = "x".repeat(5000);
        let text = format!("Our Company Motto\r\n\n{long}\nCafe\u{301} Gabion\n\u{0}\nlast line");
        std::fs::write(&path, text).unwrap();
        let list = Blocklist::with_file(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for refused in ["our company motto", "caf\u{e9} gabion", "last line"] {
            assert!(list.contains(refused), "{refused}");
        }
        assert!(!list.contains("") && !list.contains(&long));
    }

    #[test]
    fn a_list_that_is_not_there_is_named() {
        let told = Blocklist::with_file(Path::new("/nowhere/list")).err().unwrap().to_string();
        assert!(told.contains("/nowhere/list"), "{told}");
    }
}
