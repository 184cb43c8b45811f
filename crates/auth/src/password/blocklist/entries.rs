//! The shipped entries, as they lie in the program.
//!
//! `blocklist/build.py` writes them sorted by their bytes and front-coded: of each entry it says how
//! many bytes it shares with the one before, and the rest. Every sixteenth shares nothing, and where
//! those begin is told, so one is found by halving. Nothing is decoded before it is asked for and
//! nothing is kept; the answer is exact.
//!
//! ```text
//! count: u32           all numbers little endian
//! starts: [u32]        one for each sixteen entries, counted from the end of this table
//! entries              shared << 4 | min(rest, 15): u8, rest - 15: u8 where that was 15, rest: bytes
//! ```

/// A list in that form.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    starts: &'a [[u8; 4]],
    blocks: &'a [u8],
    #[cfg(test)]
    pub(super) count: usize,
}

/// Entries between two restarts.
const BLOCK: usize = 16;
/// Bytes of the longest entry that the form can hold.
const LONGEST: usize = 15 + 15 + 255;

impl Entries<'static> {
    /// Those that ship.
    pub(super) fn shipped() -> Self {
        Entries::new(include_bytes!("../../../blocklist/entries.bin"))
    }
}

impl<'a> Entries<'a> {
    fn new(data: &'a [u8]) -> Self {
        let (count, rest) = data.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let count = u32::from_le_bytes(*count) as usize;
        let (starts, blocks) = rest.split_at_checked(count.div_ceil(BLOCK) * 4).unwrap_or_default();
        Self {
            starts: starts.as_chunks().0,
            blocks,
            #[cfg(test)]
            count,
        }
    }

    /// Whether `text` is one of them, byte for byte.
    pub(super) fn contains(&self, text: &str) -> bool {
        let text = text.as_bytes();
        // The first of a block is whole, so it is compared where it lies.
        let after = self.starts.partition_point(|start| {
            let rest = self.blocks.get(u32::from_le_bytes(*start) as usize..).unwrap_or_default();
            split(rest).is_some_and(|(_, first, _)| first <= text)
        });
        let Some(start) = after.checked_sub(1).and_then(|block| self.starts.get(block)) else {
            return false;
        };
        let mut block = Block::at(self.blocks, start);
        for _ in 0..BLOCK {
            match block.next() {
                Some(entry) if entry < text => {}
                found => return found == Some(text),
            }
        }
        false
    }

    #[cfg(test)]
    pub(super) fn all(self) -> impl Iterator<Item = String> + use<'a> {
        let mut block = Block { rest: self.blocks, entry: [0; LONGEST] };
        std::iter::from_fn(move || {
            Some(String::from_utf8(block.next()?.to_vec()).expect("entries are text"))
        })
    }
}

/// Entries read one after the other.
struct Block<'a> {
    rest: &'a [u8],
    /// The entry that was read last, from its beginning.
    entry: [u8; LONGEST],
}

impl<'a> Block<'a> {
    fn at(blocks: &'a [u8], start: &[u8; 4]) -> Self {
        let start = u32::from_le_bytes(*start) as usize;
        Self { rest: blocks.get(start..).unwrap_or_default(), entry: [0; LONGEST] }
    }

    fn next(&mut self) -> Option<&[u8]> {
        let (shared, bytes, rest) = split(self.rest)?;
        self.rest = rest;
        let entry = self.entry.get_mut(..shared + bytes.len())?;
        entry[shared..].copy_from_slice(bytes);
        Some(entry)
    }
}

/// What the next entry shares, its own bytes, and all that comes after it.
fn split(rest: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let (&lengths, mut rest) = rest.split_first()?;
    let (shared, mut length) = (usize::from(lengths >> 4), usize::from(lengths & 15));
    if length == 15 {
        let (&more, after) = rest.split_first()?;
        (length, rest) = (15 + usize::from(more), after);
    }
    let (bytes, after) = rest.split_at_checked(length)?;
    Some((shared, bytes, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_is_found_and_its_neighbours_are_not() {
        let entries = Entries::shipped();
        let (mut before, mut count) = (String::new(), 0);
        for entry in entries.all() {
            assert!(before < entry, "{before} {entry}");
            assert!(entries.contains(&entry), "{entry}");
            // Between two neighbours there is nothing.
            assert!(!entries.contains(&format!("{before}\0")), "{before}");
            (before, count) = (entry, count + 1);
        }
        assert_eq!(count, entries.count);
        assert!(!entries.contains("") && !entries.contains("\u{10ffff}"));
    }

    #[test]
    fn damaged_data_is_no_panic() {
        let good = include_bytes!("../../../blocklist/entries.bin");
        for data in [&good[..0], &good[..3], &good[..7], &good[..good.len() - 1], &[255; 4096]] {
            Entries::new(data).contains("password");
            Entries::new(data).contains("\u{10ffff}");
        }
    }
}
