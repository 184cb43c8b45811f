use std::{net::Ipv6Addr, str};

use gabion_errors::{Problem, ToProblem, types};
use http::{HeaderMap, Uri, Version, header::HOST};

/// Which host a request is for, and whether that host is served here.
///
/// Servers and proxies that read two different hosts out of one request are how requests get to where
/// they should not (RFC 9112 §11). HTTP/1 therefore needs exactly one `Host`, which is valid also
/// where an absolute-form target overrules it (RFC 9112 §3.2); HTTP/2 names its authority once, or
/// twice the same (RFC 9113 §8.3.1).
#[derive(Debug, Clone, Default)]
pub struct HostRule {
    /// Empty: any.
    allowed: Box<[Allowed]>,
}

#[derive(Debug, Clone)]
enum Allowed {
    Name(Box<[u8]>),
    V6(Ipv6Addr),
}

/// A request's host is missing, ambiguous or not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is none.
    #[error("the request names no host")]
    Missing,
    /// There is more than one `Host`.
    #[error("the request has more than one Host field")]
    Repeated,
    /// It is not a host with at most a port.
    #[error("the host is not well formed")]
    Malformed,
    /// `:authority` and `Host` differ.
    #[error("the authority and the Host field differ")]
    Contradictory,
    /// It is not among the allowed.
    #[error("the host is not served here")]
    NotServed,
}

impl ToProblem for HostError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::NotServed => Problem::new(&types::MISDIRECTED),
            Self::Missing => {
                Problem::new(&types::INVALID_REQUEST).detail("the request names no host")
            }
            Self::Repeated => Problem::new(&types::INVALID_REQUEST)
                .detail("the request has more than one Host field"),
            Self::Malformed => {
                Problem::new(&types::INVALID_REQUEST).detail("the host is not well formed")
            }
            Self::Contradictory => Problem::new(&types::INVALID_REQUEST)
                .detail("the authority and the Host field differ"),
        }
    }
}

/// Not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name or address without a port")]
pub struct InvalidHost(pub String);

impl HostRule {
    /// Serves the hosts `allowed`, at any port; any host if there are none.
    ///
    /// # Errors
    ///
    /// The first entry that is not a host, or has a port.
    pub fn new(allowed: &[String]) -> Result<Self, InvalidHost> {
        let allowed = allowed.iter().map(|text| {
            let text = text.trim();
            if let Ok(ip) = text.parse() {
                return Ok(Allowed::V6(ip));
            }
            match Authority::parse(text.as_bytes()) {
                Some(Authority { host: Host::V6(ip), port: None }) => Ok(Allowed::V6(ip)),
                Some(Authority { host: Host::Name(name), port: None }) => {
                    Ok(Allowed::Name(name.into()))
                }
                _ => Err(InvalidHost(text.to_owned())),
            }
        });
        Ok(Self { allowed: allowed.collect::<Result<_, _>>()? })
    }

    /// Checks the head of a request.
    ///
    /// # Errors
    ///
    /// See [`HostError`].
    pub fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), HostError> {
        let mut fields = headers.get_all(HOST).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Err(HostError::Repeated);
        }
        let field = field.map(|value| Authority::parse(value.as_bytes()));
        let target =
            uri.authority().map(|authority| Authority::parse(authority.as_str().as_bytes()));
        let authority = match (target, field) {
            (Some(None), _) | (_, Some(None)) => return Err(HostError::Malformed),
            (None, Some(Some(field))) => field,
            (Some(Some(target)), Some(Some(field))) => {
                let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
                if version >= Version::HTTP_2 && !target.same(field, default_port) {
                    return Err(HostError::Contradictory);
                }
                target
            }
            (Some(Some(target)), None) if version >= Version::HTTP_2 => target,
            (_, None) => return Err(HostError::Missing),
        };
        if self.allowed.is_empty() || self.allowed.iter().any(|allowed| authority.host.is(allowed))
        {
            Ok(())
        } else {
            Err(HostError::NotServed)
        }
    }
}

/// `uri-host [ ":" port ]` of RFC 9110 §7.2, never with user information.
#[derive(Debug, Clone, Copy)]
struct Authority<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
enum Host<'a> {
    /// A registered name or an IPv4 address, without the dot that may end it.
    Name(&'a [u8]),
    V6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let (host, rest) = if let Some(inside) = text.strip_prefix(b"[") {
            let end = inside.iter().position(|byte| *byte == b']')?;
            let ip = str::from_utf8(&inside[..end]).ok()?.parse().ok()?;
            (Host::V6(ip), &inside[end + 1..])
        } else {
            let (name, rest) = text.split_at(name_len(text)?);
            let name = name.strip_suffix(b".").unwrap_or(name);
            // RFC 9110 §4.2.1 refuses the empty name that RFC 3986 allows.
            if name.is_empty() {
                return None;
            }
            (Host::Name(name), rest)
        };
        let port = match rest {
            // A port may be empty, and is then the scheme's own.
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(parse_port(digits)?),
            _ => return None,
        };
        Some(Self { host, port })
    }

    fn same(self, other: Self, default_port: u16) -> bool {
        let host = match (self.host, other.host) {
            (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            (Host::V6(one), Host::V6(other)) => one == other,
            _ => false,
        };
        host && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

impl Host<'_> {
    fn is(self, allowed: &Allowed) -> bool {
        match (self, allowed) {
            (Host::Name(name), Allowed::Name(allowed)) => name.eq_ignore_ascii_case(allowed),
            (Host::V6(ip), Allowed::V6(allowed)) => ip == *allowed,
            _ => false,
        }
    }
}

/// The length of the `reg-name` (RFC 3986 §3.2.2) that `text` begins with.
fn name_len(text: &[u8]) -> Option<usize> {
    let mut len = 0;
    loop {
        let plain = text[len..].iter().take_while(|byte| NAME_BYTES[usize::from(**byte)]).count();
        len += plain;
        match text[len..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                len += 3;
            }
            [b'%', ..] => return None,
            _ => return Some(len),
        }
    }
}

fn parse_port(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |port, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    })
}

/// Unreserved characters and sub-delimiters, without the comma: it is no part of any name in use, and
/// is how some proxies make one field of two.
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~!$&'()*+;=";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allowed: &[&str]) -> HostRule {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        HostRule::new(&allowed).unwrap()
    }

    fn check(
        rule: &HostRule,
        version: Version,
        uri: &str,
        hosts: &[&[u8]],
    ) -> Result<(), HostError> {
        let field = |host: &&[u8]| (HOST, http::HeaderValue::from_bytes(host).unwrap());
        rule.check(version, &uri.parse().unwrap(), &hosts.iter().map(field).collect())
    }

    fn http1(uri: &str, hosts: &[&str]) -> Result<(), HostError> {
        let hosts: Vec<_> = hosts.iter().map(|host| host.as_bytes()).collect();
        check(&HostRule::default(), Version::HTTP_11, uri, &hosts)
    }

    fn http2(uri: &str, hosts: &[&str]) -> Result<(), HostError> {
        let hosts: Vec<_> = hosts.iter().map(|host| host.as_bytes()).collect();
        check(&HostRule::default(), Version::HTTP_2, uri, &hosts)
    }

    /// RFC 9112 s3.2.
    #[test]
    fn http_1_needs_exactly_one_host() {
        assert_eq!(http1("/", &["example.com"]), Ok(()));
        assert_eq!(http1("/", &[]), Err(HostError::Missing));
        assert_eq!(http1("/", &["example.com", "example.com"]), Err(HostError::Repeated));
        assert_eq!(http1("http://example.com/", &[]), Err(HostError::Missing));
        // RFC 9112 would let HTTP/1.0 off; whoever speaks it may still send one.
        let old = |hosts: &[&[u8]]| check(&HostRule::default(), Version::HTTP_10, "/", hosts);
        assert_eq!(old(&[]), Err(HostError::Missing));
        assert_eq!(old(&[b"a", b"a"]), Err(HostError::Repeated));
        assert_eq!(old(&[b"a"]), Ok(()));
    }

    #[test]
    fn well_formed_hosts_are_accepted() {
        for host in [
            "a",
            "EXAMPLE.com.",
            "example.com:",
            "example.com:8080",
            "192.0.2.1",
            "[::1]",
            "[2001:db8::1]:80",
            "a_b-c.d",
            "%41b",
            "xn--bcher-kva.example",
        ] {
            assert_eq!(http1("/", &[host]), Ok(()), "{host}");
        }
    }

    /// RFC 9112 s3.2.
    #[test]
    fn malformed_hosts_are_refused() {
        for host in [
            "",
            ".",
            ":80",
            "a b",
            "a/b",
            "user@host",
            "a:b",
            "a:65536",
            "a:-1",
            "a:+1",
            "a:1:2",
            "[::1",
            "::1",
            "[::1]x",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "a%4",
            "a%zz",
            "a\\b",
            "a#b",
            "a?b",
            "a, b",
            "<a>",
            "[]",
            "a\tb",
            "a,b",
            "user:word@host:80",
            "a:80,b:80",
            "a:080000",
            "[::1]:65536",
            "http://a",
            "a%00b\\",
        ] {
            assert_eq!(http1("/", &[host]), Err(HostError::Malformed), "{host:?}");
        }
        let latin = check(&HostRule::default(), Version::HTTP_11, "/", &[b"b\xfccher.example"]);
        assert_eq!(latin, Err(HostError::Malformed));
    }

    #[test]
    fn the_authority_of_an_absolute_target_wins_but_must_be_valid() {
        let rule = rule(&["good.example"]);
        let check = |uri, host: &[u8]| check(&rule, Version::HTTP_11, uri, &[host]);
        assert_eq!(check("http://good.example/x", b"bad.example"), Ok(()));
        assert_eq!(check("http://bad.example/x", b"good.example"), Err(HostError::NotServed));
        assert_eq!(check("http://u@good.example/", b"good.example"), Err(HostError::Malformed));
        assert_eq!(check("http://good.example/", b"no host"), Err(HostError::Malformed));
    }

    /// RFC 9113 s8.3.1.
    #[test]
    fn http_2_may_name_its_authority_in_either_place_but_only_one() {
        assert_eq!(http2("http://example.com/", &[]), Ok(()));
        assert_eq!(http2("/", &["example.com"]), Ok(()));
        assert_eq!(http2("http://example.com/", &["EXAMPLE.com:80"]), Ok(()));
        assert_eq!(http2("https://example.com/", &["example.com:443"]), Ok(()));
        assert_eq!(http2("https://[::1]/", &["[0:0::1]"]), Ok(()));
        assert_eq!(http2("/", &[]), Err(HostError::Missing));
        for other in ["other.example", "example.com:81", "[::1]"] {
            let differing = http2("http://example.com/", &[other]);
            assert_eq!(differing, Err(HostError::Contradictory), "{other}");
        }
    }

    #[test]
    fn only_allowed_hosts_are_served_at_any_port() {
        let rule = rule(&["api.example", "192.0.2.1", "::1", "[2001:db8::1]"]);
        for (host, served) in [
            ("API.example:8443", true),
            ("api.example.", true),
            ("192.0.2.1", true),
            ("[0::1]:80", true),
            ("[2001:db8::1]", true),
            ("example", false),
            ("api.example.evil", false),
            ("[2001:db8::2]", false),
        ] {
            let expected = if served { Ok(()) } else { Err(HostError::NotServed) };
            assert_eq!(check(&rule, Version::HTTP_11, "/", &[host.as_bytes()]), expected, "{host}");
        }
        assert_eq!(HostError::NotServed.to_problem().status(), 421);
        assert_eq!(HostError::Missing.to_problem().code(), "invalid-request");
    }

    #[test]
    fn a_mistyped_allowed_host_is_told_instead_of_allowing_all() {
        for bad in ["", "a b", "example.com:80", "https://example.com"] {
            assert_eq!(HostRule::new(&[bad.into()]).unwrap_err(), InvalidHost(bad.into()));
        }
    }
}
