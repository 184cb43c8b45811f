//! Frames by hand, and a connection that sends them.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
};

use crate::client::{PATIENCE, is_timeout};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, load: &[u8]) -> Vec<u8> {
    let length = u32::try_from(load.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(load);
    frame
}

/// A setting (RFC 9113 §6.5.2).
pub(super) fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A field that is not remembered, its name and value written out (RFC 7541 §6.2.2).
pub(super) fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for part in [name.as_bytes(), value] {
        field.extend(integer(part.len(), 7, 0));
        field.extend(part);
    }
    field
}

/// RFC 7541 §5.1.
pub(super) fn integer(mut value: usize, bits: u8, upper: u8) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    let byte = |value: usize| u8::try_from(value).expect("it is cut to a byte");
    if value < most {
        return vec![upper | byte(value)];
    }
    let mut bytes = vec![upper | byte(most)];
    value -= most;
    while value >= 128 {
        bytes.push(byte(value % 128) | 128);
        value /= 128;
    }
    bytes.push(byte(value));
    bytes
}

/// The fields of a request; the first indices are those of RFC 7541's static table.
pub(super) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let fields = [(":method", method), (":path", path), (":authority", "localhost")];
    let fields = fields.iter().chain(more);
    // `:scheme` is `http`.
    let mut block = vec![0x86];
    fields.for_each(|(name, value)| block.extend(field(name, value.as_bytes())));
    block
}

pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &request("GET", path, &[]))
}

/// The streams that a client opens.
pub(super) fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

/// What the server said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Goaway {
    pub(super) last_stream: u32,
    pub(super) code: u32,
    pub(super) told: String,
}

/// How a connection went.
#[derive(Clone, Debug, Default)]
pub(super) struct Parting {
    pub(super) goaway: Option<Goaway>,
    pub(super) closed: bool,
    /// Frames of each kind that came, by their number.
    pub(super) came: [u32; 10],
    /// Streams that the server reset, with the last reason.
    pub(super) reset: Option<u32>,
    /// Bytes that were sent to the server.
    pub(super) sent: usize,
}

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn connect(address: SocketAddr, settings: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server takes a connection");
    let limits =
        [stream.set_read_timeout(Some(PATIENCE)), stream.set_write_timeout(Some(PATIENCE))];
    limits
        .into_iter()
        .chain([stream.set_nodelay(true)])
        .for_each(|set| set.expect("it can be set"));
    let beginning = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
    stream.write_all(&beginning).expect("a preface is taken");
    stream
}

/// Sends all of it, as far as the server takes it, and reads until it closes.
pub(super) fn flood(address: SocketAddr, bytes: impl IntoIterator<Item = Vec<u8>>) -> Parting {
    flood_with(address, &[], bytes)
}

/// The same with settings of one's own.
pub(super) fn flood_with(
    address: SocketAddr,
    settings: &[u8],
    bytes: impl IntoIterator<Item = Vec<u8>>,
) -> Parting {
    let mut stream = connect(address, settings);
    let reading = stream.try_clone().expect("a second handle");
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(reading));
        let mut sent = 0;
        let mut buffer = Vec::new();
        let mut bytes = bytes.into_iter().peekable();
        while let Some(piece) = bytes.next() {
            buffer.extend(piece);
            if buffer.len() < 16 * 1024 && bytes.peek().is_some() {
                continue;
            }
            if stream.write_all(&buffer).is_err() {
                break;
            }
            sent += buffer.len();
            buffer.clear();
        }
        // Who says that nothing more comes is closed for that.
        let mut parting = reader.join().expect("reading goes on");
        parting.sent = sent;
        let _ = stream.shutdown(Shutdown::Both);
        parting
    })
}

/// Reads frames until there are no more.
pub(super) fn read(mut stream: TcpStream) -> Parting {
    let mut parting = Parting::default();
    let mut next = || -> io::Result<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, _, stream_id @ ..] = head;
        let mut load = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut load)?;
        Ok((kind, u32::from_be_bytes(stream_id), load))
    };
    loop {
        match next() {
            Ok((kind, _, load)) => {
                if let Some(count) = parting.came.get_mut(usize::from(kind)) {
                    *count += 1;
                }
                let number = |at: usize| {
                    let four = load.get(at..at + 4).and_then(|four| four.try_into().ok());
                    u32::from_be_bytes(four.expect("a whole frame"))
                };
                match kind {
                    RST_STREAM => parting.reset = Some(number(0)),
                    GOAWAY => {
                        let told = String::from_utf8_lossy(&load[8..]).into_owned();
                        let (last_stream, code) = (number(0), number(4));
                        parting.goaway = Some(Goaway { last_stream, code, told });
                    }
                    _ => {}
                }
            }
            Err(error) => {
                parting.closed = !is_timeout(&error);
                return parting;
            }
        }
    }
}
