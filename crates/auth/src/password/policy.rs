use std::{collections::HashSet, fmt, io};

use gabion_errors::FieldError;
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use super::{Blocklist, NormalPassword};
use crate::PasswordConfig;

/// Decides whether a new password is good enough (NIST SP 800-63B-4 §3.1.1.2).
///
/// Length, not on a list already known to attackers, and not guessable; no rules of composition, and
/// nothing expires. Only for passwords about to be set: one that was set under another policy still
/// logs in.
///
/// Guessable is what zxcvbn scores below [`min_strength`](PasswordConfig::min_strength) in every 20
/// characters of it, or what it scores so once the separators and the owner's own words are taken out.
/// Own words are found backwards and with digits for letters as well.
pub struct PasswordPolicy {
    min_length: usize,
    max_length: usize,
    min_strength: u8,
    blocklist: Blocklist,
}

/// The policy can take no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("auth.password.min_length is above auth.password.max_length")]
pub struct InvalidPolicy;

/// One reason why a password is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyFault {
    /// Fewer characters than this.
    TooShort(usize),
    /// More characters than this.
    TooLong(usize),
    /// More bytes than any password has.
    TooManyBytes,
    /// It is on the list of refused passwords.
    Blocked,
    /// It takes too few guesses.
    Guessable,
}

/// A password is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not good enough, for every one of these reasons.
    #[error("the password is not good enough")]
    Refused(Vec<PolicyFault>),
    /// The operator's blocklist could not be read, so nobody knows whether it is good enough.
    #[error("the password blocklist cannot be read")]
    Blocklist(#[source] io::Error),
}

impl PolicyFault {
    /// The fault of the field at `pointer`.
    pub fn at(self, pointer: impl Into<String>) -> FieldError {
        let code = match self {
            Self::TooShort(_) | Self::TooLong(_) | Self::TooManyBytes => "length",
            Self::Blocked => "blocked",
            Self::Guessable => "guessable",
        };
        FieldError::new(pointer, code, self.to_string())
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(min) => write!(f, "needs at least {min} characters"),
            Self::TooLong(max) => write!(f, "has at most {max} characters"),
            Self::TooManyBytes => write!(f, "has at most {} bytes", NormalPassword::MAX_BYTES),
            Self::Blocked => f.write_str("is on a list of common passwords, choose another"),
            Self::Guessable => f.write_str(
                "is easy to guess; several words that do not belong together are better",
            ),
        }
    }
}

/// Characters that are scored at a time; a password is as strong as its strongest part at least.
///
/// The time zxcvbn takes grows with a high power of the length, to half a second for its own limit of
/// 100 characters. And of more than 20 characters its numbers may overflow (21! does not fit into 64
/// bits), which is a panic where overflow is checked.
const SCORED: usize = 20;
/// Most words of the owner, and the longest: each is looked for everywhere.
const MAX_OWN_WORDS: usize = 32;
const MAX_OWN_WORD: usize = 64;
/// What adds nothing between two words: zxcvbn takes each for a word of its own.
const SEPARATORS: [char; 8] = [' ', '.', '_', '-', ',', '/', '+', '@'];

impl PasswordPolicy {
    /// The policy of `config` with that list.
    ///
    /// # Errors
    ///
    /// When no length could satisfy it.
    pub fn new(config: &PasswordConfig, blocklist: Blocklist) -> Result<Self, InvalidPolicy> {
        let PasswordConfig { min_length, max_length, min_strength, .. } = *config;
        if min_length > max_length {
            return Err(InvalidPolicy);
        }
        Ok(Self { min_length, max_length, min_strength, blocklist })
    }

    /// Judges `password`; `own_words` are what its owner is known by, as the user name and the name
    /// of the service, whole: they count in their parts as well.
    ///
    /// Takes some milliseconds, at most 0.1 s for texts that were made to take long, and may read a
    /// file, so it has no place on a thread that serves others: [`Identity`](crate::Identity) judges on
    /// the threads that hash.
    ///
    /// # Errors
    ///
    /// Every reason against it at once, or that the blocklist cannot be read.
    pub fn check(&self, password: &str, own_words: &[&str]) -> Result<NormalPassword, PolicyError> {
        let normal = NormalPassword::new(password)
            .map_err(|_| PolicyError::Refused(vec![PolicyFault::TooManyBytes]))?;
        let length = normal.expose().chars().count();
        let mut faults = Vec::new();
        if length < self.min_length {
            faults.push(PolicyFault::TooShort(self.min_length));
        }
        if length > self.max_length {
            faults.push(PolicyFault::TooLong(self.max_length));
        }
        // Of one that is too long nothing more is asked: it would be work without an end.
        let fits = length <= self.max_length;
        if fits && self.blocklist.contains(normal.expose()).map_err(PolicyError::Blocklist)? {
            faults.push(PolicyFault::Blocked);
        }
        if fits && !self.is_strong(normal.expose(), &parts(own_words)) {
            faults.push(PolicyFault::Guessable);
        }
        if faults.is_empty() { Ok(normal) } else { Err(PolicyError::Refused(faults)) }
    }

    /// Whether some characters in a row are strong enough, as they are and with nothing counted for
    /// separators and for the owner's own words.
    fn is_strong(&self, password: &str, own_words: &[&str]) -> bool {
        if self.min_strength == 0 {
            return true;
        }
        let plain: Zeroizing<String> = Zeroizing::new(password.to_lowercase());
        let mut rest = Zeroizing::new(plain.replace(SEPARATORS, ""));
        for word in own_words {
            rest = Zeroizing::new(rest.replace(&word.to_lowercase(), ""));
        }
        [password, &rest].into_iter().all(|text| self.has_strong_part(text, own_words))
    }

    fn has_strong_part(&self, text: &str, own_words: &[&str]) -> bool {
        let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        starts.push(text.len());
        let last = starts.len() - 1;
        let begin = (0..).step_by(SCORED / 2).take_while(|begin| begin + SCORED < last);
        begin.chain([last.saturating_sub(SCORED)]).any(|begin| {
            let part = &text[starts[begin]..starts[last.min(begin + SCORED)]];
            u8::from(zxcvbn(part, own_words).score()) >= self.min_strength
        })
    }
}

/// The words of `own`: whole, without signs, and in the pieces between signs and beside digits, as
/// `ann`, `miller` and `1987` of `ann.miller1987@example.com`.
fn parts<'a>(own: &[&'a str]) -> Vec<&'a str> {
    let kind = |c: char| (c.is_alphabetic(), c.is_numeric());
    let pieces = own.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    let finer = pieces.clone().flat_map(|piece| {
        let mut cuts = vec![0];
        let pairs = piece.char_indices().zip(piece.char_indices().skip(1));
        cuts.extend(pairs.filter(|((_, a), (_, b))| kind(*a) != kind(*b)).map(|(_, (at, _))| at));
        cuts.push(piece.len());
        cuts.windows(2).map(|cut| &piece[cut[0]..cut[1]]).collect::<Vec<_>>()
    });
    let long = |word: &&str| (3..=MAX_OWN_WORD).contains(&word.chars().count());
    let mut words: Vec<&str> =
        own.iter().copied().chain(pieces).chain(finer).filter(long).collect();
    let mut seen = HashSet::new();
    words.retain(|word| seen.insert(*word));
    words.truncate(MAX_OWN_WORDS);
    // So that none hides a part of another when they are taken away.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

#[cfg(test)]
mod tests;
