//! Promises, kept or broken.

use std::{fmt, process::ExitCode};

use crate::table::Table;

/// Every promise that was judged.
#[derive(Debug)]
pub struct Verdicts {
    table: Table,
    broken: Vec<String>,
}

impl Verdicts {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let table = Table::new(["promise", "measured", "budget", "verdict"]);
        Self { table, broken: Vec::new() }
    }

    /// Notes what was promised, what came out, and whether that is enough.
    pub fn judge(&mut self, promise: &str, measured: String, budget: String, holds: bool) {
        if !holds {
            self.broken.push(promise.to_owned());
        }
        self.table.row([promise.to_owned(), measured, budget, word(holds).to_owned()]);
    }

    /// Whether one was broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        match self.broken.as_slice() {
            [] => writeln!(f, "every promise holds"),
            broken => writeln!(f, "BROKEN: {}", broken.join("; ")),
        }
    }
}

/// The word for it.
#[must_use]
pub const fn word(holds: bool) -> &'static str {
    if holds { "ok" } else { "BROKEN" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_promise_breaks_the_run() {
        let mut verdicts = Verdicts::new();
        verdicts.judge("fast", "1 ms".into(), "2 ms".into(), true);
        assert!(!verdicts.is_broken());
        verdicts.judge("small", "3 GiB".into(), "2 GiB".into(), false);
        assert!(verdicts.is_broken() && verdicts.to_string().contains("BROKEN: small"));
    }
}
