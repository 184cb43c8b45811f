//! The client's address: only what trusted proxies wrote counts, whatever stands left of it. The
//! input's first line is the peer, each other one a header.

#![no_main]

use std::net::IpAddr;

use gabion_limits::{ClientAddr, TrustedProxies};
use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use libfuzzer_sys::fuzz_target;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

fuzz_target!(|lines: &[u8]| {
    let nets = ["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
    let proxies = TrustedProxies::new(&nets).expect("networks");
    let mut lines = lines.split(|byte| *byte == b'\n');
    let trusted_peer = lines.next() == Some(b"trusted");
    let peer: IpAddr = if trusted_peer { [10, 0, 0, 1] } else { [192, 0, 2, 9] }.into();
    let mut headers = HeaderMap::new();
    for line in lines.take(8) {
        let (name, value) = match line.strip_prefix(b"Forwarded:") {
            Some(value) => (FORWARDED, value),
            None => (X_FORWARDED_FOR, line),
        };
        headers.extend(HeaderValue::from_bytes(value).map(|value| (name, value)));
    }
    let client = proxies.client_addr(peer, &headers);
    if !trusted_peer {
        assert_eq!(client, ClientAddr::new(peer));
    }
    if !headers.contains_key(FORWARDED) {
        assert_eq!(client, by_list(&headers, peer, trusted_peer));
    }

    // A trusted proxy appends the stranger it heard: no text of the stranger changes that.
    let stranger = ClientAddr::new([198, 51, 100, 7].into());
    for (name, other, line) in [
        (X_FORWARDED_FOR, FORWARDED, "198.51.100.7"),
        (FORWARDED, X_FORWARDED_FOR, "for=198.51.100.7;proto=https"),
    ] {
        let mut appended = headers.clone();
        appended.append(name, HeaderValue::from_static(line));
        let found = proxies.client_addr(peer, &appended);
        let expected = if trusted_peer { stranger } else { ClientAddr::new(peer) };
        // Where the other header contradicts, neither is believed.
        let contradicted = appended.contains_key(other) && found == ClientAddr::new(peer);
        assert!(found == expected || contradicted, "{found:?}");
    }
});

/// `X-Forwarded-For` read backwards, for addresses without ports and brackets.
fn by_list(headers: &HeaderMap, peer: IpAddr, trusted_peer: bool) -> ClientAddr {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().map(|line| line.as_bytes().to_vec());
    let all = lines.collect::<Vec<_>>().join(&b',');
    let mut client = ClientAddr::new(peer);
    if !trusted_peer || !headers.contains_key(X_FORWARDED_FOR) {
        return client;
    }
    for hop in all.rsplit(|byte| *byte == b',').take(32) {
        let Some(hop) = address(hop) else { break };
        client = ClientAddr::new(hop);
        let trusted = match client.ip() {
            IpAddr::V4(ip) => ip.octets()[0] == 10,
            IpAddr::V6(ip) => ip.segments()[..2] == [0x2001, 0xdb8],
        };
        if !trusted {
            break;
        }
    }
    client
}

fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = str::from_utf8(hop).ok()?.trim_matches(|c| c == ' ' || c == '\t');
    let port = |text: &str| {
        let name = text.strip_prefix('_').map(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        });
        name.unwrap_or_else(|| {
            text.chars().all(|c| c.is_ascii_digit()) && text.parse::<u16>().is_ok()
        })
    };
    if let Some(inside) = hop.strip_prefix('[') {
        let end = inside.find(']')?;
        let rest = &inside[end + 1..];
        let fits = rest.is_empty() || rest.strip_prefix(':').is_some_and(port);
        return inside[..end].parse().ok().filter(|_| fits).map(IpAddr::V6);
    }
    if hop.matches(':').count() == 1 {
        let (ip, number) = hop.split_once(':')?;
        return ip.parse().ok().filter(|_| port(number)).map(IpAddr::V4);
    }
    hop.parse().ok()
}
