//! Refresh tokens: one token has one spelling, and nothing else is read.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use gabion_auth::{KeyRing, RefreshTokens, Session, SessionId, Username};
use gabion_clock::UnixTime;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    id: u128,
    generation: u32,
    /// Put in the place of so many bytes from there.
    at: u8,
    length: u8,
    text: &'a str,
}

static TOKENS: LazyLock<RefreshTokens> =
    LazyLock::new(|| RefreshTokens::new(&KeyRing::ephemeral()));

fuzz_target!(|input: Input<'_>| {
    let session = Session {
        id: SessionId::from_bits(input.id),
        username: Username::parse("ann").expect("a name"),
        generation: input.generation,
        created_at: UnixTime::default(),
        refreshed_at: UnixTime::default(),
        expires_at: UnixTime::default(),
        address: String::new(),
    };
    let good = TOKENS.issue(&session);
    assert_eq!(TOKENS.read(&good), Ok((session.id, session.generation)));
    assert!(TOKENS.read(input.text).is_err());
    let start = usize::from(input.at) % (good.len() + 1);
    let end = (start + usize::from(input.length)).min(good.len());
    let changed = format!("{}{}{}", &good[..start], input.text, &good[end..]);
    assert_eq!(TOKENS.read(&changed).is_ok(), changed == good, "{changed}");
});
