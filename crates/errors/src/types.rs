//! The problem types that every service shares, one constant each.
//!
//! A type is public for good: its code is in clients' programs. The set is open, a service declares
//! its own beside these.

mod by_status;

use http::{Method, StatusCode};

pub use self::by_status::{for_status, plain};

/// A kind of problem (RFC 9457 §3.1.1): what its code means and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// Stable, lower case with hyphens; also the last part of the type URI.
    pub code: &'static str,
    /// The status every such problem is answered with.
    pub status: StatusCode,
    /// A few words, the same for each occurrence.
    pub title: &'static str,
    /// What happened, for somebody who does not know the service.
    pub meaning: &'static str,
    /// What the reader can do.
    pub remedy: &'static str,
    /// Whether the same request can succeed when it is sent again.
    pub retry: Retry,
}

impl ProblemType {
    /// Whether a program may send the same request again by itself, when it was one of `method`.
    #[must_use]
    pub fn is_retryable(&self, method: &Method) -> bool {
        self.retry.allows(method)
    }
}

/// Whether the same request can succeed when it is sent again: a property of the kind of problem, not of
/// its status. A 503 of a full queue has done nothing, a 503 of a database may have done half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not as it is: the request, the credentials or the state it is about must change first.
    Never,
    /// Yes, after the time that the answer tells or a growing pause: nothing of it was done.
    After,
    /// Yes, likewise, if doing it twice does no more than doing it once (RFC 9110 §9.2.2): it is not
    /// known what was done. GET, HEAD, OPTIONS, TRACE, PUT and DELETE are such; so is anything that the
    /// caller named by an idempotency key, which only the caller knows.
    Idempotent,
}

impl Retry {
    /// Whether a program may send the same request again by itself, when it was one of `method`.
    #[must_use]
    pub fn allows(self, method: &Method) -> bool {
        match self {
            Self::Never => false,
            Self::After => true,
            Self::Idempotent => method.is_idempotent(),
        }
    }
}

macro_rules! types {
    ($( $name:ident = $code:literal, $status:ident, $retry:ident, $title:literal, $meaning:literal, $remedy:literal; )*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $meaning)]
            pub static $name: ProblemType = ProblemType {
                code: $code,
                status: StatusCode::$status,
                title: $title,
                meaning: $meaning,
                remedy: $remedy,
                retry: Retry::$retry,
            };
        )*

        /// All of them, in the order of their status.
        pub static ALL: &[&ProblemType] = &[$(&$name),*];
    };
}
pub(crate) use types;

types! {
    INVALID_REQUEST = "invalid-request", BAD_REQUEST, Never, "Invalid request",
        "The request is not well formed: its head, its query or its JSON cannot be read.",
        "Correct what the detail names; sending the same request again will not help.";
    UNAUTHENTICATED = "unauthenticated", UNAUTHORIZED, Never, "Authentication required",
        "The request carries no valid access token.",
        "Log in or refresh, then send the token as 'Authorization: Bearer …'.";
    INVALID_CREDENTIALS = "invalid-credentials", UNAUTHORIZED, Never, "Invalid credentials",
        "The user name or the password is not right, or the account may not log in.",
        "Check both, or ask an administrator.";
    FORBIDDEN = "forbidden", FORBIDDEN, Never, "Forbidden",
        "The caller is known but may not do this.",
        "Ask an administrator for the role that the route needs.";
    NOT_FOUND = "not-found", NOT_FOUND, Never, "Not found",
        "There is nothing at this address.",
        "Check the path; /api/openapi.json lists every route.";
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED, Never, "Method not allowed",
        "The address exists but not with this method.",
        "Use one of the methods in the Allow header.";
    REQUEST_TIMEOUT = "request-timeout", REQUEST_TIMEOUT, Idempotent, "Request timeout",
        "The client sent its request too slowly.",
        "Send the body faster, or in smaller requests.";
    CONFLICT = "conflict", CONFLICT, Never, "Conflict",
        "The request does not fit the present state.",
        "Read the present state, then decide anew.";
    BODY_TOO_LARGE = "body-too-large", PAYLOAD_TOO_LARGE, Never, "Body too large",
        "The body is larger than this route takes.",
        "Send less, or in parts.";
    URI_TOO_LONG = "uri-too-long", URI_TOO_LONG, Never, "URI too long",
        "The request target is longer than the server takes.",
        "Move parameters into the body.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, Never, "Unsupported media type",
        "The body is not of a type that this route reads.",
        "Send 'Content-Type: application/json', and no content encoding but gzip or deflate.";
    MISDIRECTED = "misdirected", MISDIRECTED_REQUEST, Never, "Misdirected request",
        "The Host of the request is not served here.",
        "Use the server's own name.";
    INVALID_BODY = "invalid-body", UNPROCESSABLE_ENTITY, Never, "Invalid body",
        "The body is JSON but fields of it are missing, unknown, mistyped or not acceptable.",
        "Correct each entry of errors; its pointer names the place.";
    RATE_LIMITED = "rate-limited", TOO_MANY_REQUESTS, After, "Too many requests",
        "The address or the account has used up a quota.",
        "Wait for retry_after seconds; the RateLimit header tells what is left.";
    TOO_MANY_ATTEMPTS = "too-many-attempts", TOO_MANY_REQUESTS, After, "Too many attempts",
        "Too many failed logins; this one was not evaluated.",
        "Wait for retry_after seconds; the right password works then.";
    HEADER_TOO_LARGE = "header-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, Never, "Header too large",
        "The request has too many header fields or too many bytes of them.",
        "Send fewer or shorter fields, often cookies.";
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, Never, "Internal error",
        "The server failed; the cause is in its log under the request id.",
        "Report the request id.";
    NOT_IMPLEMENTED = "not-implemented", NOT_IMPLEMENTED, Never, "Not implemented",
        "The server knows no such method.",
        "Use a standard method.";
    OVERLOADED = "overloaded", SERVICE_UNAVAILABLE, After, "Overloaded",
        "The server refuses part of the work to stay inside its budgets.",
        "Wait for retry_after seconds, then try again with a growing pause.";
    DRAINING = "draining", SERVICE_UNAVAILABLE, After, "Draining",
        "The server is about to stop.",
        "Open a new connection and try again.";
    DEPENDENCY_UNAVAILABLE = "dependency-unavailable", SERVICE_UNAVAILABLE, Idempotent, "Dependency unavailable",
        "Something the server needs does not answer.",
        "Wait for retry_after seconds, then try again.";
    DEADLINE_EXCEEDED = "deadline-exceeded", GATEWAY_TIMEOUT, Idempotent, "Deadline exceeded",
        "The server did not finish in the time that the request had.",
        "Try again later, or ask for less.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(method: &Method) -> Vec<&'static str> {
        let retryable = ALL.iter().filter(|kind| kind.is_retryable(method));
        retryable.map(|kind| kind.code).collect()
    }

    #[test]
    fn what_did_nothing_may_be_sent_again_by_any_method() {
        assert_eq!(
            codes(&Method::POST),
            ["rate-limited", "too-many-attempts", "overloaded", "draining"]
        );
    }

    #[test]
    fn what_may_have_been_done_is_only_repeated_where_that_does_no_harm() {
        assert_eq!(
            codes(&Method::PUT),
            [
                "request-timeout",
                "rate-limited",
                "too-many-attempts",
                "overloaded",
                "draining",
                "dependency-unavailable",
                "deadline-exceeded"
            ]
        );
        assert_eq!(codes(&Method::PATCH), codes(&Method::POST));
    }
}
