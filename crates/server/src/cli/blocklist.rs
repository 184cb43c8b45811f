use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Subcommand;
use gabion_auth::{
    Blocklist, BlocklistError,
    password::{FilterBuilder, FilterKind},
};
use gabion_clock::{Clock, Instant, SystemClock};
use gabion_config::Secret;
use serde_json::json;

use super::{
    Context, Failure,
    output::{complain, say},
};

/// Commands on lists of refused passwords.
#[derive(Subcommand)]
pub(super) enum BlocklistCommand {
    /// Make a filter file for auth.password.blocklist_file of lists of any length
    #[command(
        after_help = "The filter takes 5 bytes for each entry, and while it is made 8 bytes for \
                      each line beside it; the server reads a few KiB of it for a new password and \
                      holds nothing in memory.\n\nExamples:\n  \
                      gabion blocklist build common.txt leaked.txt --out corpus.filter\n  \
                      zcat corpus.gz | gabion blocklist build - --out corpus.filter\n  \
                      gabion blocklist build hashes.txt --sha1 --out corpus.filter"
    )]
    Build {
        /// Texts with one password a line, UTF-8; - is standard input
        #[arg(required = true, value_name = "LIST")]
        lists: Vec<PathBuf>,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The lists have SHA-1 hashes: 40 hexadecimal digits a line, then nothing or a : and more
        #[arg(long)]
        sha1: bool,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Tell whether a password is on a list, or on the one that ships
    #[command(after_help = "The password comes from the terminal, without echo, or from standard \
                            input.\n\nExample:\n  gabion blocklist check corpus.filter")]
    Check {
        /// A filter or a text, as auth.password.blocklist_file names it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Longer is no password.
const MAX_PASSWORD: u64 = 4096;
/// How often progress is told: to a person, and to a log.
const OFTEN: Duration = Duration::from_millis(500);
const SELDOM: Duration = Duration::from_secs(10);

pub(super) fn run(context: &Context, command: BlocklistCommand) -> Result<(), Failure> {
    match command {
        BlocklistCommand::Build { lists, out, sha1, force } => {
            let kind = if sha1 { FilterKind::Sha1 } else { FilterKind::Passwords };
            build(context, &lists, &out, kind, force)
        }
        BlocklistCommand::Check { file } => check(context, &file),
    }
}

fn build(
    context: &Context,
    lists: &[PathBuf],
    out: &Path,
    kind: FilterKind,
    force: bool,
) -> Result<(), Failure> {
    if !force && out.exists() {
        let told = format!("{} is there already; --force replaces it", out.display());
        return Err(Failure::usage(told));
    }
    let failed = |what: &str, file: &Path, error: io::Error| {
        Failure::new(format!("cannot {what} {}: {error}", file.display()))
    };
    // All are opened before any work is done.
    let mut sources: Vec<(&Path, Box<dyn Read>)> = Vec::new();
    let mut total = Some(0);
    for list in lists {
        if list.as_os_str() == "-" {
            sources.push((list, Box::new(io::stdin())));
            total = None;
            continue;
        }
        let file = File::open(list).map_err(|error| failed("read", list, error))?;
        let metadata = file.metadata().map_err(|error| failed("read", list, error))?;
        total = total.filter(|_| metadata.is_file()).map(|total| total + metadata.len());
        sources.push((list, Box::new(file)));
    }
    let mut builder = FilterBuilder::new(out, kind).map_err(|error| failed("write", out, error))?;
    let mut progress = Progress::new(total);
    for (list, source) in sources {
        let tell = |lines, bytes| progress.read(lines, bytes);
        builder.add_lines(source, tell).map_err(|error| failed("take", list, error))?;
    }
    let summary = builder.finish(|done| progress.sorted(done));
    let summary = summary.map_err(|error| failed("write", out, error))?;
    progress.end();
    if context.json {
        let answer = json!({
            "file": out,
            "lines": summary.lines,
            "skipped": summary.skipped,
            "entries": summary.entries,
            "bytes": summary.bytes,
        });
        say(&answer.to_string());
    } else {
        say(&format!(
            "{} holds {} entries of {} lines, in {} bytes; {} lines held none",
            out.display(),
            summary.entries,
            summary.lines,
            summary.bytes,
            summary.skipped
        ));
    }
    Ok(())
}

fn check(context: &Context, file: &Path) -> Result<(), Failure> {
    let list = Blocklist::with_file(file)?;
    let password = password()?;
    let listed = list.contains(password.expose())?;
    let entries = list.own_entries();
    if context.json {
        say(&json!({"listed": listed, "entries": entries}).to_string());
    } else if listed {
        say("the password is listed");
    } else {
        say(&format!("the password is none of the {entries} entries, nor on the list that ships"));
    }
    Ok(())
}

fn password() -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password("Password: ")?));
    }
    let mut text = String::new();
    io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text)?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// How far the making of a filter is, for standard error.
struct Progress {
    clock: SystemClock,
    begun: Instant,
    told: Instant,
    every: Duration,
    /// Bytes of all lists, where that is known.
    total: Option<u64>,
    read: u64,
    /// Whether a line is there to be written over.
    open: bool,
}

impl Progress {
    fn new(total: Option<u64>) -> Self {
        let clock = SystemClock::new();
        let (begun, person) = (clock.now(), io::stderr().is_terminal());
        let every = if person { OFTEN } else { SELDOM };
        Self { clock, begun, told: begun, every, total, read: 0, open: false }
    }

    fn read(&mut self, lines: u64, bytes: u64) {
        self.read += bytes;
        let Some(seconds) = self.due() else { return };
        let rate = lines as f64 / seconds / 1e6;
        let part = match self.total {
            Some(total) => format!("{:3.0} %  ", 100.0 * self.read as f64 / total.max(1) as f64),
            None => String::new(),
        };
        let millions = lines as f64 / 1e6;
        self.tell(&format!("reading {part}{millions:.1} million lines, {rate:.2} million/s"));
    }

    fn sorted(&mut self, done: f64) {
        if self.due().is_some() {
            self.tell(&format!("sorting {:3.0} %", 100.0 * done));
        }
    }

    /// The seconds since the beginning, if it is time to tell something.
    fn due(&mut self) -> Option<f64> {
        let now = self.clock.now();
        if now.saturating_since(self.told) < self.every {
            return None;
        }
        self.told = now;
        Some(now.saturating_since(self.begun).as_secs_f64())
    }

    fn tell(&mut self, text: &str) {
        if self.every == OFTEN {
            // Over the line before, which may be longer.
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r{text:<60}").and_then(|()| stderr.flush());
            self.open = true;
        } else {
            complain(text);
        }
    }

    fn end(&self) {
        if self.open {
            complain("");
        }
    }
}

impl From<BlocklistError> for Failure {
    fn from(error: BlocklistError) -> Self {
        Self { code: super::failure::USAGE, ..Self::new(error) }
    }
}
