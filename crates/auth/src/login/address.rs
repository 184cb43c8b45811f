use std::net::{IpAddr, Ipv6Addr};

/// What failures of an address are counted by: an IPv4 address, also one inside IPv6, or the /64
/// network of an IPv6 one, since that much belongs to one subscriber. `None` for what is no address,
/// or is that of nobody.
pub(super) fn network(text: &str) -> Option<[u8; 16]> {
    let ip = text.parse::<IpAddr>().ok()?.to_canonical();
    if ip.is_unspecified() {
        return None;
    }
    Some(match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => {
            let host = u128::from(u64::MAX);
            Ipv6Addr::from_bits(ip.to_bits() & !host).octets()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_subscriber_is_one_address_and_each_ipv4_host_its_own() {
        let same = [("2001:db8::1", "2001:db8::ffff:1"), ("192.0.2.1", "::ffff:192.0.2.1")];
        for (one, other) in same {
            assert_eq!(network(one), network(other), "{one} {other}");
        }
        let different = [("2001:db8::1", "2001:db8:0:1::1"), ("192.0.2.1", "192.0.2.2")];
        for (one, other) in different {
            assert_ne!(network(one), network(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_counted() {
        for text in ["", "unix", "0.0.0.0", "::", "192.0.2.1:80", "192.0.2.300", "fe80::1%eth0"] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
