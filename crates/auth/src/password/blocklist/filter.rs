//! A corpus of any size as a file that is looked into and never loaded.
//!
//! Of each password the file holds some bits of a hash, sorted: a look-up reads two places and takes
//! no memory. It may call a password listed that is not, in one of 2 147 483 648 look-ups (2⁻³¹),
//! whatever the number of entries; what is listed is always found.
//!
//! # The file
//!
//! Numbers are little endian. The *hash* of an entry is its first 64 bits, big endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `GABIONBL` |
//! | 4 | version: 1 |
//! | 1 | kind: 1 for SHA-256 of the password in NFC and lower case, 2 for SHA-1 of the password |
//! | 1 | b, 0 to 24: the leading bits of a hash name its bucket, so that one has at most 512 entries on the average |
//! | 2 | 0 |
//! | 8 | entries |
//! | 32 | SHA-256 of the table |
//! | 8 | the beginning of the SHA-256 of the 56 bytes before |
//! | 8 × 2ᵇ | the table: for each bucket how many entries end with it, 5 bytes, and the beginning of the SHA-256 of its bytes, 3 bytes |
//! | 5 × entries | of each hash the 40 bits after b, ascending within a bucket, big endian |
//!
//! Header, length and table are checked when it is opened, a bucket whenever it is read.

mod build;

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use aws_lc_rs::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

pub use self::build::{FilterBuilder, FilterSummary};
use super::BlocklistError;

/// What the entries of a filter are hashes of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterKind {
    /// Passwords, one a line, UTF-8; compared in NFC, letter case aside.
    Passwords,
    /// SHA-1 hashes of passwords, one a line as 40 hexadecimal digits, as large public corpora have
    /// them; what follows a `:` is left out. Compared as typed and in lower case.
    Sha1,
}

/// A filter that was opened and found whole.
pub(super) struct Filter {
    file: File,
    kind: FilterKind,
    bits: u8,
    entries: u64,
}

const MAGIC: &[u8; 8] = b"GABIONBL";
const VERSION: u32 = 1;
const HEADER: u64 = 64;
/// Bytes of the header that its checksum covers.
const CHECKED: usize = 56;
/// Most leading bits that name a bucket.
const MAX_BITS: u8 = 24;
/// Bytes of a bucket in the table, and of an entry.
const ROW: u64 = 8;
const ENTRY: u64 = 5;
/// Entries of a bucket on the average, at most; and at all: with an even hash none comes near it.
const MEAN: u64 = 512;
const MOST: u64 = 4096;

/// What the file says of a bucket.
struct Row {
    end: u64,
    checksum: [u8; 3],
}

impl Row {
    fn read(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, checksum @ ..] = bytes;
        Self { end: u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]), checksum }
    }

    fn write(&self) -> [u8; 8] {
        let [a, b, c, d, e, ..] = self.end.to_le_bytes();
        let [x, y, z] = self.checksum;
        [a, b, c, d, e, x, y, z]
    }
}

impl FilterKind {
    fn number(self) -> u8 {
        match self {
            Self::Passwords => 1,
            Self::Sha1 => 2,
        }
    }
}

impl Filter {
    /// Whether the file begins as one.
    pub(super) fn is_one(file: &File) -> io::Result<bool> {
        let mut magic = [0; 8];
        match file.read_exact_at(&mut magic, 0) {
            Ok(()) => Ok(magic == *MAGIC),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            // A pipe is no filter, and may be a text.
            Err(_) if !file.metadata()?.is_file() => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(path: &Path, file: File) -> Result<Self, BlocklistError> {
        let failed = |cause| BlocklistError::Io { file: path.to_owned(), cause };
        let damaged = |problem| BlocklistError::Damaged { file: path.to_owned(), problem };
        let length = file.metadata().map_err(failed)?.len();
        let mut header = [0; HEADER as usize];
        if length < HEADER {
            return Err(damaged("ends too early"));
        }
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        if header[CHECKED..] != digest(&SHA256, &header[..CHECKED]).as_ref()[..8] {
            return Err(damaged("is damaged at its beginning"));
        }
        let (version, entries) = (number(&header[8..12]), number(&header[16..24]));
        let kind = match header[12] {
            1 => FilterKind::Passwords,
            2 => FilterKind::Sha1,
            _ => return Err(damaged("is of a kind that this version does not know")),
        };
        let bits = header[13];
        if version != u64::from(VERSION) || bits > MAX_BITS {
            return Err(damaged("is of a version that this one does not know"));
        }
        let rows = ROW << bits;
        let expected = entries.checked_mul(ENTRY).map(|bytes| HEADER + rows + bytes);
        if expected != Some(length) {
            return Err(damaged("is not as long as it says"));
        }
        let checksum = checksum(&file, HEADER, rows).map_err(failed)?;
        if header[24..CHECKED] != *checksum.as_ref() {
            return Err(damaged("has a damaged table"));
        }
        Ok(Self { file, kind, bits, entries })
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the password is listed; `folded` is the same in lower case.
    pub(super) fn contains(&self, password: &str, folded: &str) -> io::Result<bool> {
        match self.kind {
            FilterKind::Passwords => self.has(leading(&digest(&SHA256, folded.as_bytes()))),
            FilterKind::Sha1 => {
                let normal: Zeroizing<String> = Zeroizing::new(password.nfc().collect());
                let hash =
                    |text: &str| leading(&digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
                Ok(self.has(hash(&normal))? || (*normal != folded && self.has(hash(folded))?))
            }
        }
    }

    fn has(&self, hash: u64) -> io::Result<bool> {
        let bucket = bucket(hash, self.bits);
        let (start, Row { end, checksum }) = self.row(bucket)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the filter is damaged");
        let count = end.checked_sub(start).filter(|count| *count <= MOST);
        let count = count.filter(|_| end <= self.entries).ok_or_else(damaged)?;
        let mut bytes = vec![0; (count * ENTRY) as usize];
        let table = ROW << self.bits;
        self.file.read_exact_at(&mut bytes, HEADER + table + start * ENTRY)?;
        if digest(&SHA256, &bytes).as_ref()[..3] != checksum {
            return Err(damaged());
        }
        let (entries, _) = bytes.as_chunks::<{ ENTRY as usize }>();
        Ok(entries.binary_search(&remainder(hash, self.bits)).is_ok())
    }

    /// Where the bucket begins, and its row.
    fn row(&self, bucket: u64) -> io::Result<(u64, Row)> {
        let mut rows = [[0; ROW as usize]; 2];
        let Some(before) = bucket.checked_sub(1) else {
            self.file.read_exact_at(&mut rows[1], HEADER)?;
            return Ok((0, Row::read(rows[1])));
        };
        self.file.read_exact_at(rows.as_flattened_mut(), HEADER + before * ROW)?;
        Ok((Row::read(rows[0]).end, Row::read(rows[1])))
    }
}

/// The first 64 bits.
fn leading(digest: &Digest) -> u64 {
    digest.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

fn bucket(hash: u64, bits: u8) -> u64 {
    hash.checked_shr(64 - u32::from(bits)).unwrap_or(0)
}

/// The 40 bits after those of the bucket.
fn remainder(hash: u64, bits: u8) -> [u8; ENTRY as usize] {
    let [a, b, c, d, e, ..] = (hash << bits).to_be_bytes();
    [a, b, c, d, e]
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The SHA-256 of so many bytes of the file.
fn checksum(file: &File, mut at: u64, length: u64) -> io::Result<Digest> {
    let (end, mut context) = (at + length, Context::new(&SHA256));
    let mut piece = vec![0; 64 << 10];
    while at < end {
        let bytes = (end - at).min(piece.len() as u64) as usize;
        file.read_exact_at(&mut piece[..bytes], at)?;
        context.update(&piece[..bytes]);
        at += bytes as u64;
    }
    Ok(context.finish())
}

#[cfg(test)]
mod tests;
