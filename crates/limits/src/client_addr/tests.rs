use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn trusted() -> TrustedProxies {
    TrustedProxies::new(&["10.0.0.0/8".into(), "2001:db8:ffff::/48".into()]).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
}

fn by_list(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect();
    trusted().client_addr(ip(PROXY), &headers(&lines)).ip().to_string()
}

fn by_forwarded(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| (FORWARDED, *line)).collect();
    trusted().client_addr(ip(PROXY), &headers(&lines)).ip().to_string()
}

/// ASVS 4.1.3, 15.3.4.
#[test]
fn a_stranger_is_not_believed() {
    let lines = headers(&[(X_FORWARDED_FOR, "192.0.2.1"), (FORWARDED, "for=192.0.2.1")]);
    let stranger = ip("198.51.100.9");
    for proxies in [trusted(), TrustedProxies::default()] {
        let accounted = proxies.account(stranger, &lines);
        assert_eq!(accounted, (ClientAddr::new(stranger), Forwarding::Ignored));
    }
    assert_eq!(trusted().account(ip(PROXY), &lines).1, Forwarding::Believed);
    for peer in [stranger, ip(PROXY)] {
        let accounted = trusted().account(peer, &HeaderMap::new());
        assert_eq!(accounted, (ClientAddr::new(peer), Forwarding::None));
    }
}

#[test]
fn the_walk_goes_from_the_right_to_the_first_stranger() {
    assert_eq!(by_list(&["6.6.6.6, 192.0.2.1"]), "192.0.2.1");
    assert_eq!(by_list(&["6.6.6.6, 192.0.2.1, 10.2.2.2 ,10.3.3.3"]), "192.0.2.1");
    assert_eq!(by_list(&["6.6.6.6", "192.0.2.1", "10.2.2.2"]), "192.0.2.1");
    assert_eq!(
        by_forwarded(&["for=6.6.6.6, for=192.0.2.1;proto=https, for=10.2.2.2"]),
        "192.0.2.1"
    );
    assert_eq!(by_forwarded(&["for=6.6.6.6", "for=192.0.2.1", "For=10.2.2.2"]), "192.0.2.1");
}

#[test]
fn a_chain_of_proxies_alone_ends_at_its_first() {
    assert_eq!(by_list(&["10.2.2.2, 10.3.3.3"]), "10.2.2.2");
    assert_eq!(by_list(&[]), PROXY);
}

#[test]
fn every_spelling_of_an_address_is_read() {
    for (written, read) in [
        ("192.0.2.1:80", "192.0.2.1"),
        ("192.0.2.1:_p", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:65535", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("[2001:DB8:0:0::1]", "2001:db8::1"),
    ] {
        assert_eq!(by_list(&[written]), read, "{written}");
        assert_eq!(by_forwarded(&[&format!("for=\"{written}\"")]), read, "{written}");
        assert_eq!(by_forwarded(&[&format!("by=_x; FOR={written} ;")]), read, "{written}");
    }
}

#[test]
fn what_cannot_be_understood_ends_the_walk_at_the_last_good_hop() {
    for bad in [
        "",
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:+1",
        "[2001:db8::1",
        "[192.0.2.1]",
        "2001:db8::1]",
        "192.0.2.1 192.0.2.2",
        "[::1]x",
        "1:2:3",
        "192.0.2.1:_",
        "192.0.2.1:_a b",
        "192.0.2.01",
        "0300.0.2.1",
        "0xc0000201",
        "3221225985",
        "192.0.2.1/32",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "[fe80::1%2]:80",
        "[[2001:db8::1]]",
        "[2001:db8::1]]",
        "[]",
        "::ffff:192.0.2.1:80",
        "2001:db8::1::2",
        "for=192.0.2.1",
        "192.0.2.1;192.0.2.2",
        "\u{a0}192.0.2.1",
    ] {
        assert_eq!(by_list(&[&format!("192.0.2.7, {bad}, 10.2.2.2")]), "10.2.2.2", "{bad}");
        let line = format!("for=192.0.2.7, for=\"{bad}\", for=10.2.2.2");
        assert_eq!(by_forwarded(&[&line]), "10.2.2.2", "{bad}");
    }
}

#[test]
fn malformed_elements_end_the_walk() {
    for bad in [
        "proto=https",
        "for",
        "for=",
        "for=192.0.2.1;for=192.0.2.2",
        "f or=192.0.2.1",
        "for=\"192.0.2.1",
        "for=192.0.2.1\"",
        "for=\"192.0.2.1\"x",
        "for=\"192.0.2.\\1\"",
        "for=192.0.2.1;by=\"\\\"",
        ";",
    ] {
        assert_eq!(by_forwarded(&["for=192.0.2.7", bad, "for=10.2.2.2"]), "10.2.2.2", "{bad}");
    }
}

#[test]
fn commas_and_escapes_inside_quotes_belong_to_the_value() {
    let line = r#"for=6.6.6.6, by="a\",for=7.7.7.7;";for=192.0.2.1, for=10.2.2.2"#;
    assert_eq!(by_forwarded(&[line]), "192.0.2.1");
}

#[test]
fn an_empty_element_ends_the_walk_wherever_it_stands() {
    for lines in [["6.6.6.6,"].as_slice(), &["6.6.6.6", ""], &["6.6.6.6, ,"], &["6.6.6.6,\t"]] {
        assert_eq!(by_list(lines), PROXY, "{lines:?}");
    }
    assert_eq!(by_list(&["6.6.6.6,, 10.2.2.2"]), "10.2.2.2");
    // What the client left empty before its own address changes nothing.
    assert_eq!(by_list(&[", , 192.0.2.1"]), "192.0.2.1");
    assert_eq!(by_forwarded(&["for=6.6.6.6,"]), PROXY);
    assert_eq!(by_forwarded(&["for=6.6.6.6", ""]), PROXY);
    assert_eq!(by_forwarded(&[", for=192.0.2.1"]), "192.0.2.1");
}

#[test]
fn a_mapped_proxy_is_the_proxy() {
    let peer = ip("::ffff:10.0.0.1");
    let told = headers(&[(X_FORWARDED_FOR, "6.6.6.6, 192.0.2.1, ::ffff:10.2.2.2")]);
    assert_eq!(trusted().client_addr(peer, &told).ip(), ip("192.0.2.1"));
}

#[test]
fn bytes_that_are_no_text_end_the_walk() {
    let value = http::HeaderValue::from_bytes(b"192.0.2.7, 192.0.2.1\xff, 10.2.2.2").unwrap();
    for name in [X_FORWARDED_FOR, FORWARDED] {
        let told = HeaderMap::from_iter([(name.clone(), value.clone())]);
        let found = trusted().client_addr(ip(PROXY), &told).ip().to_string();
        let wanted = if name == FORWARDED { PROXY } else { "10.2.2.2" };
        assert_eq!(found, wanted);
    }
}

#[test]
fn an_open_quote_reaches_no_further_than_its_line() {
    assert_eq!(by_forwarded(&["for=\"6.6.6.6", "for=192.0.2.1"]), "192.0.2.1");
    // A proxy that joins lines joins what the client left open: then the proxy itself is accounted.
    assert_eq!(by_forwarded(&["for=\"6.6.6.6, for=192.0.2.1"]), PROXY);
}

#[test]
fn headers_that_contradict_each_other_are_both_ignored() {
    let told = headers(&[(FORWARDED, "for=6.6.6.6"), (X_FORWARDED_FOR, "192.0.2.1")]);
    let accounted = trusted().account(ip(PROXY), &told);
    assert_eq!(accounted, (ClientAddr::new(ip(PROXY)), Forwarding::Contradictory));
    assert_eq!(trusted().account(ip("192.0.2.9"), &told).1, Forwarding::Ignored);
    // Also when only one of them can be understood.
    for (one, other) in [("for=_hidden", "192.0.2.1"), ("for=6.6.6.6", "unknown")] {
        let told = headers(&[(FORWARDED, one), (X_FORWARDED_FOR, other)]);
        assert_eq!(trusted().client_addr(ip(PROXY), &told).ip(), ip(PROXY), "{one} {other}");
    }
    let agreed = headers(&[(FORWARDED, "for=192.0.2.1"), (X_FORWARDED_FOR, "192.0.2.1")]);
    let accounted = trusted().account(ip(PROXY), &agreed);
    assert_eq!(accounted, (ClientAddr::new(ip("192.0.2.1")), Forwarding::Believed));
    let one = headers(&[(FORWARDED, "for=6.6.6.6")]);
    assert_eq!(trusted().account(ip(PROXY), &one).1, Forwarding::Believed);
}

#[test]
fn a_chain_without_end_is_cut() {
    let hops = |count| [vec!["192.0.2.1"], vec!["10.9.9.9"; count]].concat().join(",");
    assert_eq!(by_list(&[&hops(31)]), "192.0.2.1");
    assert_eq!(by_list(&[&hops(32)]), "10.9.9.9");
    let elements =
        |count| hops(count).split(',').map(|hop| format!("for={hop}")).collect::<Vec<_>>();
    assert_eq!(by_forwarded(&[&elements(31).join(",")]), "192.0.2.1");
    assert_eq!(by_forwarded(&[&elements(32).join(",")]), "10.9.9.9");
}

#[test]
fn networks_and_mapped_networks_and_addresses_are_accepted() {
    let proxies = ["::ffff:10.0.0.0/104", "192.0.2.1", "2001:db8::/32"].map(String::from);
    let proxies = TrustedProxies::new(&proxies).unwrap();
    for trusted in ["10.255.0.1", "::ffff:10.1.1.1", "192.0.2.1", "2001:db8::9"] {
        assert!(proxies.trusts(ClientAddr::new(ip(trusted))), "{trusted}");
    }
    for other in ["11.0.0.1", "192.0.2.2", "2001:db9::1"] {
        assert!(!proxies.trusts(ClientAddr::new(ip(other))), "{other}");
    }
    for bad in ["", "10.0.0.0/33", "proxy.example", "10.0.0"] {
        assert_eq!(TrustedProxies::new(&[bad.into()]).unwrap_err(), InvalidCidr(bad.into()));
    }
}

#[test]
fn an_ipv6_subscriber_has_one_rate_key_and_each_ipv4_address_its_own() {
    let key = |text| ClientAddr::new(ip(text)).rate_key();
    assert_eq!(key("2001:db8::1"), key("2001:db8:0:0:ffff::2"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
}

#[test]
fn a_rate_key_keeps_as_many_bits_as_it_is_told() {
    let key = |text, bits| ClientAddr::new(ip(text)).rate_key_of(bits);
    for (bits, same, other) in [
        (32, "2001:db8:ffff::1", "2001:db9::1"),
        (48, "2001:db8:0:ffff::1", "2001:db8:1::1"),
        (56, "2001:db8:0:ff::1", "2001:db8:0:100::1"),
        (64, "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"),
        (128, "2001:db8::", "2001:db8::1"),
        (255, "2001:db8::", "2001:db8::1"),
    ] {
        assert_eq!(key("2001:db8::", bits), key(same, bits), "{bits}");
        assert_ne!(key("2001:db8::", bits), key(other, bits), "{bits}");
        // An IPv4 address is one at any length.
        assert_ne!(key("192.0.2.1", bits), key("192.0.2.2", bits), "{bits}");
    }
    assert_eq!(key("2001:db8::", 0), key("fe80::1", 0));
}

#[test]
fn a_rate_key_can_be_read() {
    let text = |text, bits| ClientAddr::new(ip(text)).rate_key_of(bits).to_text(bits);
    assert_eq!(text("192.0.2.7", 64), "192.0.2.7");
    assert_eq!(text("::ffff:192.0.2.7", 64), "192.0.2.7");
    assert_eq!(text("2001:db8::7", 64), "2001:db8::/64");
    assert_eq!(text("2001:db8::7", 128), "2001:db8::7/128");
}

/// A hop as somebody wrote it.
#[derive(Debug, Clone, Copy)]
enum Hop {
    Proxy(u8),
    Stranger(u8),
    Junk(&'static str),
}

impl Hop {
    fn text(self) -> String {
        match self {
            Self::Proxy(last) => format!("10.1.1.{last}"),
            Self::Stranger(last) => format!("[2001:db8::{last:x}]:4711"),
            Self::Junk(text) => text.to_owned(),
        }
    }

    /// Its address, and whether it is a proxy.
    fn address(self) -> Option<(IpAddr, bool)> {
        match self {
            Self::Proxy(last) => Some((IpAddr::from([10, 1, 1, last]), true)),
            Self::Stranger(last) => Some((ip(&format!("2001:db8::{last:x}")), false)),
            Self::Junk(_) => None,
        }
    }
}

fn hop() -> impl Strategy<Value = Hop> {
    let junk =
        ["", "unknown", "_x", "10.1.1", "fe80::1%lo", "10.1.1.1:x", "::1]", "6.6.6.6 7.7.7.7"];
    prop_oneof![
        6 => (0..9_u8).prop_map(Hop::Proxy),
        2 => (1..9_u8).prop_map(Hop::Stranger),
        1 => prop::sample::select(junk.to_vec()).prop_map(Hop::Junk),
    ]
}

/// The rule in words: from the right, as long as there are proxies, and 32 of them.
fn by_rule(hops: &[Hop]) -> IpAddr {
    let mut client = ip(PROXY);
    for hop in hops.iter().rev().take(32) {
        let Some((address, proxy)) = hop.address() else { break };
        client = address;
        if !proxy {
            break;
        }
    }
    client
}

/// The hops as field lines, a new one after each hop that `breaks` names.
fn lines(hops: &[Hop], breaks: &[bool], write: impl Fn(Hop) -> String) -> Vec<String> {
    let mut lines: Vec<Vec<String>> = vec![Vec::new()];
    for (i, hop) in hops.iter().enumerate() {
        lines.last_mut().unwrap().push(write(*hop));
        if breaks.get(i).copied().unwrap_or_default() && i + 1 < hops.len() {
            lines.push(Vec::new());
        }
    }
    lines.into_iter().map(|line| line.join(" , ")).collect()
}

proptest! {
    #[test]
    fn any_chain_is_walked_by_the_rule(
        hops in prop::collection::vec(hop(), 0..40),
        others in prop::collection::vec(hop(), 0..4),
        breaks in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let add = |headers: &mut HeaderMap, name: HeaderName, lines: Vec<String>| {
            for line in lines {
                headers.append(name.clone(), line.parse().unwrap());
            }
        };
        let forwarded = |hop: Hop| format!("proto=http;for=\"{}\"", hop.text());
        let wanted = ClientAddr::new(by_rule(&hops)).ip();
        let found = |headers: &HeaderMap| trusted().client_addr(ip(PROXY), headers).ip();

        let mut listed = HeaderMap::new();
        add(&mut listed, X_FORWARDED_FOR, lines(&hops, &breaks, Hop::text));
        prop_assert_eq!(found(&listed), wanted);

        let mut named = HeaderMap::new();
        add(&mut named, FORWARDED, lines(&hops, &breaks, forwarded));
        prop_assert_eq!(found(&named), wanted);

        let mut both = named.clone();
        add(&mut both, X_FORWARDED_FOR, lines(&others, &[], Hop::text));
        let other = ClientAddr::new(by_rule(&others)).ip();
        prop_assert_eq!(found(&both), if other == wanted { wanted } else { ip(PROXY) });
        // To anybody else nothing of it is believed.
        let stranger = ip("198.51.100.9");
        prop_assert_eq!(trusted().client_addr(stranger, &both).ip(), stranger);
    }

    #[test]
    fn what_the_client_writes_never_moves_the_walk(text in "[ -~]{0,60}") {
        let listed = by_list(&[&format!("{text}, 192.0.2.1, 10.2.2.2")]);
        prop_assert_eq!(listed, "192.0.2.1");
        // A quote that the client leaves open hides the rest: then the proxy itself is accounted.
        for line in [r#", for="192.0.2.1:4711""#, ", for=192.0.2.1;proto=http", r#", for="[2001:db8::1]""#] {
            let told = by_forwarded(&[&format!("{text}{line}")]);
            prop_assert!(["192.0.2.1", "2001:db8::1", PROXY].contains(&told.as_str()), "{}", told);
        }
    }
}
