const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, kind, flags, stream (RFC 9113 §4.1).
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What a frame without a load costs. More than any answer that the server must give to one (17 bytes
/// for a PING), so that no flood pays for itself.
const COST: u32 = 32;
/// What a connection begins with, and the most that it ever has.
const MOST: u32 = FrameMeter::BURST * COST;

/// Counts the frames of one HTTP/2 connection that carry no load, and says when there are too many.
///
/// PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, frames of unknown kind, empty DATA: each is a
/// few bytes to send, must be looked at and often answered, and neither a limit on requests nor a limit
/// on bytes sees them (CVE-2019-9512, -9513, -9515, -9518). A client in good faith sends them in
/// proportion to what it gets, as for the room that it makes for more. So they are paid for: a frame
/// costs 32, each byte sent to the client gives one, each millisecond gives 32, and
/// [`BURST`](Self::BURST) frames are there from the start and at most.
///
/// HEADERS that open a stream are free: requests, streams and resets have limits of their own. All
/// others are paid for like frames without a load, as trailers are, and those that come again and
/// again on a stream that is open or was reset. A connection that does not begin with HTTP/2's preface
/// is free.
///
/// It reads along with whoever speaks HTTP/2, in pieces of any size; it looks at the heads of frames
/// only. So it also knows whether a [header block](Self::header_block) is open.
#[derive(Debug, Clone)]
pub struct FrameMeter {
    place: Place,
    balance: u32,
    /// The tick at which the time was last paid for, its lower half.
    paid_ms: u32,
    /// The last stream that the client opened.
    stream: u32,
    /// How many header blocks began, modulo 2^16.
    blocks: u16,
    block: Block,
}

/// Where the last header block stands (RFC 9113 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// There is none, or it is over.
    Over,
    /// Another frame of it is to come.
    Open,
    /// The frame that is being read is its last one.
    Ending,
}

#[derive(Debug, Clone)]
enum Place {
    /// So much of the preface was there.
    Preface(u8),
    /// So much of a frame's head.
    Head { have: u8, bytes: [u8; HEAD] },
    /// So many bytes of a frame are still to come.
    Load(u32),
    /// Not HTTP/2.
    Elsewhere,
}

/// A connection has sent more frames without a load than are paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many HTTP/2 frames that carry nothing")]
pub struct TooManyFrames {
    last_stream: u32,
}

impl TooManyFrames {
    /// The frame to part with: GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §6.8, §7).
    #[must_use]
    pub fn goaway(&self) -> [u8; 17] {
        let mut frame = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
        frame[9..13].copy_from_slice(&self.last_stream.to_be_bytes());
        frame
    }
}

impl FrameMeter {
    /// The most frames without a load that may come at once.
    pub const BURST: u32 = 2000;

    /// A connection that has said nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: Place::Preface(0),
            balance: MOST,
            paid_ms: 0,
            stream: 0,
            blocks: 0,
            block: Block::Over,
        }
    }

    /// The client sent `bytes`, at the tick `now_ms`.
    ///
    /// # Errors
    ///
    /// When too many frames without a load are among them. The connection is to be ended then: what
    /// comes after that is not counted.
    #[inline]
    pub fn read(&mut self, bytes: &[u8], now_ms: u64) -> Result<(), TooManyFrames> {
        match self.place {
            Place::Elsewhere => Ok(()),
            _ => self.walk(bytes, now_ms),
        }
    }

    /// So many bytes were sent to the client.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        self.pay(u32::try_from(bytes).unwrap_or(MOST));
    }

    /// Whether a header block has begun and is not read to its end: then a number of it that the block
    /// before it did not have.
    ///
    /// The time that this may last is the time of a request's head; nothing else shows it, for the
    /// streams beside it wait for nothing while they are answered.
    #[must_use]
    pub fn header_block(&self) -> Option<u16> {
        match self.place {
            _ if self.block != Block::Over => Some(self.blocks),
            Place::Head { have: 4.., bytes: [_, _, _, HEADERS, ..] } => {
                Some(self.blocks.wrapping_add(1))
            }
            _ => None,
        }
    }

    fn pay(&mut self, units: u32) {
        self.balance = self.balance.saturating_add(units).min(MOST);
    }

    fn walk(&mut self, mut bytes: &[u8], now_ms: u64) -> Result<(), TooManyFrames> {
        #[expect(clippy::cast_possible_truncation, reason = "differences are taken modulo 2^32")]
        let now = now_ms as u32;
        let passed = now.wrapping_sub(self.paid_ms);
        if passed > 0 {
            self.paid_ms = now;
            self.pay(passed.saturating_mul(COST));
        }
        while let Some(first) = bytes.first() {
            match &mut self.place {
                Place::Elsewhere => return Ok(()),
                Place::Preface(seen) => {
                    if *first != PREFACE[usize::from(*seen)] {
                        self.place = Place::Elsewhere;
                        return Ok(());
                    }
                    bytes = &bytes[1..];
                    *seen += 1;
                    if usize::from(*seen) == PREFACE.len() {
                        self.place = Place::Head { have: 0, bytes: [0; HEAD] };
                    }
                }
                Place::Load(left) => {
                    let skipped = (*left as usize).min(bytes.len());
                    bytes = &bytes[skipped..];
                    // No more than what was left.
                    *left -= u32::try_from(skipped).unwrap_or(*left);
                    if *left == 0 {
                        self.frame_ended();
                    }
                }
                Place::Head { have, bytes: head } => {
                    let wanted = &mut head[usize::from(*have)..];
                    let taken = wanted.len().min(bytes.len());
                    wanted[..taken].copy_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    // Nine at most.
                    *have += u8::try_from(taken).unwrap_or(0);
                    if usize::from(*have) == HEAD {
                        let head = *head;
                        self.frame(head)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn frame(&mut self, head: [u8; HEAD]) -> Result<(), TooManyFrames> {
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        if kind == HEADERS {
            self.blocks = self.blocks.wrapping_add(1);
            self.block = Block::Open;
        }
        // CONTINUATION of nothing is an error to whoever reads its load.
        if flags & END_HEADERS != 0 && (kind == HEADERS || kind == CONTINUATION) {
            self.block = Block::Ending;
        }
        self.place = Place::Load(length);
        if length == 0 {
            self.frame_ended();
        }
        // The upper bit is reserved.
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        if kind == HEADERS && stream > self.stream {
            self.stream = stream;
        } else if kind != DATA || length == 0 {
            let Some(left) = self.balance.checked_sub(COST) else {
                return Err(TooManyFrames { last_stream: self.stream });
            };
            self.balance = left;
        }
        Ok(())
    }

    fn frame_ended(&mut self) {
        self.place = Place::Head { have: 0, bytes: [0; HEAD] };
        if self.block == Block::Ending {
            self.block = Block::Over;
        }
    }
}

impl Default for FrameMeter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
