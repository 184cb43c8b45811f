use std::{error::Error, io, pin::pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{Answer, Fault, FetcherConfig};
use crate::Endpoint;

/// Largest head of an answer, and most fields in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

const AGENT: &str = concat!("gabion-client/", env!("CARGO_PKG_VERSION"));

/// Sends one request over `stream` and reads the answer.
pub(super) async fn get<S>(
    stream: S,
    endpoint: &Endpoint,
    bounds: &FetcherConfig,
) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(http)?;
    let exchange = async {
        let request = request(endpoint)?;
        let head = timeout(bounds.first_byte, sender.send_request(request)).await;
        let head = head.map_err(|_| Fault::FirstByte(bounds.first_byte))?.map_err(http)?;
        read(head, bounds).await
    };
    // The connection is driven here and not by a task: dropping the future ends both.
    let (mut exchange, connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // It has ended, and what it received is still to be read.
        _ = connection => exchange.await,
    }
}

fn request(endpoint: &Endpoint) -> Result<Request<Empty<Bytes>>, Fault> {
    let request = Request::get(endpoint.path_and_query())
        .header(header::HOST, endpoint.authority())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close");
    request.body(Empty::new()).map_err(http)
}

async fn read(head: Response<Incoming>, bounds: &FetcherConfig) -> Result<Answer, Fault> {
    let (parts, mut body) = head.into_parts();
    if parts.status.is_redirection() {
        return Err(Fault::Redirect(parts.status.as_u16()));
    }
    if parts.status != StatusCode::OK {
        return Err(Fault::Status(parts.status.as_u16()));
    }
    let plain = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !parts.headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(Fault::Encoded);
    }
    let most = bounds.max_answer.bytes();
    let too_large = || Fault::TooLarge(bounds.max_answer);
    if hyper::body::Body::size_hint(&body).lower() > most {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(http)?.into_data() else { continue };
        if (whole.len() + data.len()) as u64 > most {
            return Err(too_large());
        }
        whole.extend_from_slice(&data);
    }
    Ok(Answer { headers: parts.headers, body: whole.freeze() })
}

fn http(error: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
    Fault::Http(Arc::new(io::Error::other(error)))
}
