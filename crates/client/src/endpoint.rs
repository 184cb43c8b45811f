use std::{fmt, net::IpAddr, sync::Arc};

use http::{Uri, uri::Scheme};
use rustls::pki_types::ServerName;

/// A URL that may be fetched: made by [`Fetcher::endpoint`](crate::Fetcher::endpoint), which checks it.
///
/// It shows its host and nothing else, since a path or a query may be confidential.
#[derive(Clone)]
pub struct Endpoint(Arc<Parts>);

struct Parts {
    host: Box<str>,
    port: u16,
    tls: Option<ServerName<'static>>,
    uri: Uri,
}

/// Not a URL that may be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// It is no URL with a host.
    #[error("this is no URL as https://issuer.example/keys.json")]
    Malformed,
    /// Something else than `https` or `http`.
    #[error("the scheme of a URL to fetch must be https, not {0:?}")]
    Scheme(String),
    /// Plain `http`, which was not allowed.
    #[error(
        "{0} would be fetched without TLS, so that anybody on the way can replace the answer: use https, or set allow_http"
    )]
    PlainHttp(String),
    /// It holds a user name or a password.
    #[error(
        "the URL of {0} holds a user name or a password: take it out, nothing is sent with a fetch"
    )]
    Credentials(String),
    /// It has a fragment.
    #[error("the URL of {0} has a fragment, which is never sent: take it out")]
    Fragment(String),
    /// The host is neither a name nor an address.
    #[error("{0:?} is neither a host name nor an address")]
    Host(String),
}

/// Whether a URL may do without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Allow,
    Refuse,
}

impl Endpoint {
    pub(crate) fn parse(url: &str, plain: Plain) -> Result<Self, InvalidEndpoint> {
        use InvalidEndpoint::Malformed;

        // The parser drops a fragment without a word.
        let (url, fragment) = url.split_once('#').map_or((url, false), |(url, _)| (url, true));
        let uri: Uri = url.parse().map_err(|_| Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(Malformed);
        };
        let host = authority.host();
        let behind_host = authority.as_str().strip_prefix(host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(Malformed);
        }
        // What stands before the host is the user information.
        let Some(behind_host) = behind_host.filter(|_| !authority.as_str().contains('@')) else {
            return Err(InvalidEndpoint::Credentials(host));
        };
        if fragment {
            return Err(InvalidEndpoint::Fragment(host));
        }
        let Ok(name) = ServerName::try_from(host.clone()) else {
            return Err(InvalidEndpoint::Host(host));
        };
        let tls = if *scheme == Scheme::HTTPS {
            Some(name)
        } else if *scheme != Scheme::HTTP {
            return Err(InvalidEndpoint::Scheme(scheme.to_string()));
        } else if plain == Plain::Refuse {
            return Err(InvalidEndpoint::PlainHttp(host));
        } else {
            None
        };
        let port = match behind_host {
            "" if tls.is_some() => 443,
            "" => 80,
            // The parser takes any text for a port.
            port => {
                let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.strip_prefix(':').filter(digits);
                port.and_then(|port| port.parse().ok()).ok_or(Malformed)?
            }
        };
        Ok(Self(Arc::new(Parts { host: host.into(), port, tls, uri })))
    }

    /// The name or address of the host, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// The address, if the host is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.0.host.parse().ok()
    }

    /// The name that the certificate must be for; nothing where there is no TLS.
    pub(crate) fn server_name(&self) -> Option<&ServerName<'static>> {
        self.0.tls.as_ref()
    }

    /// What the `Host` field says.
    pub(crate) fn authority(&self) -> &str {
        self.0.uri.authority().map_or(&*self.0.host, http::uri::Authority::as_str)
    }

    pub(crate) fn path_and_query(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.host()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(url: &str) -> Result<Endpoint, InvalidEndpoint> {
        Endpoint::parse(url, Plain::Refuse)
    }

    #[test]
    fn the_parts_of_a_url_are_found() {
        for (url, host, port, authority, path) in [
            ("https://a.example", "a.example", 443, "a.example", "/"),
            ("https://a.example:8443/keys?x=1", "a.example", 8443, "a.example:8443", "/keys?x=1"),
            ("https://192.0.2.1/k", "192.0.2.1", 443, "192.0.2.1", "/k"),
            ("https://[2001:db8::1]:1/k", "2001:db8::1", 1, "[2001:db8::1]:1", "/k"),
        ] {
            let endpoint = parse(url).unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port), "{url}");
            assert_eq!((endpoint.authority(), endpoint.path_and_query()), (authority, path));
            assert!(endpoint.server_name().is_some());
        }
        let plain = Endpoint::parse("http://a.example/k", Plain::Allow).unwrap();
        assert_eq!((plain.port(), plain.server_name()), (80, None));
    }

    #[test]
    fn what_must_not_be_fetched_is_refused() {
        use InvalidEndpoint::*;
        let host = || "a.example".to_owned();
        for (url, expected) in [
            ("", Malformed),
            ("/keys", Malformed),
            ("a.example", Malformed),
            ("https://", Malformed),
            ("https://a.example:99999/", Malformed),
            ("https://a.example:/", Malformed),
            ("https://a.example:+1/", Malformed),
            ("https://[::1]x/", Malformed),
            ("https://a .example/", Malformed),
            ("http://a.example/", PlainHttp(host())),
            ("ftp://a.example/", Scheme("ftp".into())),
            ("file://a.example/etc/passwd", Scheme("file".into())),
            ("https://user@a.example/", Credentials(host())),
            ("https://user:hunter2@a.example/", Credentials(host())),
            ("https://@a.example/", Credentials(host())),
            ("https://a.example/keys#first", Fragment(host())),
            ("https://a.example/#", Fragment(host())),
            ("https://a_b..example/", Host("a_b..example".into())),
        ] {
            assert_eq!(parse(url).err(), Some(expected), "{url}");
        }
    }

    #[test]
    fn neither_errors_nor_the_endpoint_show_more_than_the_host() {
        let refused = parse("https://user:hunter2@a.example/").unwrap_err();
        let endpoint = parse("https://a.example/hunter2?hunter2").unwrap();
        let shown = format!("{refused} {refused:?} {endpoint} {endpoint:?}");
        assert!(!shown.contains("hunter2") && shown.contains("a.example"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_decided(url: String, plain: bool) {
            let plain = if plain { Plain::Allow } else { Plain::Refuse };
            let _ = Endpoint::parse(&url, plain);
            let _ = Endpoint::parse(&format!("https://{url}"), plain);
        }
    }
}
