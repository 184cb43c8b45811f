//! The fields that say where a request ends: one meaning or none.

#![no_main]

use gabion_limits::{ContentCoding, Framing, check_framing, content_length};
use http::{
    HeaderMap, HeaderValue, Method, Uri, Version,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|fields: Vec<(u8, &[u8])>| {
    let mut headers = HeaderMap::new();
    for (which, value) in &fields {
        let name = match which % 3 {
            0 => TRANSFER_ENCODING,
            1 => CONTENT_LENGTH,
            _ => CONTENT_ENCODING,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let uri = Uri::from_static("/");
    let checked = check_framing(&Method::POST, &uri, Version::HTTP_11, &headers);
    let values = |name| headers.get_all(name).iter().collect::<Vec<_>>();
    let transfer = values(TRANSFER_ENCODING);
    match checked {
        Ok(Framing::Sized) => assert!(transfer.is_empty()),
        Ok(Framing::Chunked) => {
            let coding = transfer[0].to_str().expect("letters").trim_matches([' ', '\t']);
            assert!(transfer.len() == 1 && coding.eq_ignore_ascii_case("chunked"));
            assert!(!headers.contains_key(CONTENT_LENGTH));
        }
        Ok(Framing::Foreign) => unreachable!("POST is a method of ours"),
        Err(_) => assert!(!transfer.is_empty()),
    }
    let lengths = values(CONTENT_LENGTH);
    match content_length(&headers) {
        Ok(None) => assert!(lengths.is_empty()),
        Ok(Some(length)) => {
            let digits = lengths[0].to_str().expect("digits");
            assert!(lengths.len() == 1 && digits.bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(digits.parse(), Ok(length));
        }
        Err(_) => assert!(!lengths.is_empty()),
    }
    if let Ok(Some(_)) = ContentCoding::of(&headers) {
        assert_eq!(values(CONTENT_ENCODING).len(), 1);
    }
});
