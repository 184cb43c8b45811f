use flate2::{Crc, Decompress, FlushDecompress, Status};
use gabion_limits::ContentCoding;

use super::{
    DecompressError,
    gzip::{Header, Trailer},
};

/// Decompresses one body, step by step.
pub(super) struct Decoder {
    inflate: Decompress,
    coding: ContentCoding,
    phase: Phase,
    /// Of the present gzip member.
    sum: Crc,
    members: usize,
    /// Whether the inflater has nothing more to give without more input.
    hungry: bool,
}

enum Phase {
    Header(Header),
    Data,
    Trailer(Trailer),
    End,
}

/// The most members of one gzip body. RFC 1952 §2.2 allows any number, and some tools write a few; each
/// begins with an empty window of 32 KiB, so a body of nothing but members would cost far more than it
/// weighs.
const MEMBERS: usize = 16;

impl Decoder {
    pub(super) fn new(coding: ContentCoding) -> Self {
        let (zlib, phase) = match coding {
            ContentCoding::Gzip => (false, Phase::Header(Header::new())),
            ContentCoding::Deflate => (true, Phase::Data),
        };
        let inflate = Decompress::new(zlib);
        Self { inflate, coding, phase, sum: Crc::new(), members: 0, hungry: false }
    }

    /// Whether the body may end here.
    pub(super) const fn is_complete(&self) -> bool {
        match &self.phase {
            Phase::End => true,
            // Between two members.
            Phase::Header(header) => self.members > 0 && header.is_untouched(),
            Phase::Data | Phase::Trailer(_) => false,
        }
    }

    /// Decompresses from `input` into `output`, until one is used up: how much it took and gave.
    ///
    /// # Errors
    ///
    /// When the input is not of its coding.
    pub(super) fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(usize, usize), DecompressError> {
        let (mut taken, mut given) = (0, 0);
        while given < output.len() {
            let rest = &input[taken..];
            match &mut self.phase {
                Phase::Data => {
                    if rest.is_empty() && self.hungry {
                        break;
                    }
                    let (took, gave) = self.inflate(rest, &mut output[given..])?;
                    taken += took;
                    given += gave;
                }
                Phase::Header(header) => {
                    let Some(byte) = rest.first() else { break };
                    taken += 1;
                    if header.read(*byte)? {
                        self.phase = Phase::Data;
                        self.hungry = true;
                    }
                }
                Phase::Trailer(trailer) => {
                    let Some(byte) = rest.first() else { break };
                    taken += 1;
                    if trailer.read(*byte) {
                        trailer.check(self.sum.sum(), self.sum.amount())?;
                        self.next_member();
                    }
                }
                Phase::End if rest.is_empty() => break,
                // Something behind the end is a second body for whoever looks for one.
                Phase::End => return Err(self.malformed()),
            }
        }
        Ok((taken, given))
    }

    fn inflate(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(usize, usize), DecompressError> {
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, FlushDecompress::None);
        let status = status.map_err(|_| self.malformed())?;
        let moved = |now: u64, before: u64| usize::try_from(now - before).unwrap_or_default();
        let took = moved(self.inflate.total_in(), before.0);
        let gave = moved(self.inflate.total_out(), before.1);
        if let ContentCoding::Gzip = self.coding {
            self.sum.update(&output[..gave]);
        }
        self.hungry = gave < output.len();
        if status == Status::StreamEnd {
            self.phase = match self.coding {
                ContentCoding::Gzip => Phase::Trailer(Trailer::default()),
                ContentCoding::Deflate => Phase::End,
            };
        } else if took == 0 && gave == 0 && !input.is_empty() {
            // It neither takes nor gives: it would not next time either.
            return Err(self.malformed());
        }
        Ok((took, gave))
    }

    fn next_member(&mut self) {
        self.members += 1;
        self.phase = if self.members < MEMBERS {
            self.inflate.reset(false);
            self.sum.reset();
            Phase::Header(Header::new())
        } else {
            Phase::End
        };
    }

    const fn malformed(&self) -> DecompressError {
        DecompressError::Malformed(match self.coding {
            ContentCoding::Gzip => "gzip",
            ContentCoding::Deflate => "deflate (zlib)",
        })
    }
}
