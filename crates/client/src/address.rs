//! Which addresses may be connected to.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

/// What keeps an address from being one of the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressKind {
    /// `0.0.0.0/8`, `::`: this host.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// RFC 1918, and unique local addresses of IPv6 (RFC 4193).
    Private,
    /// `169.254.0.0/16`, `fe80::/10`: where cloud hosts keep the credentials of a machine.
    LinkLocal,
    /// `100.64.0.0/10`, behind a carrier's translation (RFC 6598).
    CarrierNat,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// For documentation (RFC 5737, RFC 3849, RFC 9637).
    Documentation,
    /// For benchmarks (RFC 2544, RFC 5180).
    Benchmark,
    /// An IPv6 address that a translator turns into an IPv4 address of one of these kinds.
    Translated,
    /// Not assigned for use on the public internet (IANA's special-purpose registries).
    Reserved,
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::CarrierNat => "carrier NAT",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Benchmark => "benchmark",
            Self::Translated => "translated",
            Self::Reserved => "reserved",
        })
    }
}

impl AddressKind {
    /// What `ip` is; nothing if it is an ordinary address of the public internet.
    #[must_use]
    pub fn of(ip: IpAddr) -> Option<Self> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }

    /// Whether `allow_private` is meant for it. Link-local is not: what answers there is not another
    /// machine of the same network but the host's own credentials.
    const fn is_local(self) -> bool {
        matches!(self, Self::Loopback | Self::Private | Self::CarrierNat)
    }
}

fn of_v4(ip: Ipv4Addr) -> Option<AddressKind> {
    Some(match ip.octets() {
        [0, ..] => AddressKind::Unspecified,
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        [169, 254, ..] => AddressKind::LinkLocal,
        [100, 64..=127, ..] => AddressKind::CarrierNat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressKind::Documentation,
        [198, 18 | 19, ..] => AddressKind::Benchmark,
        // Protocol assignments (RFC 6890) and the relays of 6to4 (RFC 7526).
        [192, 0, 0, _] | [192, 88, 99, _] => AddressKind::Reserved,
        [224..=239, ..] => AddressKind::Multicast,
        [240..=255, ..] => AddressKind::Reserved,
        _ => return None,
    })
}

fn of_v6(ip: Ipv6Addr) -> Option<AddressKind> {
    let translated = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        of_v4(Ipv4Addr::new(a, b, c, d)).map(|_| AddressKind::Translated)
    };
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        // Site-local addresses (RFC 3879) are those of a network of one's own, too.
        [0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressKind::Documentation,
        [0x2001, 0x0002, 0, ..] => AddressKind::Benchmark,
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => return translated(high, low),
        [0x2002, high, low, ..] => return translated(high, low),
        // Protocol assignments, Teredo among them (RFC 4380), which hides an IPv4 address.
        [0x2001, 0..=0x01ff, ..] => AddressKind::Reserved,
        // Global unicast is 2000::/3; the registries know no more of it that is special.
        [0x2000..=0x3fff, ..] => return None,
        _ => AddressKind::Reserved,
    })
}

/// An address that must not be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ip} is a {kind} address")]
pub struct RefusedAddress {
    /// The address.
    pub ip: IpAddr,
    /// What it is.
    pub kind: AddressKind,
}

/// Not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network as 10.0.0.0/8, nor an address")]
pub struct InvalidCidr(pub String);

/// Says which addresses may be connected to: those of the public internet, and what was allowed.
///
/// It judges addresses and never names: a name's owner may let it point anywhere, and elsewhere at
/// the next look.
///
/// ```
/// use gabion_client::{AddressKind, AddressRules};
///
/// let rules = AddressRules::default().allow(&["10.1.0.0/16".into()]).unwrap();
/// assert!(rules.check("9.9.9.9".parse().unwrap()).is_ok());
/// assert!(rules.check("10.1.2.3".parse().unwrap()).is_ok());
/// let refused = rules.check("::ffff:10.2.0.1".parse().unwrap()).unwrap_err();
/// assert_eq!(refused.kind, AddressKind::Private);
/// ```
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    local: bool,
    allowed: Box<[IpNet]>,
}

impl AddressRules {
    /// Lets through loopback, private and carrier NAT addresses as well; for tests, and for a network
    /// in which everybody may see everything. Link-local addresses need [`allow`](Self::allow).
    #[must_use]
    pub fn allow_private(mut self) -> Self {
        self.local = true;
        self
    }

    /// Lets through what lies inside `cidrs` as well: networks, or single addresses, of whatever kind.
    ///
    /// # Errors
    ///
    /// The first entry that is neither.
    pub fn allow(mut self, cidrs: &[String]) -> Result<Self, InvalidCidr> {
        let nets = cidrs.iter().map(|text| {
            let text = text.trim();
            let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_| InvalidCidr(text.to_owned()))
        });
        self.allowed = nets.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Whether `ip` may be connected to.
    ///
    /// # Errors
    ///
    /// When it is not of the public internet and was not allowed. An IPv4 address that is mapped into
    /// IPv6 is judged as that IPv4 address; one inside 6to4 or NAT64 must be public.
    pub fn check(&self, ip: IpAddr) -> Result<(), RefusedAddress> {
        let Some(kind) = AddressKind::of(ip) else { return Ok(()) };
        let canonical = ip.to_canonical();
        let allowed = (self.local && kind.is_local())
            || self.allowed.iter().any(|net| net.contains(&ip) || net.contains(&canonical));
        if allowed { Ok(()) } else { Err(RefusedAddress { ip, kind }) }
    }
}
