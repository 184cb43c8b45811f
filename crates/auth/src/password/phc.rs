//! Stored hashes as PHC strings, `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::HashError;

/// Bytes of a new salt (RFC 9106 §3.1) and of a new hash.
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// Highest cost that a stored hash may ask for; beyond it, it is an attack or a mistake.
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;

/// The cost of new hashes.
#[derive(Debug, Clone)]
pub(super) struct Cost {
    params: Params,
    /// Most memory that a stored hash may ask for, in KiB.
    ceiling: u32,
}

/// A stored hash that is worth its computation.
pub(super) struct Stored {
    argon2: Argon2<'static>,
    salt: Salt,
    output: Output,
    current: bool,
}

impl Cost {
    pub(super) fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, argon2::Error> {
        let params = Params::new(memory_kib, passes, lanes, Some(OUTPUT))?;
        // Room for hashes from before a change of the cost, never for more than a GiB.
        let ceiling = memory_kib.saturating_mul(4).clamp(64 << 10, 1 << 20);
        Ok(Self { params, ceiling })
    }

    /// Blocks of memory that a hash of this cost fills.
    pub(super) fn blocks(&self) -> usize {
        self.params.block_count()
    }

    pub(super) fn hash(&self, password: &str, memory: &mut [Block]) -> Result<String, HashError> {
        let salt: [u8; SALT] = rand::random();
        let mut output = [0; OUTPUT];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        argon2.hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, memory)?;
        self.phc(&salt, &output)
    }

    /// A hash that no password has, of the same cost as any other.
    pub(super) fn dummy(&self) -> Result<String, HashError> {
        self.phc(&rand::random::<[u8; SALT]>(), &rand::random::<[u8; OUTPUT]>())
    }

    fn phc(&self, salt: &[u8], output: &[u8]) -> Result<String, HashError> {
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).map_err(|_| HashError::Stored)?,
            salt: Some(Salt::new(salt).map_err(|_| HashError::Stored)?),
            hash: Some(Output::new(output).map_err(|_| HashError::Stored)?),
        };
        Ok(hash.to_string())
    }

    /// Reads a stored hash; one that asks for absurd work is an error, not a crash.
    pub(super) fn read(&self, phc: &str) -> Result<Stored, HashError> {
        let hash = PasswordHash::new(phc).map_err(|_| HashError::Stored)?;
        let algorithm = hash.algorithm.as_str().parse().map_err(|_| HashError::Stored)?;
        // Before versions were written down, there was 0x10 only.
        let version = hash.version.unwrap_or(Version::V0x10.into());
        let version = Version::try_from(version).map_err(|_| HashError::Stored)?;
        let (salt, output) = hash.salt.zip(hash.hash).ok_or(HashError::Stored)?;
        let cost = |name| hash.params.get_decimal(name).ok_or(HashError::Stored);
        let (memory, passes, lanes) = (cost("m")?, cost("t")?, cost("p")?);
        // Key ids and associated data are of no use here, and doubles are ambiguous.
        if hash.params.iter().count() != 3 {
            return Err(HashError::Stored);
        }
        if memory > self.ceiling || passes > MAX_PASSES || lanes > MAX_LANES {
            return Err(HashError::Stored);
        }
        let params = Params::new(memory, passes, lanes, Some(output.len()))?;
        let current = algorithm == Algorithm::Argon2id
            && version == Version::V0x13
            && params == self.params
            && salt.len() >= SALT;
        Ok(Stored { argon2: Argon2::new(algorithm, version, params), salt, output, current })
    }
}

impl Stored {
    /// Whether `password` has this hash, compared in constant time.
    pub(super) fn matches(&self, password: &str, kept: &mut [Block]) -> Result<bool, HashError> {
        let mut computed = [0; Output::MAX_LENGTH];
        let computed = &mut computed[..self.output.len()];
        let blocks = self.argon2.params().block_count();
        let password = password.as_bytes();
        if blocks <= kept.len() {
            self.argon2.hash_password_into_with_memory(password, &self.salt, computed, kept)?;
        } else {
            let mut memory = vec![Block::default(); blocks];
            self.argon2.hash_password_into_with_memory(
                password,
                &self.salt,
                computed,
                memory.as_mut_slice(),
            )?;
        }
        Ok(verify_slices_are_equal(computed, self.output.as_bytes()).is_ok())
    }

    /// Whether it has the algorithm and the cost of new hashes.
    pub(super) fn is_current(&self) -> bool {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cost() -> Cost {
        Cost::new(64, 1, 1).unwrap()
    }

    fn memory() -> Vec<Block> {
        vec![Block::default(); cost().blocks()]
    }

    // ASVS 11.4.2
    #[test]
    fn a_new_hash_says_its_cost_and_has_a_salt_of_its_own() {
        let cost = Cost::new(19 << 10, 2, 1).unwrap();
        let mut memory = vec![Block::default(); cost.blocks()];
        let (first, second) =
            (cost.hash("x", &mut memory).unwrap(), cost.hash("x", &mut memory).unwrap());
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
        assert_ne!(first, second);
        assert_eq!(cost.read(&first).unwrap().salt.len(), 16);
    }

    #[test]
    fn a_known_hash_of_another_implementation_matches() {
        // The reference implementation's own test: argon2id, t=2, m=256, p=1.
        let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ\
                   $nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let stored = cost().read(phc).unwrap();
        assert!(stored.matches("password", &mut memory()).unwrap());
        assert!(!stored.matches("passwore", &mut memory()).unwrap());
        assert!(!stored.is_current());
    }

    #[test]
    fn absurd_and_malformed_hashes_are_errors() {
        let end = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for start in [
            "$argon2id$v=19$m=4294967295,t=2,p=1",
            "$argon2id$v=19$m=1048577,t=2,p=1",
            "$argon2id$v=19$m=256,t=17,p=1",
            "$argon2id$v=19$m=256,t=1,p=9",
            "$argon2id$v=19$m=256,t=1,p=16777215",
            "$argon2id$v=19$m=8,t=1,p=8",
            "$argon2id$v=19$m=0,t=1,p=1",
            "$argon2id$v=19$m=256,t=0,p=1",
            "$argon2id$v=19$m=256,t=1,p=0",
            "$argon2id$v=19$m=256,m=256,t=1",
            "$argon2id$v=19$m=256,t=1,p=1,p=1",
            "$argon2id$v=19$m=256,t=1,p=1,keyid=AAAA",
            "$argon2id$v=20$m=256,t=1,p=1",
            "$argon2id",
            "$bcrypt$v=19$m=256,t=1,p=1",
            "",
        ] {
            assert!(cost().read(&format!("{start}{end}")).is_err(), "{start}");
        }
        assert!(cost().read("!").is_err() && cost().read("$2b$12$abc").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\$?[$a-z0-9=,+/. \u{e9}-]{0,80}") {
            let _ = cost().read(&text);
        }

        #[test]
        fn nothing_near_a_hash_panics(
            m in 0..2000_u32, t in 0..3_u32, p in 0..10_u32, salt in "[A-Za-z0-9+/=é]{0,20}",
            output in "[A-Za-z0-9+/]{0,90}",
        ) {
            let phc = format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}");
            if let Ok(stored) = cost().read(&phc) {
                let _ = stored.matches("x", &mut memory());
            }
        }
    }
}
