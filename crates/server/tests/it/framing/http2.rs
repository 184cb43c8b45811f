//! The same over HTTP/2, frame by frame (ASVS 4.2.1 to 4.2.5, RFC 9113 §8): h2 refuses most of it by
//! itself.

use crate::{
    client::Client,
    server::{Home, Server},
};

/// What a stream ends with.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// An answer with this status.
    Status(u16),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code.
    Goaway(u32),
    /// The connection was closed.
    Closed,
}

/// PROTOCOL_ERROR (RFC 9113 §7).
const PROTOCOL: u32 = 1;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

struct Connection(Client);

impl Connection {
    fn open(server: &Server) -> Self {
        let mut client = server.client();
        client.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut this = Self(client);
        this.send(SETTINGS, 0, 0, &[]);
        this
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        // It may have been closed for the frame before.
        let _ = self.0.try_raw(&frame);
    }

    /// Sends a request: its fields as they are, and its body in one frame.
    fn request(&mut self, stream: u32, fields: &[(&str, &str)], body: Option<&[u8]>) {
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        let end = if body.is_none() { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, stream, &block);
        if let Some(body) = body {
            self.send(DATA, END_STREAM, stream, body);
        }
    }

    /// How `stream` ends.
    fn ended(&mut self, stream: u32) -> Ended {
        loop {
            let Ok(head) = self.0.read_bytes(9) else { return Ended::Closed };
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, flags) = (head[3], head[4]);
            let own = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) == stream;
            let Ok(payload) = self.0.read_bytes(length) else { return Ended::Closed };
            let code =
                |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
            match kind {
                HEADERS if own => return Ended::Status(status(&payload)),
                RST_STREAM if own => return Ended::Reset(code(0)),
                GOAWAY => return Ended::Goaway(code(4)),
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
                _ => {}
            }
        }
    }
}

/// A literal field that nobody remembers (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0];
    for part in [name.as_bytes(), value.as_bytes()] {
        out.push(u8::try_from(part.len()).expect("a short text"));
        assert!(part.len() < 127);
        out.extend(part);
    }
    out
}

/// The status that a block of fields begins with: an entry of the static table, or a literal with the
/// name of one (RFC 7541 §6, appendix A).
fn status(block: &[u8]) -> u16 {
    const INDEXED: [(u8, u16); 7] =
        [(8, 200), (9, 204), (10, 206), (11, 304), (12, 400), (13, 404), (14, 500)];
    // The table may have been made smaller before it.
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    if block[0] & 0x80 != 0 {
        let found = INDEXED.iter().find(|(index, _)| *index == block[0] & 0x7f);
        return found.expect("a status").1;
    }
    assert!(block[0] & 0x3f == 8 || block[0] & 0x0f == 8, "{block:?}");
    if block[1] & 0x80 == 0 {
        let digits = str::from_utf8(&block[2..5]).expect("digits");
        return digits.parse().expect("a status");
    }
    // Digits in the code of Huffman (appendix B): 0, 1 and 2 have five bits, the others six.
    let bits = block[2..].iter().take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut at, mut status) = (24, 0);
    for _ in 0..3 {
        let five = bits >> (at - 5) & 0x1f;
        let digit = if five < 3 {
            at -= 5;
            five
        } else {
            at -= 6;
            (bits >> at & 0x3f) - 0x19 + 3
        };
        status = status * 10 + u16::try_from(digit).expect("a digit");
    }
    status
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/livez")];

const LOGIN: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "a"),
    (":path", "/api/auth/login"),
    ("content-type", "application/json"),
];

fn with<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [base, more].concat()
}

/// How a request of its own connection ends; one that only its stream ends for leaves the connection as
/// good as it was.
#[track_caller]
fn ends(server: &Server, fields: &[(&str, &str)], body: Option<&[u8]>) -> Ended {
    let mut connection = Connection::open(server);
    connection.request(1, fields, body);
    let ended = connection.ended(1);
    if matches!(ended, Ended::Status(_) | Ended::Reset(_)) {
        connection.request(3, &GET, None);
        assert_eq!(connection.ended(3), Ended::Status(200), "after {fields:?}");
    }
    ended
}

/// RFC 9113 s8.1.1.
#[test]
fn a_length_is_that_of_the_data() {
    let home = Home::new();
    let server = home.start(&[]);
    assert_eq!(ends(&server, &LOGIN, Some(b"{}")), Ended::Status(422));
    let right = with(&LOGIN, &[("content-length", "2")]);
    assert_eq!(ends(&server, &right, Some(b"{}")), Ended::Status(422));
    for (lengths, body) in [
        (&["5"][..], Some(&b"{}"[..])),
        (&["1"], Some(b"{}")),
        (&["0"], Some(b"{}")),
        (&["2"], None),
        (&["2"], Some(b"")),
        (&["+2"], Some(b"{}")),
        (&["2, 2"], Some(b"{}")),
        (&["2", "3"], Some(b"{}")),
        (&["18446744073709551615"], Some(b"{}")),
        (&["18446744073709551616"], Some(b"{}")),
    ] {
        let lengths: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        let ended = ends(&server, &with(&LOGIN, &lengths), body);
        assert_eq!(ended, Ended::Reset(PROTOCOL), "{lengths:?}");
    }
    // h2 takes the same one twice, and no digits for none.
    let twice = with(&LOGIN, &[("content-length", "2"), ("content-length", "2")]);
    assert_eq!(ends(&server, &twice, Some(b"{}")), Ended::Status(400));
    let empty = with(&LOGIN, &[("content-length", "")]);
    let ended = ends(&server, &empty, None);
    assert!(matches!(ended, Ended::Status(400) | Ended::Reset(PROTOCOL)), "{ended:?}");
}

/// RFC 9113 s8.2.2.
#[test]
fn fields_of_a_connection_are_refused() {
    let home = Home::new();
    let server = home.start(&[]);
    for (name, value) in [
        ("connection", "close"),
        ("connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "chunked"),
    ] {
        let ended = ends(&server, &with(&GET, &[(name, value)]), None);
        assert_eq!(ended, Ended::Reset(PROTOCOL), "{name}: {value}");
    }
    assert_eq!(ends(&server, &with(&GET, &[("te", "trailers")]), None), Ended::Status(200));
}

/// RFC 9113 s8.2.1: no CR, LF or NUL in a value, no upper case, space or colon in a name.
#[test]
fn fields_have_no_line_ends_in_them() {
    let home = Home::new();
    let server = home.start(&[]);
    for (name, value) in [
        ("x", "a\r\nhost: b"),
        ("x", "a\rb"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x\r\ny", "a"),
        ("x\0", "a"),
        ("X-Upper", "a"),
        ("x y", "a"),
        ("x:y", "a"),
        ("", "a"),
        (":path", "/li\r\nvez"),
    ] {
        let ended = ends(&server, &with(&GET, &[(name, value)]), None);
        assert!(
            matches!(ended, Ended::Reset(_) | Ended::Goaway(_) | Ended::Closed),
            "{name:?}: {value:?}: {ended:?}"
        );
    }
    for target in ["/li\r\nvez", "/li vez", "/li\0vez", "livez", ""] {
        let mut fields = GET;
        fields[3].1 = target;
        let ended = ends(&server, &fields, None);
        assert!(!matches!(ended, Ended::Status(200)), "{target:?}: {ended:?}");
    }
}

/// RFC 9113 s8.3, s8.3.1.
#[test]
fn there_is_exactly_one_of_each_pseudo_field() {
    let home = Home::new();
    let server = home.start(&[]);
    for (name, value) in
        [(":authority", "a"), (":authority", "b"), (":path", "/none"), (":method", "PUT")]
    {
        let ended = ends(&server, &with(&GET, &[(name, value)]), None);
        assert_eq!(ended, Ended::Reset(PROTOCOL), "{name}: {value}");
    }
    for (name, value) in [(":unknown", "a"), (":status", "200"), (":protocol", "websocket")] {
        let ended = ends(&server, &with(&GET, &[(name, value)]), None);
        assert!(!matches!(ended, Ended::Status(200)), "{name}: {ended:?}");
    }
    // Pseudo-fields come first.
    let late = [GET[0], GET[1], GET[3], ("x", "y"), GET[2]];
    assert_eq!(ends(&server, &late, None), Ended::Reset(PROTOCOL));
    for without in 0..4 {
        let mut fields = GET.to_vec();
        let (name, _) = fields.remove(without);
        let ended = ends(&server, &fields, None);
        let host = name == ":authority";
        let expected = if host { Ended::Status(400) } else { Ended::Reset(PROTOCOL) };
        assert_eq!(ended, expected, "{name}");
    }
}

/// RFC 9113 s8.3.1: the authority, in either place but the same.
#[test]
fn there_is_exactly_one_valid_authority() {
    let home = Home::new();
    let server = home.start(&[]);
    let with_authority = |authority: &'static str, hosts: &[&'static str]| {
        let mut fields = GET.to_vec();
        fields[2].1 = authority;
        fields.extend(hosts.iter().map(|host| ("host", *host)));
        ends(&server, &fields, None)
    };
    assert_eq!(with_authority("a", &["a"]), Ended::Status(200));
    assert_eq!(with_authority("a", &["A:80"]), Ended::Status(200));
    for (authority, hosts) in [
        ("a", &["b"][..]),
        ("a", &["a", "a"]),
        ("a", &["a, a"]),
        ("a", &[""]),
        ("user@a", &[]),
        ("a:b", &[]),
        ("a:65536", &[]),
        ("a,b", &[]),
        ("", &[]),
    ] {
        let ended = with_authority(authority, hosts);
        assert!(
            matches!(ended, Ended::Status(400) | Ended::Reset(PROTOCOL)),
            "{authority} {hosts:?}: {ended:?}"
        );
    }
    let host_alone = [GET[0], GET[1], GET[3], ("host", "a")];
    assert_eq!(ends(&server, &host_alone, None), Ended::Status(200));
}

/// RFC 9113 s8.5, RFC 8441: no tunnels.
#[test]
fn nothing_is_tunnelled() {
    let home = Home::new();
    let server = home.start(&[]);
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    let ended = ends(&server, &connect, None);
    assert!(matches!(ended, Ended::Status(501) | Ended::Reset(_)), "{ended:?}");
    let mut extended = GET.to_vec();
    extended[0].1 = "CONNECT";
    extended.push((":protocol", "websocket"));
    let ended = ends(&server, &extended, None);
    assert!(!matches!(ended, Ended::Status(200)), "{ended:?}");
    let mut trace = GET;
    trace[0].1 = "TRACE";
    assert_eq!(ends(&server, &trace, None), Ended::Status(405));
}
