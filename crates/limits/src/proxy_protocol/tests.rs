use proptest::prelude::*;

use super::*;

/// `parse`, after every shorter beginning was told to be one.
fn whole(bytes: &[u8]) -> Result<Option<ProxyHeader>, InvalidProxyHeader> {
    let parsed = parse(bytes);
    if let Ok(Some(header)) = parsed {
        for end in 0..header.length {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{end} of {bytes:?}");
        }
        let mut followed = bytes.to_vec();
        followed.extend(b"\r\nPROXY TCP4");
        assert_eq!(parse(&followed), parsed);
    }
    parsed
}

fn client(bytes: &[u8]) -> Option<SocketAddr> {
    let header = whole(bytes).unwrap().unwrap();
    assert_eq!(header.length, bytes.len());
    header.client
}

fn addr(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

/// A block of version 2.
fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    bytes.extend(rest);
    bytes
}

const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x9d, 0x78, 1, 187];

fn v4_with(extensions: &[u8]) -> Vec<u8> {
    block(0x21, 0x11, &[&V4, extensions].concat())
}

#[test]
fn a_line_names_the_client() {
    let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 40312 443\r\n";
    assert_eq!(client(line), addr("192.0.2.7:40312"));
    let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 40312 443\r\n";
    assert_eq!(client(line), addr("[2001:db8::7]:40312"));
    assert_eq!(client(b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), addr("0.0.0.0:0"));
    let longest = b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                    ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(client(longest), addr("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"));
}

#[test]
fn a_line_of_an_unknown_client_names_nobody() {
    assert_eq!(client(b"PROXY UNKNOWN\r\n"), None);
    assert_eq!(client(b"PROXY UNKNOWN ffff::1 whatever 65535\r\n"), None);
    let mut longest = b"PROXY UNKNOWN ".to_vec();
    longest.resize(105, b'x');
    assert_eq!(whole(&[&longest[..], b"\r\n"].concat()).unwrap().unwrap().length, 107);
    longest.push(b'x');
    assert_eq!(parse(&[&longest[..], b"\r\n"].concat()), Err(InvalidProxyHeader::TooLong));
}

#[test]
fn a_line_that_is_none_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.7 198.51.100.1 40312 443\n",
        "PROXY  TCP4 192.0.2.7 198.51.100.1 40312 443\r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 40312 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 40312 443 \r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 40312 443 1\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 40312\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +312 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 0312 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 40312 x\r\n",
        "PROXY TCP4 192.0.2.07 198.51.100.1 40312 443\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 40312 443\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 40312 443\r\n",
        "PROXY TCP6 fe80::1%eth0 fe80::2 40312 443\r\n",
        "PROXY tcp4 192.0.2.7 198.51.100.1 40312 443\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 40312 443\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY \r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY UNKNOWN \0",
        "PROXY UNKNOWN \u{e4}\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(InvalidProxyHeader::Malformed), "{line:?}");
    }
}

#[test]
fn what_begins_as_neither_version_is_refused_at_its_first_wrong_byte() {
    for bytes in [
        &b"G"[..],
        b"PR\r",
        b"PRI * HTTP/2.0\r\n",
        b"POST",
        b"proxy ",
        b"\x16\x03\x01",
        b"\r\n\r\nG",
        b"\r\n\r\n\0\r\nQUIT\r",
    ] {
        assert_eq!(parse(bytes), Err(InvalidProxyHeader::Missing), "{bytes:?}");
    }
    assert_eq!(parse(b""), Ok(None));
}

#[test]
fn a_block_names_the_client() {
    assert_eq!(client(&v4_with(&[])), addr("192.0.2.7:40312"));
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    (v6[15], v6[32], v6[33]) = (7, 1, 2);
    assert_eq!(client(&block(0x21, 0x21, &v6)), addr("[2001:db8::7]:258"));
}

#[test]
fn a_block_of_the_proxys_own_names_nobody() {
    assert_eq!(client(&block(0x20, 0x11, &V4)), None);
    assert_eq!(client(&block(0x20, 0xff, b"anything")), None);
    assert_eq!(client(&block(0x21, 0x00, b"anything")), None);
    assert_eq!(client(&block(0x21, 0x31, &[1; 216])), None);
    assert_eq!(client(&block(0x21, 0x12, &V4)), None);
}

#[test]
fn a_block_that_is_none_is_refused() {
    for bytes in [
        block(0x11, 0x11, &V4),
        block(0x22, 0x11, &V4),
        block(0x21, 0x13, &V4),
        block(0x21, 0x41, &V4),
        block(0x21, 0x11, &V4[..11]),
        block(0x21, 0x21, &[0; 35]),
        block(0x21, 0x31, &[0; 215]),
        v4_with(&[4]),
        v4_with(&[4, 0, 2, 1]),
        v4_with(&[3, 0, 3, 1, 2, 3]),
    ] {
        assert_eq!(parse(&bytes), Err(InvalidProxyHeader::Malformed), "{bytes:?}");
    }
    assert_eq!(
        parse(&block(0x21, 0x11, &[0; LONGEST - 15])[..16]),
        Err(InvalidProxyHeader::TooLong)
    );
    assert_eq!(client(&v4_with(&padding(LONGEST - 16 - 12))), addr("192.0.2.7:40312"));
}

/// One extension without a meaning, so many bytes long.
fn padding(length: usize) -> Vec<u8> {
    let mut bytes = vec![4];
    bytes.extend(u16::try_from(length - 3).unwrap().to_be_bytes());
    bytes.resize(length, 0);
    bytes
}

#[test]
fn a_checksum_is_verified() {
    // Computed bit by bit, as the polynomial says.
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0x82f6_3b78 & !(crc & 1).wrapping_sub(1))
            })
        })
    };
    let mut bytes = v4_with(&[&padding(9)[..], &[3, 0, 4, 0, 0, 0, 0], &padding(5)].concat());
    let at = 16 + 12 + 9 + 3;
    let sum = crc(&bytes).to_be_bytes();
    assert_eq!(parse(&bytes), Err(InvalidProxyHeader::Checksum));
    bytes[at..at + 4].copy_from_slice(&sum);
    assert_eq!(client(&bytes), addr("192.0.2.7:40312"));
    bytes[17] ^= 1;
    assert_eq!(parse(&bytes), Err(InvalidProxyHeader::Checksum));
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer_that_holds_however_they_go_on(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        begin in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY UNKNOWN ", b"\r\n\r\n\0\r\nQUIT\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00"]),
    ) {
        let bytes = [begin, &bytes].concat();
        match whole(&bytes) {
            Ok(Some(header)) => prop_assert!(header.length <= bytes.len().min(LONGEST)),
            Ok(None) => prop_assert!(bytes.len() < LONGEST),
            Err(error) => {
                let mut followed = bytes.clone();
                followed.extend(b"\r\n");
                prop_assert_eq!(parse(&followed), Err(error));
            }
        }
    }

    #[test]
    fn what_a_proxy_writes_is_read(
        source: SocketAddr4or6, port: u16, extension in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let wanted = SocketAddr::new(source.0, port);
        let (family, v2_family, octets) = match source.0 {
            std::net::IpAddr::V4(ip) => ("TCP4", 0x11, ip.octets().to_vec()),
            std::net::IpAddr::V6(ip) => ("TCP6", 0x21, ip.octets().to_vec()),
        };
        let line = format!("PROXY {family} {0} {0} {port} 443\r\n", source.0);
        prop_assert_eq!(client(line.as_bytes()), Some(wanted));
        let length = u16::try_from(extension.len()).unwrap().to_be_bytes();
        let rest = [
            &octets[..], &octets, &port.to_be_bytes(), &443_u16.to_be_bytes(), &[0xe0], &length, &extension,
        ];
        prop_assert_eq!(client(&block(0x21, v2_family, &rest.concat())), Some(wanted));
    }
}

#[derive(Debug)]
struct SocketAddr4or6(std::net::IpAddr);

impl Arbitrary for SocketAddr4or6 {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        prop_oneof![
            any::<[u8; 4]>().prop_map(|octets| Self(octets.into())),
            any::<[u16; 8]>().prop_map(|segments| Self(segments.into())),
        ]
        .boxed()
    }
}
