use std::{borrow::Cow, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::{FieldError, ProblemType, Retry, types};

/// The public half of a failure, an RFC 9457 problem document.
///
/// Whatever is put into it reaches the client; causes belong into the
/// [`Rejection`](crate::Rejection).
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static ProblemType,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// The media type of [`to_json`](Self::to_json).
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// A problem whose detail is the type's meaning.
    #[must_use]
    pub fn new(kind: &'static ProblemType) -> Self {
        Self {
            kind,
            detail: Cow::Borrowed(kind.meaning),
            retry_after: None,
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// A body with these faults.
    #[must_use]
    pub fn faulty(errors: Vec<FieldError>) -> Self {
        let detail = match errors.len() {
            1 => Cow::Borrowed("the body has a fault"),
            // No more are told of one body.
            64.. => Cow::Borrowed("the body has at least 64 faults"),
            count => Cow::Owned(format!("the body has {count} faults")),
        };
        Self::new(&types::INVALID_BODY).detail(detail).errors(errors)
    }

    /// Says what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Says when trying again may help; sent in whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Lists every fault of the input.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a response header, as `Allow` or `WWW-Authenticate`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> &'static ProblemType {
        self.kind
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status
    }

    /// What happened this time, in words.
    #[must_use]
    pub fn detail_text(&self) -> &str {
        &self.detail
    }

    /// Every fault of the input.
    #[must_use]
    pub fn field_errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Whole seconds for `Retry-After`, where waiting helps.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after.map(|wait| (wait.as_nanos().div_ceil(1_000_000_000) as u64).max(1))
    }

    /// Whether the same request can succeed when it is sent again: as the type says, and where the type
    /// says never, [`Retry::After`] if this problem tells a time to wait.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.kind.retry {
            Retry::Never if self.retry_after.is_some() => Retry::After,
            retry => retry,
        }
    }

    /// Whether a program may send the same request again by itself, when it was one of `method`.
    #[must_use]
    pub fn is_retryable(&self, method: &Method) -> bool {
        self.retry().allows(method)
    }

    /// The headers that belong to the problem: its own, and `Retry-After`.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let retry_after =
            self.retry_after_secs().map(|secs| (http::header::RETRY_AFTER, secs.into()));
        self.headers.iter().cloned().chain(retry_after)
    }

    /// Where the pages of the types are: the code behind it is the type's URI.
    pub const TYPES: &'static str = "/api/problems/";

    /// The document, for the answer to the request `request_id`.
    #[must_use]
    pub fn to_json(&self, request_id: &str) -> Bytes {
        self.to_json_under(Self::TYPES, request_id)
    }

    /// The document of a service that has the pages of its types at `base`, as
    /// `https://example.org/problems/`, instead of [`TYPES`](Self::TYPES).
    #[must_use]
    pub fn to_json_under(&self, base: &str, request_id: &str) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        out.put_slice(b"{\"type\":");
        put_json_string(&mut out, base);
        // The code goes into the same string.
        out.truncate(out.len() - 1);
        out.put_slice(self.kind.code.as_bytes());
        out.put_slice(b"\"");
        put_text(&mut out, "title", self.kind.title);
        put_number(&mut out, "status", u64::from(self.kind.status.as_u16()));
        put_text(&mut out, "detail", &self.detail);
        put_text(&mut out, "code", self.kind.code);
        put_text(&mut out, "request_id", request_id);
        if let Some(secs) = self.retry_after_secs() {
            put_number(&mut out, "retry_after", secs);
        }
        if !self.errors.is_empty() {
            put_errors(&mut out, &self.errors);
        }
        out.put_slice(b"}");
        out.freeze()
    }
}

fn put_errors(out: &mut BytesMut, errors: &[FieldError]) {
    out.put_slice(b",\"errors\":[");
    for (i, error) in errors.iter().enumerate() {
        out.put_slice(if i == 0 { b"{\"pointer\":" } else { b",{\"pointer\":" });
        put_json_string(out, &error.pointer);
        put_text(out, "code", error.code);
        put_text(out, "detail", &error.detail);
        out.put_slice(b"}");
    }
    out.put_slice(b"]");
}

fn put_text(out: &mut BytesMut, name: &str, text: &str) {
    put_name(out, name);
    put_json_string(out, text);
}

fn put_number(out: &mut BytesMut, name: &str, number: u64) {
    put_name(out, name);
    // Writing to memory and serialising a number cannot fail.
    let _ = serde_json::to_writer(out.writer(), &number);
}

fn put_name(out: &mut BytesMut, name: &str) {
    out.put_slice(b",\"");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\":");
}

fn put_json_string(out: &mut BytesMut, text: &str) {
    // Writing to memory and serialising a string cannot fail.
    let _ = serde_json::to_writer(out.writer(), text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types;

    fn json(problem: &Problem, id: &str) -> serde_json::Value {
        serde_json::from_slice(&problem.to_json(id)).unwrap()
    }

    #[test]
    fn hostile_text_stays_inside_its_string() {
        let problem = Problem::new(&types::INVALID_REQUEST).detail("\"}\u{0}\n\u{1f600}");
        let document = json(&problem, "a\"b");
        assert_eq!(document["detail"], "\"}\u{0}\n\u{1f600}");
        assert_eq!(document["request_id"], "a\"b");
    }

    #[test]
    fn faults_are_listed_with_their_pointers() {
        let errors = vec![
            FieldError::new("/a", "missing", "is required"),
            FieldError::new("/b~1c", "unknown", "is not known"),
        ];
        let document = json(&Problem::new(&types::INVALID_BODY).errors(errors), "x");
        assert_eq!(document["errors"][1]["pointer"], "/b~1c");
        assert_eq!(document["errors"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn waiting_is_rounded_up_and_never_zero() {
        for (wait, secs) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            let problem = Problem::new(&types::OVERLOADED).retry_after(Duration::from_millis(wait));
            assert_eq!(problem.retry_after_secs(), Some(secs), "{wait} ms");
            let told = HeaderValue::from(secs);
            assert!(problem.headers().any(|(name, value)| name == "retry-after" && value == told));
        }
    }

    #[test]
    fn a_time_to_wait_makes_a_problem_retryable() {
        let problem = Problem::new(&types::CONFLICT);
        assert!(!problem.is_retryable(&Method::POST));
        assert!(problem.retry_after(Duration::from_secs(1)).is_retryable(&Method::POST));
        let unknown = Problem::new(&types::DEPENDENCY_UNAVAILABLE);
        assert!(!unknown.retry_after(Duration::from_secs(1)).is_retryable(&Method::POST));
    }

    #[test]
    fn the_types_may_be_described_elsewhere() {
        let document = Problem::new(&types::CONFLICT).to_json_under("https://a.example/p/", "x");
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document["type"], "https://a.example/p/conflict");
    }

    #[test]
    fn every_type_has_its_own_code_and_says_what_to_do() {
        for (i, kind) in types::ALL.iter().enumerate() {
            assert!(types::ALL[..i].iter().all(|other| other.code != kind.code), "{}", kind.code);
            assert!(!kind.meaning.is_empty() && !kind.remedy.is_empty());
            assert!(kind.status.is_client_error() || kind.status.is_server_error());
        }
    }
}
