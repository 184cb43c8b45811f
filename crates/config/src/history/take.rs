use std::fs;

use gabion_clock::UnixTime;

use super::{
    Digest, History, HistoryError, Trial, Version, active,
    durable::{Writing, at},
    trial,
    version_file::{self, VersionFile},
};

/// How long a configuration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// As long as the file says so.
    AsFile,
    /// It was taken before as this version, and nothing has changed about that.
    AsBefore(u64),
    /// In place of the file, until that no longer has this digest; `None` where there is none.
    Instead(Option<Digest>),
}

/// A version that is to hold in place of the file, until the note says so.
const NEXT: &str = "next";

impl History {
    /// From now on `text` holds as `holds` says; its version, and what is on trial then. The version is
    /// a new one, or the newest if that has the same text.
    ///
    /// `trial` is asked with the version, and what was on trial so far: what it answers is on trial
    /// then. All this is one operation, also for other processes: either it happens, or nothing has
    /// changed, also where the process is killed meanwhile. What is to hold in place of the file becomes
    /// a version with the note that it holds; before, nobody sees it.
    ///
    /// # Errors
    ///
    /// What `trial` says; when a version that is needed is not there, the text has more than 1 MiB or
    /// something cannot be written. [`HistoryError::Left`] when that cannot be taken back either.
    pub fn take(
        &self,
        text: &str,
        author: &str,
        now: UnixTime,
        holds: Holds,
        trial: impl FnOnce(u64, Option<Trial>) -> Result<Option<Trial>, HistoryError>,
    ) -> Result<(u64, Option<Trial>), HistoryError> {
        let writing = self.folder.lock()?;
        let before = self.notes()?;
        let (version, new) = match holds {
            Holds::AsBefore(number) => (number, None),
            _ => self.next(text, author, now)?,
        };
        let running = match self.trial() {
            // It gives way to this one.
            Err(HistoryError::Damaged(_)) => None,
            running => running?,
        };
        let trial = trial(version, running)?;
        let written = self.write_down(&writing, version, new.as_deref(), holds, (running, trial));
        match written {
            Ok(()) => {
                self.prune(version);
                Ok((version, trial))
            }
            Err(error) => {
                let left = |left| HistoryError::Left(Box::new(left));
                self.unwrite(&writing, new.is_some().then_some(version), before).map_err(left)?;
                Err(error)
            }
        }
    }

    fn write_down(
        &self,
        writing: &Writing,
        version: u64,
        new: Option<&[u8]>,
        holds: Holds,
        (running, trial): (Option<Trial>, Option<Trial>),
    ) -> Result<(), HistoryError> {
        let name = version_file::name(version);
        // What the file says is taken by the next start in any case.
        let instead = matches!(holds, Holds::Instead(_));
        if let Some(content) = new {
            self.folder.write(writing, if instead { NEXT } else { &name }, content)?;
        }
        // The way back is on disk before the change is; a trial of another version counts for nothing.
        if let Some(trial) = trial.filter(|trial| Some(*trial) != running) {
            self.must_exist(trial.before)?;
            self.folder.write(writing, trial::NAME, &trial.render())?;
        }
        match holds {
            Holds::AsFile => self.folder.remove(writing, active::NAME)?,
            Holds::AsBefore(_) => {}
            Holds::Instead(file) => {
                let note = active::Active::new(version, file);
                self.folder.write(writing, active::NAME, &note.render())?;
            }
        }
        if trial.is_none() {
            self.folder.remove(writing, trial::NAME)?;
        }
        if new.is_some() && instead { self.folder.rename(writing, NEXT, &name) } else { Ok(()) }
    }

    /// Puts everything back as it was `before`.
    fn unwrite(
        &self,
        writing: &Writing,
        version: Option<u64>,
        before: [Option<Vec<u8>>; 2],
    ) -> Result<(), HistoryError> {
        let now = self.notes()?;
        for ((name, before), now) in NOTES.into_iter().zip(before).zip(now) {
            match before {
                // On a full disk what is there already is better not written again.
                same if same == now => {}
                Some(content) => self.folder.write(writing, name, &content)?,
                None => self.folder.remove(writing, name)?,
            }
        }
        // Last: as long as a note names it, it has to be there.
        self.folder.remove(writing, NEXT)?;
        version.map_or(Ok(()), |number| self.folder.remove(writing, &version_file::name(number)))
    }

    /// What tells which version holds.
    fn notes(&self) -> Result<[Option<Vec<u8>>; 2], HistoryError> {
        let [active, trial] = NOTES.map(|name| self.folder.read(name));
        Ok([active?, trial?])
    }

    /// The number that `text` gets; with its file, unless it is the newest version's.
    pub(super) fn next(
        &self,
        text: &str,
        author: &str,
        now: UnixTime,
    ) -> Result<(u64, Option<Vec<u8>>), HistoryError> {
        if text.len() > super::MAX_TEXT {
            return Err(HistoryError::TooLarge(text.len()));
        }
        let files = self.files()?;
        let newest = files.last_key_value();
        if let Some((number, path)) = newest
            // A damaged newest version is not the same as anything.
            && VersionFile::read(*number, path).is_ok_and(|file| file.text == text)
        {
            return Ok((*number, None));
        }
        let number = newest.map_or(1, |(number, _)| number + 1);
        let version = Version {
            number,
            author: author.chars().take(200).collect(),
            at: now,
            sha256: Digest::of(text),
        };
        Ok((number, Some(version_file::render(&version, text))))
    }

    /// Ends what a crash has interrupted: what the note names is a version, anything else never was.
    pub(super) fn finish(&self, writing: &Writing) -> Result<(), HistoryError> {
        let active = self.stored_active().ok().flatten().map(|active| active.version);
        let path = self.folder.path(NEXT);
        match active.filter(|number| VersionFile::read(*number, &path).is_ok()) {
            Some(number) => self.folder.rename(writing, NEXT, &version_file::name(number)),
            None => self.folder.remove(writing, NEXT),
        }
    }

    /// What is not a version yet, though it may hold already.
    pub(super) fn unfinished(&self, number: u64) -> Result<VersionFile, HistoryError> {
        VersionFile::read(number, &self.folder.path(NEXT))
            .map_err(|_| HistoryError::NoSuchVersion(number))
    }

    pub(super) fn must_exist(&self, number: u64) -> Result<(), HistoryError> {
        let path = self.folder.path(&version_file::name(number));
        match fs::exists(&path).map_err(at(&path))? {
            true => Ok(()),
            false => Err(HistoryError::NoSuchVersion(number)),
        }
    }
}

const NOTES: [&str; 2] = [active::NAME, trial::NAME];
