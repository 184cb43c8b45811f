//! Stored hashes as PHC strings, `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
//!
//! A hash made with a pepper names it: `…,p=1,keyid=ID$…`, see `pepper`. Nothing of a stored hash is
//! trusted: it may have come from another system or from a hand in the database. Its work is bounded
//! before it is begun:
//!
//! | what | bound |
//! |---|---|
//! | the text | 512 bytes |
//! | memory m | four times that of new hashes or 64 MiB, whichever is more, and 1 GiB |
//! | passes t | 16 |
//! | lanes p | 8; one thread fills them all |
//! | memory × passes | eight times that of new hashes or 256 MiB, whichever is more |
//! | salt | at least 8 bytes (RFC 9106 §3.1) |
//! | hash | 16 to 64 bytes |
//!
//! # The same cost for all
//!
//! What an answer costs must not tell whether there is such an account (ASVS 6.3.8). The work of argon2
//! is the number of blocks it fills, m × t, so an unknown name fills as many as a new hash takes, a
//! stored hash of less work is followed by what is missing, and a stored hash that cannot be used is
//! refused after the same work. What remains:
//!
//! - Blocks in less memory are filled faster, as they stay in the processor's caches: a wrong password
//!   against a hash of half the work took 9 to 16 % less time than an unknown name.
//! - A stored hash of *more* work than a new one, left from before the settings were lowered, takes
//!   longer, and one of more memory than the thread keeps pays for fresh pages beside (46 MiB in one pass:
//!   three times the time of 19 MiB in two) and waits for others of its kind, one of which is verified
//!   at a time, until its owner logs in.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::Mutex;

use super::{HashError, Verdict, pepper::Peppers};

/// Bytes of a new salt (RFC 9106 §3.1) and of a new hash.
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// Fewest bytes of a stored hash: fewer could be met by chance.
const LEAST_OUTPUT: usize = 16;
/// Most bytes of the text.
const MAX_TEXT: usize = 512;
/// Highest cost that a stored hash may ask for; beyond it, it is an attack or a mistake.
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;
/// The parameter that names a pepper.
const KEY_ID: &str = "keyid";

/// The cost of new hashes, and the secrets that go into them.
#[derive(Debug, Clone)]
pub(super) struct Cost {
    params: Params,
    /// Most memory that a stored hash may ask for, in KiB.
    ceiling: u32,
    /// Most work that it may ask for, in blocks.
    most_work: u64,
    peppers: Arc<Peppers>,
    /// Held by the thread that verifies a hash of more memory than it keeps, so that no more than
    /// one such hash comes on top of what all threads keep.
    large: Arc<Mutex<()>>,
}

/// A stored hash that is worth its computation.
struct Stored<'a> {
    argon2: Argon2<'a>,
    salt: Salt,
    output: Output,
    /// Whether it is as new hashes are.
    current: bool,
}

/// Blocks of a KiB that are filled, each pass anew.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

impl Cost {
    pub(super) fn new(
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        peppers: Peppers,
    ) -> Result<Self, argon2::Error> {
        let params = Params::new(memory_kib, passes, lanes, Some(OUTPUT))?;
        // Room for hashes from before a change of the cost, never for more than a GiB.
        let ceiling = memory_kib.saturating_mul(4).clamp(64 << 10, 1 << 20);
        let most_work = (8 * work(&params)).max(256 << 10);
        Ok(Self { params, ceiling, most_work, peppers: Arc::new(peppers), large: Arc::default() })
    }

    /// Blocks of memory that a hash of this cost fills.
    pub(super) fn blocks(&self) -> usize {
        self.params.block_count()
    }

    pub(super) fn hash(&self, password: &str, memory: &mut [Block]) -> Result<String, HashError> {
        let salt: [u8; SALT] = rand::random();
        let mut output = [0; OUTPUT];
        let mut params = ParamsString::try_from(&self.params).map_err(|_| HashError::Failed)?;
        let mut secret: &[u8] = &[];
        if let Some((id, pepper)) = self.peppers.current() {
            params.add_str(KEY_ID, id).map_err(|_| HashError::Failed)?;
            secret = pepper;
        }
        argon2(secret, Algorithm::Argon2id, Version::V0x13, self.params.clone())?
            .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, memory)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params,
            salt: Some(Salt::new(&salt).map_err(|_| HashError::Failed)?),
            hash: Some(Output::new(&output).map_err(|_| HashError::Failed)?),
        };
        Ok(hash.to_string())
    }

    /// Compares, with the work of a new hash at least, whatever comes of it.
    pub(super) fn verify(
        &self,
        password: &str,
        phc: Option<&str>,
        memory: &mut [Block],
    ) -> Result<Verdict, HashError> {
        let nothing = Verdict { matches: false, rehash: false };
        let stored = match phc.map(|phc| self.read(phc)) {
            Some(Ok(stored)) => stored,
            unusable => {
                self.spend(work(&self.params), password, memory)?;
                return unusable.map_or(Ok(nothing), |error| error.map(|_| nothing));
            }
        };
        let matches = stored.matches(password, memory, &self.large)?;
        let missing = work(&self.params).saturating_sub(work(stored.argon2.params()));
        self.spend(missing, password, memory)?;
        Ok(Verdict { matches, rehash: matches && !stored.current })
    }

    /// Whether the hash could be verified.
    pub(super) fn check(&self, phc: &str) -> Result<(), HashError> {
        self.read(phc).map(drop)
    }

    /// Fills so many blocks for nothing, up to what a new hash fills.
    fn spend(&self, work: u64, password: &str, memory: &mut [Block]) -> Result<(), HashError> {
        let (passes, lanes) = (self.params.t_cost(), self.params.p_cost());
        let kib = u32::try_from(work / u64::from(passes)).unwrap_or(u32::MAX);
        let kib = kib.min(self.params.m_cost());
        // Less than that is less than the noise.
        if kib < 8 * lanes {
            return Ok(());
        }
        let params = Params::new(kib, passes, lanes, Some(OUTPUT))?;
        let (salt, mut output) = ([0; SALT], [0; OUTPUT]);
        argon2(&[], Algorithm::Argon2id, Version::V0x13, params)?.hash_password_into_with_memory(
            password.as_bytes(),
            &salt,
            &mut output,
            memory,
        )?;
        std::hint::black_box(output);
        Ok(())
    }

    /// Reads a stored hash; one that asks for absurd work is an error, not a crash.
    fn read(&self, phc: &str) -> Result<Stored<'_>, HashError> {
        if phc.len() > MAX_TEXT {
            return Err(HashError::Stored);
        }
        let hash = PasswordHash::new(phc).map_err(|_| HashError::Stored)?;
        let algorithm = hash.algorithm.as_str().parse().map_err(|_| HashError::Stored)?;
        // Before versions were written down, there was 0x10 only.
        let version = hash.version.unwrap_or(Version::V0x10.into());
        let version = Version::try_from(version).map_err(|_| HashError::Stored)?;
        let (salt, output) = hash.salt.zip(hash.hash).ok_or(HashError::Stored)?;
        let cost = |name| hash.params.get_decimal(name).ok_or(HashError::Stored);
        let (memory, passes, lanes) = (cost("m")?, cost("t")?, cost("p")?);
        let pepper = hash.params.get(KEY_ID);
        // Associated data is of no use here, and doubles are ambiguous.
        if hash.params.iter().count() != 3 + usize::from(pepper.is_some()) {
            return Err(HashError::Stored);
        }
        if memory > self.ceiling || passes > MAX_PASSES || lanes > MAX_LANES {
            return Err(HashError::Stored);
        }
        let params = Params::new(memory, passes, lanes, Some(output.len()))?;
        if work(&params) > self.most_work || output.len() < LEAST_OUTPUT {
            return Err(HashError::Stored);
        }
        let pepper = match pepper {
            // Another system's: not even the file could have it.
            Some(id) if id.as_str().len() != Peppers::ID => return Err(HashError::Stored),
            Some(id) => Some(self.peppers.named(id.as_str()).ok_or(HashError::Pepper)?),
            None => None,
        };
        let current = algorithm == Algorithm::Argon2id
            && version == Version::V0x13
            && params == self.params
            && salt.len() >= SALT
            && pepper.map(|(id, _)| id) == self.peppers.current().map(|(id, _)| id);
        let secret = pepper.map_or(&[][..], |(_, secret)| secret);
        Ok(Stored { argon2: argon2(secret, algorithm, version, params)?, salt, output, current })
    }
}

/// An empty secret and none are the same to argon2.
fn argon2(
    secret: &[u8],
    algorithm: Algorithm,
    version: Version,
    params: Params,
) -> Result<Argon2<'_>, argon2::Error> {
    Argon2::new_with_secret(secret, algorithm, version, params)
}

impl Stored<'_> {
    /// Whether `password` has this hash, compared in constant time.
    fn matches(
        &self,
        password: &str,
        kept: &mut [Block],
        large: &Mutex<()>,
    ) -> Result<bool, HashError> {
        let mut computed = [0; Output::MAX_LENGTH];
        let computed = &mut computed[..self.output.len()];
        let blocks = self.argon2.params().block_count();
        let password = password.as_bytes();
        if blocks <= kept.len() {
            self.argon2.hash_password_into_with_memory(password, &self.salt, computed, kept)?;
        } else {
            let _one_at_a_time = large.lock();
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
}

#[cfg(test)]
mod tests;
