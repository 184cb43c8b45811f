//! What every response and every refusal has in common.

use crate::client::Response;

/// The codes of the contract with their statuses.
pub(crate) const CODES: [(&str, u16); 22] = [
    ("invalid-request", 400),
    ("unauthenticated", 401),
    ("invalid-credentials", 401),
    ("forbidden", 403),
    ("not-found", 404),
    ("method-not-allowed", 405),
    ("request-timeout", 408),
    ("conflict", 409),
    ("body-too-large", 413),
    ("uri-too-long", 414),
    ("unsupported-media-type", 415),
    ("misdirected", 421),
    ("invalid-body", 422),
    ("rate-limited", 429),
    ("too-many-attempts", 429),
    ("header-too-large", 431),
    ("internal", 500),
    ("not-implemented", 501),
    ("overloaded", 503),
    ("draining", 503),
    ("dependency-unavailable", 503),
    ("deadline-exceeded", 504),
];

const WAITING_HELPS: [&str; 5] =
    ["rate-limited", "too-many-attempts", "overloaded", "draining", "dependency-unavailable"];

/// Words that would give away what is inside.
const INTERNAL: [&str; 39] = [
    "/tmp",
    "/work",
    "/home",
    "/root",
    "/proc",
    ".rs:",
    "src/",
    ".sqlite",
    "sqlite",
    "sqlx",
    "serde",
    "hyper",
    "tokio",
    "argon2",
    "jsonwebtoken",
    "panicked",
    "backtrace",
    "select ",
    "insert ",
    "update ",
    "delete from",
    "constraint",
    "gabion-it-",
    "gabion_",
    ".cargo",
    "::",
    "option<",
    "result<",
    "vec<",
    "some(",
    "err(",
    "kind:",
    "os error",
    "errno",
    "rustls",
    "utf8error",
    "thread '",
    "unwrap",
    "poison",
];

/// Whether there is something in `text` that tells of what is inside.
#[track_caller]
pub(crate) fn tells_nothing_internal(text: &str) {
    let lower = text.to_lowercase();
    let leaked = INTERNAL.iter().find(|word| lower.contains(**word));
    assert_eq!(leaked, None, "{text}");
}

/// Checks the members of the problem document `body`: all there, fitting to each other, and no others.
#[track_caller]
pub(crate) fn is_whole(body: &serde_json::Value, code: &str) {
    let known = CODES.iter().find(|(own, _)| *own == code).expect("a code of the contract");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], known.1, "{body}");
    assert_eq!(body["type"], format!("/api/problems/{code}"), "{body}");
    for name in ["title", "detail", "request_id"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {body}");
    }
    let known =
        ["type", "title", "status", "detail", "code", "request_id", "retry_after", "errors"];
    for name in body.as_object().into_iter().flat_map(|members| members.keys()) {
        assert!(known.contains(&name.as_str()), "{name} in {body}");
    }
    let waits = body["retry_after"].as_u64().is_some_and(|secs| secs > 0);
    assert_eq!(waits, WAITING_HELPS.contains(&code), "{body}");
    tells_nothing_internal(&body.to_string());
}

impl Response {
    /// Checks that this is the problem `code`, whole and with nothing internal in it.
    #[track_caller]
    pub(crate) fn problem(&self, code: &str) -> serde_json::Value {
        let told = self.text();
        let known = CODES.iter().find(|(own, _)| *own == code).expect("a code of the contract");
        assert_eq!(self.status, known.1, "{code}: {told}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{told}");
        let body = self.json();
        is_whole(&body, code);
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{told}");
        let waits = body["retry_after"].as_u64().map(|secs| secs.to_string());
        assert_eq!(waits.as_deref(), self.header("retry-after"), "{told}");
        let challenge = self.header("www-authenticate");
        assert_eq!(
            challenge.is_some_and(|it| it.starts_with("Bearer")),
            self.status == 401,
            "{told}"
        );
        assert_eq!(self.header("allow").is_some(), self.status == 405, "{told}");
        body
    }

    /// Checks that this is a 422, and returns its faults as `pointer code`, sorted.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<String> {
        let body = self.problem("invalid-body");
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no faults in {body}"));
        let mut faults: Vec<String> = errors
            .iter()
            .map(|error| {
                let part = |name: &str| error[name].as_str().expect("a text").to_owned();
                assert!(!part("detail").is_empty());
                format!("{} {}", part("pointer"), part("code"))
            })
            .collect();
        faults.sort();
        faults
    }

    /// Checks the fields that every response has.
    #[track_caller]
    pub(crate) fn has_usual_headers(&self) {
        let told = || format!("{} {:?}", self.status, self.headers);
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{}", told());
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{}", told());
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"), "{}", told());
        assert!(self.header("cache-control").is_some(), "{}", told());
        let policy = self.header("content-security-policy").unwrap_or_default();
        if self.header("content-type").is_some_and(|media| media.starts_with("text/html")) {
            for part in ["default-src 'none'", "frame-ancestors 'none'"] {
                assert!(policy.contains(part), "{}", told());
            }
            assert!(!policy.contains("unsafe"), "{}", told());
        } else {
            assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'", "{}", told());
        }
        for name in ["server", "x-powered-by", "via"] {
            assert_eq!(self.header(name), None, "{}", told());
        }
    }

    /// Checks the two fields that tell what is left of each limit, and returns the limits' names.
    #[track_caller]
    pub(crate) fn limits(&self) -> Vec<String> {
        let items = |name: &str| -> Vec<String> {
            let items = self.all(name).flat_map(|line| line.split(','));
            items.map(|item| item.trim().to_owned()).collect()
        };
        let name = |item: &String, parameters: [&str; 2]| {
            let mut parts = item.split(';');
            let name = parts.next().and_then(|name| name.strip_prefix('"')?.strip_suffix('"'));
            for wanted in parameters {
                let value = parts.next().and_then(|part| part.strip_prefix(wanted));
                assert!(value.is_some_and(|digits| digits.parse::<u64>().is_ok()), "{item}");
            }
            assert_eq!(parts.next(), None, "{item}");
            name.unwrap_or_else(|| panic!("{item} has no name")).to_owned()
        };
        let policies: Vec<_> =
            items("ratelimit-policy").iter().map(|item| name(item, ["q=", "w="])).collect();
        let standings: Vec<_> =
            items("ratelimit").iter().map(|item| name(item, ["r=", "t="])).collect();
        assert_eq!(policies, standings);
        policies
    }
}
