use std::net::{IpAddr, Ipv6Addr};

/// The bytes of a [`ClientAddr`](super::ClientAddr) that limits count by: IPv4 as mapped into IPv6,
/// IPv6 as its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateKeyBytes([u8; 16]);

impl RateKeyBytes {
    /// Those of `ip`, of which an IPv6 one keeps `ipv6_prefix` leading bits.
    pub(super) const fn of(ip: IpAddr, ipv6_prefix: u8) -> Self {
        Self(match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => {
                let kept = match u128::BITS.saturating_sub(ipv6_prefix as u32) {
                    u128::BITS => 0,
                    dropped => u128::MAX << dropped,
                };
                (ip.to_bits() & kept).to_be_bytes()
            }
        })
    }

    /// The bytes as they were kept somewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As people write it: `192.0.2.7`, or `2001:db8::/64` when IPv6 is counted by `ipv6_prefix` bits.
    #[must_use]
    pub fn to_text(&self, ipv6_prefix: u8) -> String {
        match Ipv6Addr::from(self.0).to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("{ip}/{}", ipv6_prefix.min(128)),
        }
    }
}

impl AsRef<[u8]> for RateKeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
