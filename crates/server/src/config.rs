//! The configuration while the server runs: read, replaced, remembered, and taken back.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gabion_clock::{Clock, SystemClock};
use gabion_config::{
    Changed, Digest, Entry, EnvSource, Finding, FlagSource, History, HistoryError, Layers, Live,
    Loaded, Origin, TomlSource, Version, diff, load,
};
use gabion_errors::{FieldError, Problem, ToProblem, types};
use tracing::info;

use crate::settings::ServerSettings;

/// Where values come from, besides the defaults; taken from the process once, in `main`.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file, and whether it was named: one that was not may be missing.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// `--set` flags.
    pub sets: Vec<String>,
}

/// The text of the file; `None` without a file.
type Text = Option<String>;

impl Sources {
    fn read(&self) -> Result<(Text, Layers), Vec<Finding>> {
        let file = self.file.as_deref().map(TomlSource::read).transpose();
        let file = file.map_err(|finding| vec![finding])?;
        let text = file.as_ref().map(|file| file.text().to_owned());
        Ok((text, Layers::new().with(file)))
    }

    fn layers(&self, layers: Layers) -> Layers {
        layers.with(EnvSource::new(self.environment.clone())).with(FlagSource::new(&self.sets))
    }

    /// Reads everything as it stands, without looking at the history.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load(&self) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
        let (_, layers) = self.read()?;
        checked(load(&ServerSettings::default(), self.layers(layers))?)
    }

    /// Reads everything with `text` in place of the file; `name` is told as its origin.
    fn load_text(&self, name: &str, text: &str) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
        let source = TomlSource::new(name, text.to_owned());
        checked(load(&ServerSettings::default(), self.layers(Layers::new().with(source)))?)
    }
}

/// What no single key can tell: values that must fit each other or the world.
fn checked(loaded: Loaded<ServerSettings>) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
    let settings = &loaded.settings;
    let mut findings = Vec::new();
    let mut wrong = |key: &str, message: String| {
        let entry = loaded.entries.iter().find(|entry| entry.key == key);
        findings.push(Finding {
            key: key.to_owned(),
            value: entry.map(|entry| entry.value.to_string()),
            origin: entry.map_or(Origin::Default, |entry| entry.origin.clone()),
            message,
        });
    };
    if let Err(error) = crate::stack::proxies(settings) {
        wrong("server.trusted_proxies", error.to_string());
    }
    if let Err(error) = crate::stack::hosts(settings) {
        wrong("server.allowed_hosts", error.to_string());
    }
    let admin = &settings.server.admin_listen;
    if !admin.is_empty() && admin.parse::<std::net::SocketAddr>().is_err() {
        wrong("server.admin_listen", "accepts an address and port, or nothing".into());
    }
    let password = &settings.auth.password;
    if password.min_length > password.max_length {
        wrong("auth.password.min_length", "must not exceed auth.password.max_length".into());
    }
    if findings.is_empty() { Ok(loaded) } else { Err(findings) }
}

/// A configuration was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It has mistakes; nothing has changed.
    #[error("the configuration has {} mistakes", .0.len())]
    Findings(Vec<Finding>),
    /// There is no such version.
    #[error("there is no such version")]
    NoSuchVersion,
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
            Self::History(_) => Problem::new(&types::INTERNAL),
        }
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

/// A configuration that was taken.
#[derive(Debug)]
pub struct Accepted {
    /// Its version in the history.
    pub version: u64,
    /// What is different now.
    pub changed: Vec<Changed>,
}

/// Owns the configuration in effect.
pub struct ConfigKeeper {
    sources: Sources,
    history: History,
    clock: SystemClock,
    live: Arc<Live<ServerSettings>>,
    current: Mutex<Current>,
}

struct Current {
    version: u64,
    entries: Arc<[Entry]>,
}

impl ConfigKeeper {
    /// Reads the configuration that holds at the start: an applied one if the file has not changed
    /// since, else the file.
    ///
    /// # Errors
    ///
    /// Every mistake at once, or what keeps the history from being read.
    pub fn open(sources: Sources, folder: &Path, clock: SystemClock) -> Result<Self, ConfigError> {
        let history = History::open(folder)?;
        let Read { text, loaded, holds } = read(&sources, &history)?;
        let version = history.record(&text, "start", clock.unix())?;
        holds.note(&history, version)?;
        let live = Arc::new(Live::new(loaded.settings));
        let current = Mutex::new(Current { version, entries: loaded.entries.into() });
        Ok(Self { sources, history, clock, live, current })
    }

    /// The settings in effect.
    #[must_use]
    pub fn live(&self) -> &Arc<Live<ServerSettings>> {
        &self.live
    }

    /// The version in effect and each of its values.
    #[must_use]
    pub fn current(&self) -> (u64, Arc<[Entry]>) {
        let current = self.lock();
        (current.version, Arc::clone(&current.entries))
    }

    /// The text of the version in effect, for a backup.
    ///
    /// # Errors
    ///
    /// When the history cannot be read.
    pub fn text(&self) -> Result<String, HistoryError> {
        self.history.text(self.current().0)
    }

    /// The versions that are kept, newest first.
    ///
    /// # Errors
    ///
    /// When the history cannot be read.
    pub fn versions(&self) -> Result<Vec<Version>, HistoryError> {
        self.history.list()
    }

    /// Checks the configuration as it stands, without taking it.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub fn check(&self) -> Result<(), ConfigError> {
        read(&self.sources, &self.history).map(|_| ())
    }

    /// Takes the configuration as it stands.
    ///
    /// # Errors
    ///
    /// Every mistake at once; nothing has changed then.
    pub async fn reload(&self, author: &str) -> Result<Accepted, ConfigError> {
        self.take(read(&self.sources, &self.history)?, author)
    }

    /// Takes an earlier version: the one before, or the one named. It holds across restarts until
    /// the file changes.
    ///
    /// # Errors
    ///
    /// When there is none, or it has mistakes by now; nothing has changed then.
    pub async fn rollback(
        &self,
        version: Option<u64>,
        author: &str,
    ) -> Result<Accepted, ConfigError> {
        let version = match version {
            Some(version) => version,
            None => {
                let (now, _) = self.current();
                let versions = self.history.list()?;
                let before = versions.iter().find(|version| version.number < now);
                before.ok_or(ConfigError::NoSuchVersion)?.number
            }
        };
        let text = self.history.text(version)?;
        let loaded = self
            .sources
            .load_text(&format!("version {version}"), &text)
            .map_err(ConfigError::Findings)?;
        let holds = Holds::instead(&self.sources)?;
        self.take(Read { text, loaded, holds }, author)
    }

    fn take(
        &self,
        Read { text, loaded, holds }: Read,
        author: &str,
    ) -> Result<Accepted, ConfigError> {
        // One change at a time, from the record to the last subscriber.
        let mut current = self.lock();
        let version = self.history.record(&text, author, self.clock.unix())?;
        holds.note(&self.history, version)?;
        let changed = diff(&current.entries, &loaded.entries);
        *current = Current { version, entries: loaded.entries.into() };
        self.live.swap(loaded.settings);
        drop(current);
        info!(version, author, changed = changed.len(), "configuration taken");
        Ok(Accepted { version, changed })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A configuration that was read and has no mistakes.
struct Read {
    text: String,
    loaded: Loaded<ServerSettings>,
    holds: Holds,
}

/// How long a configuration holds.
enum Holds {
    /// As long as the file says so.
    AsFile,
    /// It was applied before, and nothing has changed about that.
    AsBefore,
    /// In place of the file, until that no longer has this digest.
    Instead(Option<Digest>),
}

impl Holds {
    /// In place of the file as it is now.
    fn instead(sources: &Sources) -> Result<Self, ConfigError> {
        let (text, _) = sources.read().map_err(ConfigError::Findings)?;
        Ok(Self::Instead(text.as_deref().map(Digest::of)))
    }

    fn note(&self, history: &History, version: u64) -> Result<(), HistoryError> {
        match self {
            // The file has changed: what held in its place is over, also if it changes back.
            Self::AsFile => history.clear_active(),
            Self::AsBefore => Ok(()),
            Self::Instead(file) => history.set_active(version, *file),
        }
    }
}

/// Reads what holds: an applied version if the file has not changed since, else the file.
fn read(sources: &Sources, history: &History) -> Result<Read, ConfigError> {
    let (text, layers) = sources.read().map_err(ConfigError::Findings)?;
    if let Some(version) = history.active(text.as_deref())? {
        let text = history.text(version)?;
        let loaded = sources.load_text(&format!("version {version}"), &text);
        let loaded = loaded.map_err(ConfigError::Findings)?;
        return Ok(Read { text, loaded, holds: Holds::AsBefore });
    }
    let loaded = load(&ServerSettings::default(), sources.layers(layers)).and_then(checked);
    let loaded = loaded.map_err(ConfigError::Findings)?;
    Ok(Read { text: text.unwrap_or_default(), loaded, holds: Holds::AsFile })
}

/// Each value as the next start would take it, of an applied version if one holds.
///
/// # Errors
///
/// Every mistake at once, or what keeps the history from being read.
pub fn entries(sources: &Sources, folder: &Path) -> Result<Vec<Entry>, ConfigError> {
    if !folder.is_dir() {
        return Ok(sources.load().map_err(ConfigError::Findings)?.entries);
    }
    Ok(read(sources, &History::open(folder)?)?.loaded.entries)
}

/// A text that was checked and may become the configuration.
pub struct Checked<'a> {
    sources: &'a Sources,
    history: History,
    text: &'a str,
}

impl<'a> Checked<'a> {
    /// Checks `text`, which is told as `name`, for the server whose history is in `folder`.
    ///
    /// # Errors
    ///
    /// Every mistake at once; nothing has changed then.
    pub fn new(
        sources: &'a Sources,
        folder: &Path,
        name: &str,
        text: &'a str,
    ) -> Result<Self, ConfigError> {
        sources.load_text(name, text).map_err(ConfigError::Findings)?;
        Ok(Self { sources, history: History::open(folder)?, text })
    }

    /// Keeps it as a version, which does not hold yet.
    ///
    /// # Errors
    ///
    /// When the history cannot be written.
    pub fn record(&self, author: &str) -> Result<u64, ConfigError> {
        Ok(self.history.record(self.text, author, SystemClock::new().unix())?)
    }

    /// Lets `version` hold from the next start until the file changes.
    ///
    /// # Errors
    ///
    /// When the history cannot be written.
    pub fn hold(&self, version: u64) -> Result<(), ConfigError> {
        Ok(Holds::instead(self.sources)?.note(&self.history, version)?)
    }
}
