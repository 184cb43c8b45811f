//! The PROXY protocol header: no bytes panic, every beginning of a header is told to be one, and what
//! was decided about some bytes holds however they go on.

#![no_main]

use gabion_limits::proxy_protocol::{LONGEST, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes) {
        Ok(Some(header)) => {
            assert!(header.length <= bytes.len().min(LONGEST));
            for end in 0..header.length {
                assert_eq!(parse(&bytes[..end]), Ok(None), "{end}");
            }
            assert_eq!(parse(&bytes[..header.length]), Ok(Some(header)));
        }
        Ok(None) => assert!(bytes.len() < LONGEST),
        Err(error) => {
            let followed = [bytes, b"\r\n"].concat();
            assert_eq!(parse(&followed), Err(error));
        }
    }
});
