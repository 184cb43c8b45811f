mod forwarded;
mod network;

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::{IpNet, Ipv4Net};

pub use self::network::RateKeyBytes;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Longest chain of proxies that is walked.
const MAX_HOPS: usize = 32;

/// The address that a request is accounted to. An IPv4 address inside IPv6 counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    /// The leading bits of an IPv6 address that one subscriber has at least.
    pub const SUBSCRIBER: u8 = 64;

    /// The address `ip`, as of a connection's peer.
    #[must_use]
    pub const fn new(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }

    /// The address.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.0
    }

    /// What limits by address count by. Of an IPv6 address it is the /64 network: that much belongs
    /// to one subscriber, who can use a new address of it for each request.
    #[must_use]
    pub const fn rate_key(&self) -> RateKeyBytes {
        self.rate_key_of(Self::SUBSCRIBER)
    }

    /// The same with another number of leading bits for IPv6: fewer where whole sites should count as
    /// one, 128 where each address does.
    #[must_use]
    pub const fn rate_key_of(&self, ipv6_prefix: u8) -> RateKeyBytes {
        RateKeyBytes::of(self.0, ipv6_prefix)
    }
}

/// The proxies whose word about the hop before them is believed.
///
/// Anybody can write `X-Forwarded-For`. A value is worth as much as whoever appended it, so the chain
/// is walked from the right, from the connection's peer, and only as long as each hop is a proxy that
/// the configuration trusts. What stands left of the first other address was written by a stranger
/// and is never looked at.
///
/// ```
/// use gabion_limits::TrustedProxies;
///
/// let proxies = TrustedProxies::new(&["10.0.0.0/8".into()]).unwrap();
/// let mut headers = http::HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 192.0.2.1".parse().unwrap());
/// let client = proxies.client_addr("10.0.0.1".parse().unwrap(), &headers);
/// assert_eq!(client.ip().to_string(), "192.0.2.1");
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Box<[IpNet]>);

/// What became of the headers by which proxies name a request's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// There are none.
    None,
    /// The peer is not trusted: often a proxy that the configuration forgot.
    Ignored,
    /// `Forwarded` and `X-Forwarded-For` lead to different clients, and neither is believed: often a
    /// proxy that passes on the one header while it writes the other.
    Contradictory,
    /// They were followed.
    Believed,
}

/// Not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network as 10.0.0.0/8, nor an address")]
pub struct InvalidCidr(pub String);

impl TrustedProxies {
    /// The proxies inside `cidrs`: networks, or single addresses.
    ///
    /// # Errors
    ///
    /// The first entry that is neither.
    pub fn new(cidrs: &[String]) -> Result<Self, InvalidCidr> {
        let nets = cidrs.iter().map(|text| {
            let text = text.trim();
            let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map(canonical).map_err(|_| InvalidCidr(text.to_owned()))
        });
        nets.collect::<Result<_, _>>().map(Self)
    }

    /// Whether `addr` is one of them.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.trusts(ClientAddr::new(addr))
    }

    /// The address to account a request to: the first one from the right that is not a trusted proxy.
    ///
    /// `Forwarded` (RFC 7239) is read, or else `X-Forwarded-For`. Where both are there and lead to
    /// different addresses neither is believed, since a proxy appends to one and passes on whatever
    /// the client wrote into the other. The walk ends at the last good hop when the next one cannot be
    /// understood, hides itself (`unknown`, `_name`), is empty, has a zone (`fe80::1%eth0`) or is the
    /// 33rd. HTTP's lists pass over empty elements; here what a proxy should have said and did not is
    /// no reason to believe what stands before it.
    #[must_use]
    pub fn client_addr(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddr {
        self.account(peer, headers).0
    }

    /// The same with what became of the headers, in one walk through each: a caller may warn of a proxy
    /// that nobody trusts, or of one that contradicts itself.
    #[must_use]
    pub fn account(&self, peer: IpAddr, headers: &HeaderMap) -> (ClientAddr, Forwarding) {
        let peer = ClientAddr::new(peer);
        let lines = [FORWARDED, X_FORWARDED_FOR].map(|name| headers.get_all(name));
        let [forwarded, x_forwarded_for] = lines.map(|all| all.iter().next().map(|_| all));
        if forwarded.is_none() && x_forwarded_for.is_none() {
            return (peer, Forwarding::None);
        }
        if !self.trusts(peer) {
            return (peer, Forwarding::Ignored);
        }
        let one = forwarded.map(|lines| self.walk(peer, forwarded::hops(lines)));
        let other = x_forwarded_for.map(|lines| self.walk(peer, forwarded::listed_hops(lines)));
        match (one, other) {
            (Some(one), Some(other)) if one != other => (peer, Forwarding::Contradictory),
            (one, other) => (one.or(other).unwrap_or(peer), Forwarding::Believed),
        }
    }

    fn trusts(&self, addr: ClientAddr) -> bool {
        self.0.iter().any(|net| net.contains(&addr.0))
    }

    /// Follows `hops`, nearest first, from a trusted `peer`.
    fn walk(&self, peer: ClientAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> ClientAddr {
        let mut client = peer;
        for hop in hops.take(MAX_HOPS) {
            let Some(hop) = hop else { break };
            client = ClientAddr::new(hop);
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// A network of mapped addresses becomes the IPv4 network, as [`ClientAddr`] does with addresses.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED_PREFIX: u8 = 96;
    let IpNet::V6(v6) = net else { return net };
    let v4 = v6.addr().to_ipv4_mapped().filter(|_| v6.prefix_len() >= MAPPED_PREFIX);
    v4.and_then(|addr| Ipv4Net::new(addr, v6.prefix_len() - MAPPED_PREFIX).ok())
        .map_or(net, IpNet::V4)
}

/// The address of `node` as both headers write it: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`,
/// `[2001:db8::7]`, `[2001:db8::7]:4711`, the port also as `_name` (RFC 7239 §6).
fn parse_node(node: &str) -> Option<IpAddr> {
    if let Some(rest) = node.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        let ip: Ipv6Addr = ip.parse().ok()?;
        let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return port_fits.then_some(IpAddr::V6(ip));
    }
    if let Ok(ip) = node.parse() {
        return Some(ip);
    }
    let (ip, port) = node.split_once(':')?;
    is_port(port).then(|| ip.parse().ok().map(IpAddr::V4))?
}

fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        None => !port.starts_with('+') && port.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests;
