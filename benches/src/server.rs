//! A server that is measured, ours or a peer's.

use std::{io, path::Path, time::Duration};

use gabion_clock::{Clock, SystemClock};

use crate::{
    load::{Aim, ask},
    process::Process,
};

/// A running server and the request that it is asked.
pub struct Server {
    /// How tables call it.
    pub name: &'static str,
    /// Its process.
    pub process: Process,
    /// The measured request.
    pub aim: Aim,
}

/// How long a server may take from its start to its first answer.
const START: Duration = Duration::from_secs(20);

impl Server {
    /// Waits until the measured request is answered with 200.
    ///
    /// # Errors
    ///
    /// When the process ends, or answers otherwise for 20 s; with the end of its log.
    pub fn when_ready(mut self, log: &Path) -> io::Result<Self> {
        let clock = SystemClock::new();
        let begun = clock.now();
        loop {
            let answer = ask(&self.aim).map(|(status, _)| status);
            if matches!(answer, Ok(200)) {
                return Ok(self);
            }
            let ended = self.process.ended();
            if ended.is_some() || clock.now().saturating_since(begun) > START {
                let state =
                    ended.map_or_else(|| format!("{answer:?}"), |status| status.to_string());
                return Err(failure(self.name, &state, log));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Makes sure that it looks at tokens at all: `forged` must be refused.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn refuses(self, forged: &Aim) -> io::Result<Self> {
        match ask(forged)?.0 {
            401 => Ok(self),
            other => {
                let name = self.name;
                Err(io::Error::other(format!(
                    "{name} answers a forged token with {other}, not 401"
                )))
            }
        }
    }
}

/// What went wrong, with the last lines that the process wrote.
#[must_use]
pub fn failure(name: &str, state: &str, log: &Path) -> io::Error {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n");
    io::Error::other(format!("{name} does not serve ({state}); it wrote:\n{tail}"))
}

/// The token with another signature: as long, as well formed, and wrong.
#[must_use]
pub fn forge(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let rest: String = signature.chars().skip(1).collect();
    format!("{message}.{first}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_token_differs_in_one_character() {
        assert_eq!(forge("a.b.Axyz"), "a.b.Bxyz");
        assert_eq!(forge("a.b.xyz"), "a.b.Ayz");
    }
}
