use http::{HeaderMap, header::CONTENT_TYPE};

/// Whether a request is one of gRPC: `application/grpc`, also with a message format behind it. Not of
/// gRPC-Web, whose answers look different.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let format = media.and_then(|media| media.strip_prefix(b"application/grpc"));
    format.is_some_and(|format| matches!(format.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_itself_is_answered_as_grpc() {
        for (media, wanted) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web-text+proto", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, media.parse().unwrap());
            assert_eq!(is_grpc(&headers), wanted, "{media}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
