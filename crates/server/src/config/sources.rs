use std::{ffi::OsString, path::PathBuf};

use gabion_config::{
    Digest, EnvSource, Finding, FlagSource, Layers, Loaded, TomlSource, load_checked,
};

use super::checks::fit;
use crate::{
    data_dir::DataDir,
    settings::{ListenConfig, ServerSettings},
};

/// Where values come from, besides the defaults; taken from the process once, in `main`.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file, and whether it was named: one that was not may be missing.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// `--set` flags.
    pub sets: Vec<String>,
}

/// What there is in place of a file; `None` without one.
pub(super) struct FileNow(Option<Result<TomlSource, Finding>>);

impl FileNow {
    /// What it says now, so that a change is seen. Of one that cannot be read nothing is known but that:
    /// whatever is decided then holds until it can be read.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.0.as_ref().map(|file| Digest::of(file.as_ref().map_or(UNREADABLE, TomlSource::text)))
    }

    /// Its text; empty without a file.
    pub(super) fn text(&self) -> &str {
        self.0.as_ref().and_then(|file| file.as_ref().ok()).map_or("", TomlSource::text)
    }
}

/// No text of a file: TOML has no such character.
const UNREADABLE: &str = "\0unreadable";

impl Sources {
    pub(super) fn read(&self) -> FileNow {
        FileNow(self.file.as_deref().map(TomlSource::read))
    }

    /// With the file as it was read.
    pub(super) fn load_file(
        &self,
        FileNow(file): FileNow,
    ) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
        self.load_layers(Layers::new().with(file))
    }

    fn layers(&self, layers: Layers) -> Layers {
        let environment = EnvSource::from_os("GABION_", self.environment.clone());
        layers.with(environment).with(FlagSource::new(&self.sets))
    }

    fn load_layers(&self, layers: Layers) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
        load_checked(&ServerSettings::default(), self.layers(layers), fit)
    }

    /// Reads everything as it stands, without looking at the history.
    ///
    /// # Errors
    ///
    /// Every mistake at once.
    pub fn load(&self) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
        // A file that cannot be read is one mistake among others.
        self.load_file(self.read())
    }

    /// Why the file cannot be read, if it cannot. What it says of the data folder is not known then.
    #[must_use]
    pub fn unreadable(&self) -> Option<Finding> {
        self.read().0?.err()
    }

    /// Reads everything with `text` in place of the file; `name` is told as its origin.
    pub(super) fn load_text(
        &self,
        name: &str,
        text: &str,
    ) -> Result<Loaded<ServerSettings>, Vec<Finding>> {
        self.load_layers(Layers::new().with(TomlSource::new(name, text.to_owned())))
    }

    /// Where the data is, whatever mistakes there are elsewhere: with the history the way back lies
    /// there, and a running server is reached there.
    #[must_use]
    pub fn data_dir(&self) -> DataDir {
        let file = self.file.as_deref().map(TomlSource::read);
        let (mut reader, _) = self.layers(Layers::new().with(file)).merge();
        let default = ListenConfig::default().data_dir;
        DataDir::at(reader.setting("server.data_dir", &default, None))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn the_data_folder_is_found_whatever_else_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gabion.toml");
        fs::write(&file, "[server]\ndata_dir = 'from-file'\nlisten = 'x'\n[[\n[log]\nlevle = 1\n")
            .unwrap();
        let mut sources = Sources { file: Some(file), ..Sources::default() };
        assert!(sources.load().is_err());
        assert_eq!(sources.data_dir().path(), Path::new("from-file"));
        sources.sets = vec!["server.data_dir=from-flag".into(), "nonsense".into()];
        assert_eq!(sources.data_dir().path(), Path::new("from-flag"));
        sources.file = Some(folder.path().join("missing.toml"));
        assert_eq!(sources.data_dir().path(), Path::new("from-flag"));
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_no_other_mistake() {
        let sources = Sources {
            file: Some("/nonexistent/gabion.toml".into()),
            sets: vec!["log.level=loud".into()],
            ..Sources::default()
        };
        let found: Vec<_> = sources.load().unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("/nonexistent/gabion.toml: cannot be read"), "{found:?}");
    }
}
