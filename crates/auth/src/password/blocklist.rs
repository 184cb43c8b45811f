//! Passwords that nobody may choose.

mod entries;
mod filter;
mod forms;
mod plain;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use self::filter::{FilterBuilder, FilterKind, FilterSummary};
use self::{entries::Entries, filter::Filter, plain::Plain};

/// Passwords that nobody may choose: a list that ships, and an operator's own.
///
/// The whole password is compared, letter case aside; a password that merely contains one of them
/// is judged by its strength (NIST SP 800-63B-4 §3.1.1.2).
///
/// The list that ships has some 110 000 entries in the program itself, of which 49 000 have the 15
/// code points that a policy asks for, and refuses what plain rules make of them as well: repeated,
/// with digits, years and signs before or behind, spelled with digits for letters, backwards, as
/// phrases with or without spaces, and walks over the keyboard. It takes no memory and no work at the
/// start. A look-up takes 1 to 20 µs, and up to 0.2 ms for a text made to take long. Of the 336 000
/// leaked passwords of 15 or more code points in its largest source it refuses 59 000; of 300 000 random
/// ones, and of 30 000 of two to four words drawn by dice, none but some of digits alone.
/// `blocklist/SOURCES.md` tells where it is from.
///
/// An operator's own list is compared entry by entry, without those rules.
pub struct Blocklist {
    shipped: Entries<'static>,
    own: Option<Own>,
}

/// An operator's list.
enum Own {
    Plain(Plain),
    Filter(Filter),
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
    /// It has too many lines for a list that is held in memory.
    #[error(
        "the password blocklist {file} has more than {max} lines; make a filter of it: \
         gabion blocklist build {file} --out FILE",
        file = .0.display(),
        max = plain::MAX_ENTRIES
    )]
    TooLong(PathBuf),
    /// It is neither text nor a filter.
    #[error(
        "the password blocklist {} is neither a filter nor text: most of its lines are not UTF-8",
        .0.display()
    )]
    Foreign(PathBuf),
    /// It is a filter, but not a whole one of a kind that is known.
    #[error("the password blocklist {} {problem}; build it anew", .file.display())]
    Damaged {
        /// The list.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Blocklist {
    /// The list that ships.
    #[must_use]
    pub fn shipped() -> Self {
        Self { shipped: Entries::shipped(), own: None }
    }

    /// The list that ships and an operator's own: a filter made by [`FilterBuilder`], or a text with
    /// one password a line, UTF-8.
    ///
    /// A filter stays on its disk, whatever its size. A text is held in memory, 8 bytes for each of
    /// at most 4 194 304 lines; lines longer than any password are skipped.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is a filter that is damaged, is mostly no text, or is a text with
    /// too many lines.
    pub fn with_file(path: &Path) -> Result<Self, BlocklistError> {
        let failed = |cause| BlocklistError::Io { file: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        let own = if Filter::is_one(&file).map_err(failed)? {
            Own::Filter(Filter::open(path, file)?)
        } else {
            Own::Plain(Plain::read(path, file)?)
        };
        Ok(Self { own: Some(own), ..Self::shipped() })
    }

    /// Whether `password` is one of them. Reads at most 20 KiB of a filter, so it blocks.
    ///
    /// # Errors
    ///
    /// When the operator's filter cannot be read; then nothing is known about the password.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let folded = fold(password);
        if forms::is_common(&folded, |text| self.shipped.contains(text)) {
            return Ok(true);
        }
        match &self.own {
            None => Ok(false),
            Some(Own::Plain(list)) => Ok(list.contains(&folded)),
            Some(Own::Filter(filter)) => filter.contains(password, &folded),
        }
    }

    /// How many entries the operator's own list has, doubles counted once.
    #[must_use]
    pub fn own_entries(&self) -> u64 {
        match &self.own {
            None => 0,
            Some(Own::Plain(list)) => list.len() as u64,
            Some(Own::Filter(filter)) => filter.entries(),
        }
    }
}

/// In NFC and lower case, so that a capital or another keyboard makes no other password.
fn fold(password: &str) -> Zeroizing<String> {
    if password.is_ascii() {
        return Zeroizing::new(password.to_ascii_lowercase());
    }
    let lower: Zeroizing<String> =
        Zeroizing::new(password.nfc().flat_map(char::to_lowercase).collect());
    Zeroizing::new(lower.nfc().collect())
}

#[cfg(test)]
mod tests;
