//! HTTP/1.1 by hand, so that a test can send and see every byte.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// Longer than any answer takes, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request with one Host and a body of known length.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.to_owned(), target: target.into(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Its fields beside Host and the length.
    pub(crate) fn fields(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Its body, if it has one.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The same request by another method.
    pub(crate) fn by(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// What is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bodies = ["POST", "PUT", "PATCH"].contains(&self.method.as_str());
        let length = self.body.as_ref().map(Vec::len).or(bodies.then_some(0));
        let mut bytes = self.lines();
        if let Some(length) = length {
            bytes.extend(format!("Content-Length: {length}\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// The head alone, saying nothing of a body that its own fields do not say.
    pub(crate) fn head(&self) -> Vec<u8> {
        [self.lines(), b"\r\n".to_vec()].concat()
    }

    fn lines(&self) -> Vec<u8> {
        let mut lines = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
        lines.into_bytes()
    }
}

/// A response, its body decoded from chunks.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a field that is there at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let first = values.next();
        assert_eq!(values.next(), None, "{name} is there more than once");
        first
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.headers.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.text()))
    }

    /// The same, once its status is `status`.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    pub(crate) fn closes(&self) -> bool {
        self.all("connection").any(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// What a connection goes over.
pub(crate) trait Wire: Read + Write + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// One connection.
pub(crate) struct Client {
    stream: Box<dyn Wire>,
    buffer: Vec<u8>,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("the server takes a connection")
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        dial(address).map(Self::over)
    }

    /// A connection that is there already.
    pub(crate) fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Sends a request and reads the answer; the connection stays open.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| {
            panic!("{} {} got no answer: {error}", request.method, request.target)
        })
    }

    pub(crate) fn try_send(&mut self, request: &Request) -> io::Result<Response> {
        // Who refuses a request by its head may close before its body was sent; the answer is there.
        let sent = self.try_raw(&request.bytes());
        self.read(request.method == "HEAD").or_else(|error| sent.and(Err(error)))
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.try_raw(bytes).expect("the connection takes bytes");
    }

    pub(crate) fn try_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Tells the server that nothing more comes.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.stream.socket().shutdown(Shutdown::Write)
    }

    /// Reads a whole response.
    pub(crate) fn read(&mut self, head_only: bool) -> io::Result<Response> {
        loop {
            let mut response = self.read_head()?;
            if (100..200).contains(&response.status) {
                continue;
            }
            if !head_only && ![204, 304].contains(&response.status) {
                response.body = self.read_body(&response)?;
            }
            return Ok(response);
        }
    }

    /// Reads a response up to its body.
    pub(crate) fn read_head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill()?;
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).map_err(|_| malformed("a head is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let status = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(|| malformed("a status line is none"))?;
        let fields = lines.filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("no field"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Ok(Response { status, headers: fields.collect::<io::Result<_>>()?, body: Vec::new() })
    }

    fn read_body(&mut self, head: &Response) -> io::Result<Vec<u8>> {
        if head.all("transfer-encoding").any(|value| value == "chunked") {
            let mut body = Vec::new();
            loop {
                match self.read_chunk()? {
                    chunk if chunk.is_empty() => return Ok(body),
                    chunk => body.extend(chunk),
                }
            }
        }
        if let Some(length) = head.all("content-length").next() {
            let length = length.parse().map_err(|_| malformed("a length is no number"))?;
            return self.read_bytes(length);
        }
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One piece of a body that comes in pieces; an empty one is the last.
    pub(crate) fn read_chunk(&mut self) -> io::Result<Vec<u8>> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                break at + 2;
            }
            self.fill()?;
        };
        let line: Vec<u8> = self.buffer.drain(..end).collect();
        let size = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(size.trim(), 16);
        let size = size.map_err(|_| malformed("a chunk has no size"))?;
        let mut chunk = self.read_bytes(size + 2)?;
        chunk.truncate(size);
        Ok(chunk)
    }

    /// Exactly so many bytes.
    pub(crate) fn read_bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend(&piece[..read]);
                Ok(())
            }
        }
    }

    /// Everything that still comes until the server closes the connection, at most for `within`;
    /// `None` when it does not.
    pub(crate) fn rest(&mut self, within: Duration) -> Option<Vec<u8>> {
        self.stream.socket().set_read_timeout(Some(within)).expect("a timeout can be set");
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) if is_timeout(&error) => return None,
                // Closed in order or cut.
                Err(_) => return Some(std::mem::take(&mut self.buffer)),
            }
        }
    }
}

/// A socket whose operations end.
pub(crate) fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether an operation was given up for waiting too long.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
