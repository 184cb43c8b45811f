//! A type for each status that IANA lists, for answers that somebody else gave without a type.

use http::StatusCode;

use super::{ALL, INTERNAL, INVALID_REQUEST, ProblemType, Retry, types};

/// The problem type of an answer of which no more is known than its status.
///
/// Where one of [`ALL`] says just what the status says, it is that one. The others have the phrase of the
/// status as their title (RFC 9457 §4.2.1) and, in lower case with hyphens, as their code; so has 503,
/// of which the shared ones know three reasons and a status none.
///
/// Total: a status that is no error, or that IANA does not list, is taken for 400 or 500 by its class
/// (RFC 9110 §15), and the type found has that status instead of its own.
#[must_use]
pub fn for_status(status: StatusCode) -> &'static ProblemType {
    let found = plain::ALL.iter().chain(ALL).copied().find(|kind| kind.status == status);
    let class = if status.is_client_error() { &INVALID_REQUEST } else { &INTERNAL };
    found.unwrap_or(class)
}

/// The types that say no more than a status of HTTP does, of those statuses that no type of
/// [`ALL`](super::ALL) stands for.
pub mod plain {
    use super::{ProblemType, Retry, StatusCode, types};

    types! {
        PAYMENT_REQUIRED = "payment-required", PAYMENT_REQUIRED, Never, "Payment Required",
            "This must be paid for.",
            "Pay, or ask for what is free.";
        NOT_ACCEPTABLE = "not-acceptable", NOT_ACCEPTABLE, Never, "Not Acceptable",
            "There is no form of this that the Accept fields of the request allow.",
            "Accept more media types, languages or encodings.";
        PROXY_AUTHENTICATION_REQUIRED = "proxy-authentication-required", PROXY_AUTHENTICATION_REQUIRED, Never,
            "Proxy Authentication Required",
            "A proxy on the way wants to know who asks.",
            "Send credentials as its Proxy-Authenticate field says.";
        GONE = "gone", GONE, Never, "Gone",
            "What was at this address is no longer there, and will not come back.",
            "Remove the address from where it was found.";
        LENGTH_REQUIRED = "length-required", LENGTH_REQUIRED, Never, "Length Required",
            "The request does not say how long its body is.",
            "Send a Content-Length.";
        PRECONDITION_FAILED = "precondition-failed", PRECONDITION_FAILED, Never, "Precondition Failed",
            "The present state is not the one that the request was made for.",
            "Read the present state, then decide anew.";
        RANGE_NOT_SATISFIABLE = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, Never,
            "Range Not Satisfiable",
            "Nothing lies in the range that was asked for.",
            "Ask for a range inside the length that Content-Range tells.";
        EXPECTATION_FAILED = "expectation-failed", EXPECTATION_FAILED, Never, "Expectation Failed",
            "What the Expect field asks for cannot be met.",
            "Send the request without it.";
        LOCKED = "locked", LOCKED, After, "Locked",
            "Somebody else holds this.",
            "Wait until it is free, then try again.";
        FAILED_DEPENDENCY = "failed-dependency", FAILED_DEPENDENCY, Never, "Failed Dependency",
            "Another part of the request failed, and this one needed it.",
            "Correct that part first.";
        TOO_EARLY = "too-early", TOO_EARLY, After, "Too Early",
            "The request came before the connection was safe from being replayed.",
            "Send it again once the connection is established.";
        UPGRADE_REQUIRED = "upgrade-required", UPGRADE_REQUIRED, Never, "Upgrade Required",
            "This is not done over the protocol of the request.",
            "Use a protocol that the Upgrade field names.";
        PRECONDITION_REQUIRED = "precondition-required", PRECONDITION_REQUIRED, Never,
            "Precondition Required",
            "The request must say which state it was made for.",
            "Read the present state and send its ETag as If-Match.";
        UNAVAILABLE_FOR_LEGAL_REASONS = "unavailable-for-legal-reasons", UNAVAILABLE_FOR_LEGAL_REASONS, Never,
            "Unavailable For Legal Reasons",
            "The law does not allow to show this.",
            "Follow the link of the answer to who asked for it, where there is one.";
        BAD_GATEWAY = "bad-gateway", BAD_GATEWAY, Idempotent, "Bad Gateway",
            "The server behind this one gave no valid answer.",
            "Try again later with a growing pause.";
        SERVICE_UNAVAILABLE = "service-unavailable", SERVICE_UNAVAILABLE, Idempotent, "Service Unavailable",
            "The service cannot answer at the moment.",
            "Wait for retry_after seconds where it is told, then try again with a growing pause.";
        HTTP_VERSION_NOT_SUPPORTED = "http-version-not-supported", HTTP_VERSION_NOT_SUPPORTED, Never,
            "HTTP Version Not Supported",
            "This is not served over the HTTP version of the request.",
            "Use HTTP/1.1 or HTTP/2.";
        VARIANT_ALSO_NEGOTIATES = "variant-also-negotiates", VARIANT_ALSO_NEGOTIATES, Never,
            "Variant Also Negotiates",
            "The server cannot choose a form of this: it is set up wrongly.",
            "Report the request id.";
        INSUFFICIENT_STORAGE = "insufficient-storage", INSUFFICIENT_STORAGE, Never, "Insufficient Storage",
            "There is no room for what the request would store.",
            "Free some, or ask an administrator for more.";
        LOOP_DETECTED = "loop-detected", LOOP_DETECTED, Never, "Loop Detected",
            "What was asked for contains itself.",
            "Ask for less depth.";
        NOT_EXTENDED = "not-extended", NOT_EXTENDED, Never, "Not Extended",
            "The request lacks an extension that is needed.",
            "Send it as the answer describes.";
        NETWORK_AUTHENTICATION_REQUIRED = "network-authentication-required", NETWORK_AUTHENTICATION_REQUIRED, Never,
            "Network Authentication Required",
            "The network wants to know who uses it.",
            "Log in to the network, then try again.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status codes of errors that are assigned in IANA's registry.
    const REGISTERED: [u16; 39] = [
        400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417,
        421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507,
        508, 510, 511,
    ];

    #[test]
    fn every_registered_error_has_a_type_with_its_status() {
        for status in REGISTERED {
            assert_eq!(for_status(StatusCode::from_u16(status).unwrap()).status, status);
        }
    }

    #[test]
    fn what_the_service_says_otherwise_too_has_its_own_type() {
        for (status, code) in [
            (400, "invalid-request"),
            (401, "unauthenticated"),
            (404, "not-found"),
            (422, "invalid-body"),
            (429, "rate-limited"),
            (500, "internal"),
            (503, "service-unavailable"),
        ] {
            assert_eq!(for_status(StatusCode::from_u16(status).unwrap()).code, code);
        }
    }

    #[test]
    fn a_type_of_a_status_is_named_as_its_phrase() {
        for kind in plain::ALL {
            let phrase = kind.status.canonical_reason().unwrap();
            assert_eq!(kind.title, phrase);
            assert_eq!(kind.code, phrase.to_lowercase().replace(' ', "-"));
            assert!(ALL.iter().all(|ours| ours.code != kind.code), "{}", kind.code);
        }
    }

    #[test]
    fn what_is_not_listed_is_told_by_its_class() {
        for (status, code) in
            [(418, "invalid-request"), (499, "invalid-request"), (599, "internal")]
        {
            assert_eq!(for_status(StatusCode::from_u16(status).unwrap()).code, code);
        }
    }
}
