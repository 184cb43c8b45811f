//! One request over each of the ways that lead to the server.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConnection, StreamOwned, version::TLS13};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, PATIENCE, Request, Response, Wire},
    tls::Authority,
};

/// How a request comes to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Http1,
    Http2,
}

/// How a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At once, and its length is told.
    Whole,
    /// At once, and its length is not told.
    Unsized,
    /// All but its end, which does not come.
    Stalled,
}

/// A server's address, and whom to trust if it speaks TLS.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) address: SocketAddr,
    pub(super) authority: Option<&'a Authority>,
}

impl To<'_> {
    /// The answer to `request` over a connection of its own.
    pub(super) fn send(self, over: Over, way: Way, request: &Request) -> io::Result<Response> {
        match over {
            Over::Http1 => self.send1(way, request),
            Over::Http2 => self.send2(way, request),
        }
    }

    /// The answer to `bytes`.
    pub(super) fn send_bytes(self, bytes: &[u8]) -> io::Result<Response> {
        let mut client = self.client()?;
        // Who refuses by the head may close before the rest was sent.
        let _ = client.try_raw(bytes);
        client.read(false)
    }

    fn client(self) -> io::Result<Client> {
        let Some(authority) = self.authority else { return Client::try_connect(self.address) };
        authority
            .connect(self.address, &[&TLS13], &["http/1.1"])
            .map(|stream| Client::over(Reading(stream)))
    }

    fn send1(self, way: Way, request: &Request) -> io::Result<Response> {
        let mut client = self.client()?;
        let body = request.content().unwrap_or_default();
        let _ = client.try_raw(&match way {
            Way::Whole => request.clone().header("Connection", "close").bytes(),
            Way::Unsized => {
                let mut bytes = request.clone().header("Transfer-Encoding", "chunked").head();
                for piece in body.chunks(16 * 1024) {
                    bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
                    bytes.extend(piece);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
                bytes
            }
            Way::Stalled => {
                let mut bytes = request.bytes();
                bytes.pop();
                bytes
            }
        });
        let head_only = request.method == "HEAD";
        let response = client.read(head_only)?;
        if head_only {
            let rest = client.rest(PATIENCE);
            assert_eq!(rest.as_deref(), Some(&b""[..]), "something behind the head");
        }
        Ok(response)
    }

    fn send2(self, way: Way, request: &Request) -> io::Result<Response> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let answer = async {
                let stream = TcpStream::connect(self.address).await?;
                let Some(authority) = self.authority else {
                    return ask2(stream, "http", way, request).await;
                };
                let config = authority.config(&[&TLS13], &["h2"]);
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
                let name = "localhost".try_into().map_err(io::Error::other)?;
                let stream = connector.connect(name, stream).await?;
                ask2(stream, "https", way, request).await
            };
            timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

fn ask2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    scheme: &str,
    way: Way,
    request: &Request,
) -> impl Future<Output = io::Result<Response>> {
    let target = match request.target.starts_with('/') {
        true => format!("{scheme}://localhost{}", request.target),
        false => request.target.clone(),
    };
    let mut built = hyper::Request::builder().method(request.method.as_str()).uri(target);
    for (name, value) in request.fields() {
        built = built.header(name.to_ascii_lowercase(), value);
    }
    let mut data = request.content().map(Bytes::copy_from_slice).unwrap_or_default();
    if way == Way::Stalled {
        data.truncate(data.len().saturating_sub(1));
    }
    let built = built.body(Sent { data, way }).map_err(io::Error::other);
    async move {
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let response = sender.send_request(built?).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let fields = head.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let (status, headers) = (head.status.as_u16(), fields.collect());
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
        Ok(Response { status, headers, body })
    }
}

/// A stream that writes nothing when it reads: what is not taken any more would hide the answer.
struct Reading(StreamOwned<ClientConnection, std::net::TcpStream>);

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut self.0;
        loop {
            match conn.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            conn.read_tls(sock)?;
            conn.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Reading {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Wire for Reading {
    fn socket(&self) -> &std::net::TcpStream {
        self.0.socket()
    }
}

/// A body that comes in one piece, or never to its end.
struct Sent {
    data: Bytes,
    way: Way,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match std::mem::take(&mut self.data) {
            data if !data.is_empty() => Poll::Ready(Some(Ok(Frame::data(data)))),
            _ if self.way == Way::Stalled => Poll::Pending,
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.way != Way::Stalled
    }

    fn size_hint(&self) -> SizeHint {
        match self.way {
            Way::Whole => SizeHint::with_exact(self.data.len() as u64),
            Way::Unsized | Way::Stalled => SizeHint::default(),
        }
    }
}
