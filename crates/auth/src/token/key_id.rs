use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

/// The name of a key, a token's `kid`: 1 to 128 printable ASCII characters but space, `"` and `\`.
///
/// Our own are of `A-Z a-z 0-9 - _` alone; other issuers use more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// Not the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to 128 printable ASCII characters, none of them a space, a quote or '\\'")]
pub struct InvalidKeyId;

impl KeyId {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyId> {
        let accepted = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
        if text.is_empty() || text.len() > 128 || !text.bytes().all(accepted) {
            return Err(InvalidKeyId);
        }
        Ok(Self(text.into()))
    }

    /// A name that follows from the secret and tells nothing of it.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"gabion key id");
        let digits = tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}"));
        Self(digits.collect::<String>().into())
    }

    /// A name that is known to be one: base64url.
    pub(super) fn of_thumbprint(thumbprint: String) -> Self {
        Self(thumbprint.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
