use flate2::Crc;

use super::DecompressError;

/// The frame around a gzip member (RFC 1952 §2.3), read byte by byte.
///
/// Names and comments in a header may be of any length; here a header has a bound.
pub(super) struct Header {
    part: Part,
    flags: u8,
    read: usize,
    sum: Crc,
}

enum Part {
    /// So many of the ten bytes that every header has.
    Fixed(u8),
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    Checksum(Option<u8>),
    Done,
}

/// The longest header that is read; usual ones have ten bytes and the name of a file.
const LONGEST: usize = 4096;

const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
/// They must be zero.
const RESERVED: u8 = 0b1110_0000;

const MALFORMED: DecompressError = DecompressError::Malformed("gzip");

impl Header {
    pub(super) fn new() -> Self {
        Self { part: Part::Fixed(0), flags: 0, read: 0, sum: Crc::new() }
    }

    /// Whether nothing of it was read yet.
    pub(super) const fn is_untouched(&self) -> bool {
        self.read == 0
    }

    /// Reads one byte; whether it was the last of the header.
    pub(super) fn read(&mut self, byte: u8) -> Result<bool, DecompressError> {
        self.read += 1;
        if self.read > LONGEST {
            return Err(MALFORMED);
        }
        if !matches!(self.part, Part::Checksum(_)) {
            self.sum.update(&[byte]);
        }
        self.part = match self.part {
            Part::Fixed(at) => {
                let fits = match at {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    // The only method there is.
                    2 => byte == 8,
                    3 => {
                        self.flags = byte;
                        byte & RESERVED == 0
                    }
                    // Time, extra flags, operating system.
                    _ => true,
                };
                if !fits {
                    return Err(MALFORMED);
                }
                if at == 9 { self.after(HAS_EXTRA) } else { Part::Fixed(at + 1) }
            }
            Part::ExtraLength(None) => Part::ExtraLength(Some(byte)),
            Part::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after(HAS_NAME),
                length => Part::Extra(length),
            },
            Part::Extra(1) => self.after(HAS_NAME),
            Part::Extra(left) => Part::Extra(left - 1),
            Part::Name if byte == 0 => self.after(HAS_COMMENT),
            Part::Name => Part::Name,
            Part::Comment if byte == 0 => self.after(HAS_CHECKSUM),
            Part::Comment => Part::Comment,
            Part::Checksum(None) => Part::Checksum(Some(byte)),
            Part::Checksum(Some(low)) => {
                let [own_low, own_high, ..] = self.sum.sum().to_le_bytes();
                if [low, byte] != [own_low, own_high] {
                    return Err(MALFORMED);
                }
                Part::Done
            }
            Part::Done => Part::Done,
        };
        Ok(matches!(self.part, Part::Done))
    }

    /// The first part that is there, from the one that `flag` stands for on.
    fn after(&self, flag: u8) -> Part {
        let order = [
            (HAS_EXTRA, Part::ExtraLength(None)),
            (HAS_NAME, Part::Name),
            (HAS_COMMENT, Part::Comment),
            (HAS_CHECKSUM, Part::Checksum(None)),
        ];
        let from = order.into_iter().skip_while(|(own, _)| *own != flag);
        let mut there = from.filter(|(own, _)| self.flags & own != 0);
        there.next().map_or(Part::Done, |(_, part)| part)
    }
}

/// Checksum and length behind a member.
#[derive(Default)]
pub(super) struct Trailer {
    bytes: [u8; 8],
    read: usize,
}

impl Trailer {
    /// Reads one byte; whether it was the last.
    pub(super) const fn read(&mut self, byte: u8) -> bool {
        self.bytes[self.read] = byte;
        self.read += 1;
        self.read == self.bytes.len()
    }

    /// Whether it fits a member of `length` bytes, counted in 32 bits, with the checksum `sum`.
    pub(super) fn check(&self, sum: u32, length: u32) -> Result<(), DecompressError> {
        let [a, b, c, d, e, f, g, h] = self.bytes;
        let fits =
            u32::from_le_bytes([a, b, c, d]) == sum && u32::from_le_bytes([e, f, g, h]) == length;
        if fits { Ok(()) } else { Err(MALFORMED) }
    }
}
