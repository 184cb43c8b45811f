use gabion_errors::{AsIs, Problem, types};
use http::{
    Extensions, HeaderMap, HeaderName, StatusCode,
    header::{
        CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
        CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER, TRAILER, TRANSFER_ENCODING,
    },
};

use crate::wall::grpc::is_grpc;

/// What an answer that is an error, and nothing but that, says by its status; `None` for whatever is to
/// be left alone.
pub(crate) fn plain(
    status: StatusCode,
    headers: &HeaderMap,
    known: &Extensions,
) -> Option<Problem> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let kind = types::for_status(status);
    let media = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let is_problem = media.is_some_and(|media| media.starts_with(b"application/problem+"));
    if kind.status != status || is_problem || is_grpc(headers) || known.get::<AsIs>().is_some() {
        return None;
    }
    let problem = match status {
        // Not only clients are slow: many a service answers so when it was itself.
        StatusCode::REQUEST_TIMEOUT => Problem::new(kind).detail("the request took too long"),
        // Forms are refused so as well.
        StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::new(kind).detail("the body is well formed, but what it says is not acceptable")
        }
        _ => Problem::new(kind),
    };
    let wait = headers.get(RETRY_AFTER).and_then(|secs| secs.to_str().ok()?.parse().ok());
    Some(match wait {
        Some(secs) => problem.retry_after(std::time::Duration::from_secs(secs)),
        None => problem,
    })
}

/// The fields that are about a body, and go with it; those of gRPC stand for one.
pub(crate) const OF_A_BODY: [HeaderName; 18] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_DISPOSITION,
    TRANSFER_ENCODING,
    TRAILER,
    ETAG,
    LAST_MODIFIED,
    CONTENT_LOCATION,
    // RFC 9530, and what came before it.
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("grpc-retry-pushback-ms"),
    HeaderName::from_static("gabion-code"),
];
