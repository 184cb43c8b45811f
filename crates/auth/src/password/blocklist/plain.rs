//! An operator's own list as text, held in memory.

use std::{
    fs::File,
    hash::BuildHasher,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use foldhash::quality::RandomState;

use super::{BlocklistError, fold};

/// Passwords as sorted hashes of 8 bytes, keyed anew in each process.
pub(super) struct Plain {
    hasher: RandomState,
    hashes: Vec<u64>,
}

/// Most entries; they take 32 MiB.
pub(super) const MAX_ENTRIES: usize = 4 << 20;
/// Bytes of the longest line; no password is longer, see [`NormalPassword`](crate::NormalPassword).
const MAX_LINE: u64 = 1024;

impl Plain {
    /// Reads one password a line.
    pub(super) fn read(path: &Path, file: File) -> Result<Self, BlocklistError> {
        let failed = |cause| BlocklistError::Io { file: path.to_owned(), cause };
        let mut lines = BufReader::new(file);
        let mut list = Self { hasher: RandomState::default(), hashes: Vec::new() };
        let (mut line, mut foreign) = (Vec::new(), 0);
        while read_line(&mut lines, &mut line).map_err(failed)? {
            let Some(text) = text(&line) else {
                foreign += usize::from(!line.is_empty());
                continue;
            };
            if list.hashes.len() == MAX_ENTRIES {
                return Err(BlocklistError::TooLong(path.to_owned()));
            }
            list.hashes.push(list.hasher.hash_one(fold(text).as_str()));
        }
        // A few lines of another encoding are in most lists; a compressed list is nothing else.
        if foreign > list.hashes.len() {
            return Err(BlocklistError::Foreign(path.to_owned()));
        }
        list.hashes.sort_unstable();
        list.hashes.dedup();
        list.hashes.shrink_to_fit();
        Ok(list)
    }

    pub(super) fn contains(&self, folded: &str) -> bool {
        self.hashes.binary_search(&self.hasher.hash_one(folded)).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }
}

/// The password that a line holds, if it holds one.
pub(super) fn text(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok().filter(|text| !text.is_empty())
}

/// Reads the next line without its end into `line`; one that is too long comes back empty.
pub(super) fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
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
