//! Problems as gRPC tells them: status, message and when to come back, all in fields of a response
//! without a body (Trailers-Only of PROTOCOL-HTTP2). Nothing here knows a gRPC library.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::Problem;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Read by clients that try again by themselves (gRFC A6), in milliseconds.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// A `google.rpc.Status`, with more than fits into a message.
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// The stable code, of which several share one of gRPC.
const CODE: HeaderName = HeaderName::from_static("gabion-code");

/// What a message cannot have as it is; beyond these, all that is not ASCII.
const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b'%');

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

impl Problem {
    /// The media type of a gRPC answer.
    pub const GRPC_CONTENT_TYPE: &'static str = "application/grpc";

    /// The code of gRPC that says the same, by its status:
    ///
    /// | status | code |
    /// | --- | --- |
    /// | 401 | 16 `UNAUTHENTICATED` |
    /// | 403 | 7 `PERMISSION_DENIED` |
    /// | 404 | 5 `NOT_FOUND` |
    /// | 405, 501 | 12 `UNIMPLEMENTED` |
    /// | 408, 504 | 4 `DEADLINE_EXCEEDED` |
    /// | 409 | 10 `ABORTED` |
    /// | 413, 414, 431 | 8 `RESOURCE_EXHAUSTED`, as gRPC itself says of what is too large |
    /// | 429 | 8 `RESOURCE_EXHAUSTED`, with the time to wait |
    /// | any other 4xx | 3 `INVALID_ARGUMENT` |
    /// | 503 | 14 `UNAVAILABLE`, with the time to wait |
    /// | any other 5xx | 13 `INTERNAL` |
    ///
    /// What may be sent again is told by the fields and by the [type](crate::Retry), not by this code:
    /// 14 stands for a full queue, which has done nothing, and for a lost database alike.
    #[must_use]
    pub fn grpc_code(&self) -> i32 {
        match self.status() {
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::FORBIDDEN => 7,
            StatusCode::NOT_FOUND => 5,
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => 12,
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => 4,
            StatusCode::CONFLICT => 10,
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            | StatusCode::TOO_MANY_REQUESTS => 8,
            StatusCode::SERVICE_UNAVAILABLE => 14,
            status if status.is_client_error() => 3,
            _ => 13,
        }
    }

    /// The fields that tell it to a gRPC client, of a response with the status 200 and no body:
    /// `grpc-status`, `grpc-message`, where waiting helps a `google.rpc.RetryInfo` in
    /// `grpc-status-details-bin`, and the [metadata](Self::grpc_metadata).
    pub fn grpc_headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let message = utf8_percent_encode(self.detail_text(), NOT_PLAIN).to_string();
        let details = self.grpc_details().map(|details| BASE64_STANDARD_NO_PAD.encode(details));
        // Percent-encoded text is visible ASCII and spaces, and so is base64.
        let text = |text: String| HeaderValue::try_from(text).ok();
        [
            (GRPC_STATUS, Some(HeaderValue::from(self.grpc_code()))),
            (GRPC_MESSAGE, text(message)),
            (DETAILS, details.and_then(text)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .chain(self.grpc_metadata())
    }

    /// What a gRPC client is told beside status, message and details: the stable code in `gabion-code`,
    /// and where waiting helps `grpc-retry-pushback-ms`.
    pub fn grpc_metadata(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let pushback = self.wait().and_then(|wait| wait.as_millis().to_string().try_into().ok());
        // A code is lower case with hyphens; one that is not, and is no value, is left out.
        let code = HeaderValue::from_str(self.code()).ok();
        [(CODE, code), (PUSHBACK, pushback)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// A `google.rpc.Status` with a `RetryInfo`, where waiting helps.
    #[must_use]
    pub fn grpc_details(&self) -> Option<Vec<u8>> {
        let mut duration = Vec::new();
        put_varint(&mut duration, 1, self.wait()?.as_secs());
        let mut retry_info = Vec::new();
        put_bytes(&mut retry_info, 1, &duration);
        let mut any = Vec::new();
        put_bytes(&mut any, 1, RETRY_INFO.as_bytes());
        put_bytes(&mut any, 2, &retry_info);
        let mut status = Vec::new();
        put_varint(&mut status, 1, u64::from(self.grpc_code().unsigned_abs()));
        put_bytes(&mut status, 2, self.detail_text().as_bytes());
        put_bytes(&mut status, 3, &any);
        Some(status)
    }

    /// As in `Retry-After`, so that both say the same.
    fn wait(&self) -> Option<Duration> {
        self.retry_after_secs().map(Duration::from_secs)
    }
}

/// A number of a protobuf message.
fn put_varint(out: &mut Vec<u8>, field: u8, number: u64) {
    out.push(field << 3);
    varint(out, number);
}

/// A text, bytes or a message in a protobuf message.
fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    const DELIMITED: u8 = 2;
    out.push((field << 3) | DELIMITED);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types;

    fn field(problem: &Problem, name: &str) -> Option<String> {
        let mut found = problem.grpc_headers().filter(|(own, _)| own == name);
        found.next().map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn every_shared_problem_has_its_code() {
        let codes = types::ALL.iter().map(|kind| (kind.code, Problem::new(kind).grpc_code()));
        let wanted = [
            ("invalid-request", 3),
            ("unauthenticated", 16),
            ("invalid-credentials", 16),
            ("forbidden", 7),
            ("not-found", 5),
            ("method-not-allowed", 12),
            ("request-timeout", 4),
            ("conflict", 10),
            ("body-too-large", 8),
            ("uri-too-long", 8),
            ("unsupported-media-type", 3),
            ("misdirected", 3),
            ("invalid-body", 3),
            ("rate-limited", 8),
            ("too-many-attempts", 8),
            ("header-too-large", 8),
            ("internal", 13),
            ("not-implemented", 12),
            ("overloaded", 14),
            ("draining", 14),
            ("dependency-unavailable", 14),
            ("deadline-exceeded", 4),
        ];
        assert_eq!(codes.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn every_plain_problem_has_the_code_of_its_class_or_a_nearer_one() {
        for kind in types::plain::ALL {
            let wanted = if kind.status == StatusCode::SERVICE_UNAVAILABLE {
                14
            } else if kind.status.is_client_error() {
                3
            } else {
                13
            };
            assert_eq!(Problem::new(kind).grpc_code(), wanted, "{}", kind.code);
        }
    }

    #[test]
    fn the_stable_code_is_told_too() {
        let problem = Problem::new(&types::TOO_MANY_ATTEMPTS);
        assert_eq!(field(&problem, "gabion-code").unwrap(), "too-many-attempts");
    }

    #[test]
    fn a_message_is_percent_encoded() {
        let problem = Problem::new(&types::CONFLICT).detail("100 % é\n");
        assert_eq!(field(&problem, "grpc-message").unwrap(), "100 %25 %C3%A9%0A");
        assert_eq!(field(&problem, "grpc-status").unwrap(), "10");
    }

    #[test]
    fn waiting_is_told_to_programs_and_only_where_it_helps() {
        let problem = Problem::new(&types::OVERLOADED).retry_after(Duration::from_millis(2500));
        assert_eq!(field(&problem, "grpc-retry-pushback-ms").unwrap(), "3000");
        let without = Problem::new(&types::FORBIDDEN);
        assert_eq!(field(&without, "grpc-retry-pushback-ms"), None);
        assert_eq!(field(&without, "grpc-status-details-bin"), None);
    }

    #[test]
    fn the_details_are_a_status_with_a_retry_info() {
        let problem = Problem::new(&types::RATE_LIMITED).detail("no").retry_after(SECS_300);
        let details = field(&problem, "grpc-status-details-bin").unwrap();
        let details = BASE64_STANDARD_NO_PAD.decode(details).unwrap();
        let any = b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x05\x0a\x03\x08\xac\x02";
        let mut wanted = b"\x08\x08\x12\x02no\x1a".to_vec();
        wanted.push(u8::try_from(any.len()).unwrap());
        wanted.extend_from_slice(any);
        assert_eq!(details, wanted);
    }

    /// More than one byte of a number.
    const SECS_300: Duration = Duration::from_secs(300);
}
