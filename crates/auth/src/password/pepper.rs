use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

/// Secrets that go into every hash and lie in no database: who steals the hashes alone cannot even
/// begin to guess.
///
/// A pepper is argon2's own secret input (K, RFC 9106 §3.1), so there is no second construction to get
/// wrong, and other implementations can verify such a hash. The stored hash names the pepper by
/// `keyid`, as the PHC string format provides for it: a hash made without one, or with an older one,
/// is still verified and is made anew at the next login, and one whose pepper is missing is an error
/// of the server, never a wrong password.
///
/// The file has one pepper a line: the first is for new hashes, the others are older ones that stored
/// hashes may still name. Each has at least 32 bytes; random ones, as
/// `head -c 32 /dev/urandom | base64` makes them. The file is the owner's alone (mode 0600 or less).
pub(super) struct Peppers(Vec<Pepper>);

/// One secret and its name.
struct Pepper {
    id: String,
    secret: Zeroizing<Vec<u8>>,
}

/// `auth.password.pepper_file` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PepperError {
    /// Others may read it.
    #[error("the pepper file {file} may be read by others, run: chmod 600 {file}", file = .0.display())]
    Permissions(PathBuf),
    /// It is not what it must be.
    #[error("the pepper file {} {problem}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It cannot be read.
    #[error("cannot read the pepper file {}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Bytes of the shortest and the longest pepper, and most of them.
const SHORTEST: usize = 32;
const LONGEST: usize = 1024;
const MOST: usize = 8;
const MAX_FILE: u64 = 16 << 10;
/// Bytes of a name: 48 bits tell peppers apart and say nothing of random ones.
const ID: usize = 6;

impl Peppers {
    /// Letters of a name.
    pub(super) const ID: usize = ID.div_ceil(3) * 4;

    /// None at all.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn read(path: &Path) -> Result<Self, PepperError> {
        let failed = |cause| PepperError::Io { file: path.to_owned(), cause };
        let malformed = |problem| PepperError::Malformed { file: path.to_owned(), problem };
        let file = File::open(path).map_err(failed)?;
        // Asked of the open file, so that it cannot be another one by now.
        let metadata = file.metadata().map_err(failed)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(PepperError::Permissions(path.to_owned()));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE {
            return Err(malformed("is larger than 16 KiB"));
        }
        Self::parse(&text).map_err(malformed)
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return Err("is empty");
        }
        if lines.len() > MOST {
            return Err("has more than 8 lines");
        }
        if lines.iter().any(|line| !(SHORTEST..=LONGEST).contains(&line.len())) {
            return Err("has a line of less than 32 bytes or more than 1024");
        }
        Ok(Self(lines.into_iter().map(Pepper::new).collect()))
    }

    /// The one for new hashes: its name and itself.
    pub(super) fn current(&self) -> Option<(&str, &[u8])> {
        self.0.first().map(Pepper::parts)
    }

    /// The one of that name.
    pub(super) fn named(&self, id: &str) -> Option<(&str, &[u8])> {
        self.0.iter().find(|pepper| pepper.id == id).map(Pepper::parts)
    }
}

impl Pepper {
    fn new(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"gabion password pepper");
        let id = STANDARD_NO_PAD.encode(&tag.as_ref()[..ID]);
        Self { id, secret: Zeroizing::new(secret.to_owned()) }
    }

    fn parts(&self) -> (&str, &[u8]) {
        (&self.id, &self.secret)
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|pepper| &pepper.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::OpenOptionsExt};

    use super::*;

    const NEW: &str = "3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const OLD: &str = "an older one that is long enough by far";

    #[test]
    fn the_first_line_is_for_new_hashes_and_all_are_known_by_name() {
        let peppers = Peppers::parse(format!("{NEW}\r\n\n{OLD}\n").as_bytes()).unwrap();
        let only_old = Peppers::parse(OLD.as_bytes()).unwrap();
        let (new, secret) = peppers.current().unwrap();
        assert_eq!((new.len(), secret), (8, NEW.as_bytes()));
        let (old, _) = only_old.current().unwrap();
        assert_ne!(new, old);
        assert_eq!(peppers.named(old).unwrap().1, OLD.as_bytes());
        assert!(peppers.named("AAAAAAAA").is_none() && Peppers::none().current().is_none());
    }

    #[test]
    fn a_short_pepper_is_refused_and_not_shown() {
        for text in
            ["", "\n\n", "short", &"x".repeat(31), &format!("{NEW}\nshort"), &"x".repeat(1025)]
        {
            assert!(Peppers::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Peppers::parse(format!("{NEW}\n").repeat(9).as_bytes()).is_err());
        let shown = format!("{:?}", Peppers::parse(OLD.as_bytes()).unwrap());
        assert!(!shown.contains("older"), "{shown}");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let file =
            std::env::temp_dir().join(format!("gabion-pepper-{:032x}", rand::random::<u128>()));
        let write = |mode| {
            let _ = fs::remove_file(&file);
            let mut options = fs::OpenOptions::new();
            let mut opened = options.write(true).create_new(true).mode(mode).open(&file).unwrap();
            io::Write::write_all(&mut opened, NEW.as_bytes()).unwrap();
        };
        write(0o640);
        let told = Peppers::read(&file).unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
        write(0o600);
        assert!(Peppers::read(&file).is_ok());
        fs::remove_file(&file).unwrap();
        assert!(Peppers::read(&file).unwrap_err().to_string().contains("cannot read"));
    }
}
