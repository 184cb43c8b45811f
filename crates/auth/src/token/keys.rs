use std::sync::Arc;

use super::{SigningKey, VerifyingKey};

/// Finds the key that a token names.
///
/// `kid` is the sender's claim and nothing more: it is compared with known names, never used as a
/// path, a query or an address.
pub trait KeyResolver: Send + Sync + 'static {
    /// The key of that name; without a name, the only key if the resolver takes such tokens.
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>>;

    /// A number that is another one once a key has been taken away: what was verified before and
    /// remembered is then verified anew. Keys that only come need no new number.
    fn epoch(&self) -> u64 {
        0
    }
}

impl<R: KeyResolver + ?Sized> KeyResolver for Arc<R> {
    fn resolve(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        (**self).resolve(kid)
    }

    fn epoch(&self) -> u64 {
        (**self).epoch()
    }
}

/// Knows the key that signs at present. It is asked for each token, so that a rotation holds from the
/// next token on.
pub trait SigningKeys: Send + Sync + 'static {
    /// That key.
    fn signing_key(&self) -> SigningKey;
}

/// One key for ever.
impl SigningKeys for SigningKey {
    fn signing_key(&self) -> SigningKey {
        self.clone()
    }
}

impl<K: SigningKeys + ?Sized> SigningKeys for Arc<K> {
    fn signing_key(&self) -> SigningKey {
        (**self).signing_key()
    }
}
