use proptest::prelude::*;

use super::*;

fn kind(ip: &str) -> Option<AddressKind> {
    AddressKind::of(ip.parse().unwrap())
}

// 8725bis s3.10
#[test]
fn every_special_network_is_known_to_its_ends() {
    use AddressKind::*;
    for (expected, ends) in [
        (Unspecified, ["0.0.0.0", "0.255.255.255"]),
        (Loopback, ["127.0.0.0", "127.255.255.255"]),
        (Private, ["10.0.0.0", "10.255.255.255"]),
        (Private, ["172.16.0.0", "172.31.255.255"]),
        (Private, ["192.168.0.0", "192.168.255.255"]),
        (LinkLocal, ["169.254.0.0", "169.254.169.254"]),
        (CarrierNat, ["100.64.0.0", "100.127.255.255"]),
        (Documentation, ["192.0.2.0", "192.0.2.255"]),
        (Documentation, ["198.51.100.0", "203.0.113.255"]),
        (Benchmark, ["198.18.0.0", "198.19.255.255"]),
        (Reserved, ["192.0.0.0", "192.0.0.255"]),
        (Reserved, ["192.88.99.0", "192.88.99.255"]),
        (Multicast, ["224.0.0.0", "239.255.255.255"]),
        (Reserved, ["240.0.0.0", "255.255.255.255"]),
        (Unspecified, ["::", "0:0:0:0:0:0:0:0"]),
        (Loopback, ["::1", "0:0:0:0:0:0:0:1"]),
        (Private, ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
        (Private, ["fec0::", "feff::1"]),
        (LinkLocal, ["fe80::", "febf:ffff::1"]),
        (Multicast, ["ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]),
        (Documentation, ["2001:db8::", "2001:db8:ffff::1"]),
        (Documentation, ["3fff::", "3fff:fff:ffff::1"]),
        (Benchmark, ["2001:2::", "2001:2:0:ffff::1"]),
        (Reserved, ["2001::", "2001:1ff::1"]),
        (Reserved, ["100::", "100:0:0:1::1"]),
        (Reserved, ["64:ff9b:1::", "64:ff9b:1:ffff::1"]),
        (Reserved, ["::2", "::fffe:ffff:ffff"]),
        (Reserved, ["4000::", "5f00::1"]),
        (Reserved, ["1fff::1", "fbff::1"]),
    ] {
        for ip in ends {
            assert_eq!(kind(ip), Some(expected), "{ip}");
        }
    }
}

#[test]
fn what_lies_beside_is_public() {
    for ip in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::1",
        "2001:200::",
        "2001:db7::",
        "2001:db9::",
        "2003::",
        "3fff:1000::",
        "3ffe::1",
        "2606:4700:4700::1111",
    ] {
        assert_eq!(kind(ip), None, "{ip}");
    }
}

#[test]
fn an_embedded_address_is_judged() {
    assert_eq!(kind("::ffff:127.0.0.1"), Some(AddressKind::Loopback));
    assert_eq!(kind("::ffff:169.254.169.254"), Some(AddressKind::LinkLocal));
    assert_eq!(kind("::ffff:8.8.8.8"), None);
    assert_eq!(kind("::127.0.0.1"), Some(AddressKind::Reserved));
    for embedded in ["64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "2002:a9fe:a9fe::1", "2002:0a00:1::"] {
        assert_eq!(kind(embedded), Some(AddressKind::Translated), "{embedded}");
    }
    for public in ["64:ff9b::8.8.8.8", "2002:0808:0808::1"] {
        assert_eq!(kind(public), None, "{public}");
    }
}

#[test]
fn private_is_allowed_by_word_and_the_rest_only_by_network() {
    let rules = AddressRules::default().allow_private();
    let passes = |ip: &str| rules.check(ip.parse().unwrap()).is_ok();
    for ip in ["127.0.0.1", "::1", "10.0.0.1", "fd00::1", "100.64.0.1", "::ffff:192.168.0.1"] {
        assert!(passes(ip), "{ip}");
    }
    for ip in ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "64:ff9b::10.0.0.1", "::2"] {
        assert!(!passes(ip), "{ip}");
    }
    let rules =
        AddressRules::default().allow(&["169.254.169.0/24".into(), " ::1 ".into()]).unwrap();
    let passes = |ip: &str| rules.check(ip.parse().unwrap()).is_ok();
    assert!(passes("169.254.169.254") && passes("::ffff:169.254.169.254") && passes("::1"));
    assert!(!passes("169.254.170.2") && !passes("127.0.0.1"));
}

#[test]
fn an_allowed_network_is_not_reached_through_a_translator() {
    let rules = AddressRules::default().allow(&["10.0.0.0/8".into()]).unwrap();
    assert!(rules.check("64:ff9b::10.0.0.1".parse().unwrap()).is_err());
    assert!(rules.check("2002:0a00:1::".parse().unwrap()).is_err());
}

#[test]
fn what_is_no_network_is_refused() {
    for bad in ["", "10.0.0.0/33", "example.org", "10.0.0"] {
        let refused = AddressRules::default().allow(&[bad.into()]).unwrap_err();
        assert_eq!(refused, InvalidCidr(bad.into()));
    }
}

proptest! {
    #[test]
    fn mapping_changes_nothing(bits: u32) {
        let ip = Ipv4Addr::from(bits);
        prop_assert_eq!(AddressKind::of(ip.into()), AddressKind::of(ip.to_ipv6_mapped().into()));
    }

    /// The standard library knows some of the kinds by itself.
    #[test]
    fn nothing_that_is_known_elsewhere_is_missed(bits: u32, bits6: u128) {
        let ip = Ipv4Addr::from(bits);
        let special = ip.is_private() || ip.is_loopback() || ip.is_link_local()
            || ip.is_multicast() || ip.is_broadcast() || ip.is_documentation()
            || ip.is_unspecified();
        prop_assert!(!special || AddressKind::of(ip.into()).is_some());
        let ip = Ipv6Addr::from(bits6);
        let special = ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local()
            || ip.is_multicast() || ip.is_unspecified();
        prop_assert!(!special || AddressKind::of(ip.into()).is_some());
    }
}
