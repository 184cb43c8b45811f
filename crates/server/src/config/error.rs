use std::{path::Path, time::Duration};

use gabion_config::{Finding, HistoryError, Origin};
use gabion_errors::{FieldError, Problem, ToProblem, types};

/// A configuration was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It has mistakes; nothing has changed.
    #[error("the configuration has {}", mistakes(.0))]
    Findings(Vec<Finding>),
    /// There is no such version.
    #[error("there is no such version")]
    NoSuchVersion,
    /// There is nothing to confirm.
    #[error("no change awaits confirmation")]
    NoTrial,
    /// A part of the server panicked when it was asked to follow; the log has where.
    #[error("a part of the server failed over the change")]
    Panicked,
    /// A part of the server panicked when it was told of the version, which holds; the log has where.
    #[error(
        "version {0} holds, but a part of the server failed over it; a restart sets that right"
    )]
    Half(u64),
    /// Another change does not come to its end.
    #[error("another change of the configuration does not come to its end")]
    Busy,
    /// The history could not be read or written.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl ToProblem for ConfigError {
    fn to_problem(&self) -> Problem {
        match self {
            Self::Findings(findings) => findings_problem(findings),
            Self::NoSuchVersion | Self::History(HistoryError::NoSuchVersion(_)) => {
                Problem::new(&types::NOT_FOUND).detail("there is no such version")
            }
            Self::NoTrial => Problem::new(&types::CONFLICT).detail(self.to_string()),
            Self::Panicked => Problem::new(&types::INTERNAL),
            Self::Half(_) => Problem::new(&types::INTERNAL).detail(self.to_string()),
            // The disk: full, gone, not ours any more, or it does not answer.
            Self::Busy | Self::History(_) => {
                let wait = Duration::from_secs(10);
                Problem::new(&types::DEPENDENCY_UNAVAILABLE).retry_after(wait)
            }
        }
    }
}

fn mistakes(findings: &[Finding]) -> String {
    match findings.len() {
        1 => "a mistake".to_owned(),
        count => format!("{count} mistakes"),
    }
}

/// The findings as a problem: one entry each, the key as its pointer.
#[must_use]
pub fn findings_problem(findings: &[Finding]) -> Problem {
    let errors = findings.iter().map(|finding| {
        let pointer = format!("/{}", finding.key.replace('.', "/"));
        FieldError::new(pointer, "config", without_folder(finding).to_string())
    });
    Problem::new(&types::INVALID_BODY)
        .detail("the configuration has mistakes; nothing has changed")
        .errors(errors.collect())
}

/// The same, naming a file without the folder that it lies in, which is the machine's affair.
fn without_folder(finding: &Finding) -> Finding {
    let mut finding = finding.clone();
    if let Origin::File { file, .. } = &mut finding.origin
        && let Some(name) = Path::new(&**file).file_name()
    {
        *file = name.to_string_lossy().into();
    }
    finding
}
