use std::{fs, io, path::Path};

use gabion_clock::UnixTime;
use serde::{Deserialize, Serialize};

use super::{Digest, HistoryError, Version, durable::at};

/// One version as it lies on disk: a comment line, then the text, so that it loads as it is.
pub(super) struct VersionFile {
    pub(super) version: Version,
    pub(super) text: String,
}

const MARK: &str = "# gabion configuration ";

#[derive(Serialize, Deserialize)]
struct Header {
    number: u64,
    author: String,
    at_ms: u64,
    sha256: String,
}

impl VersionFile {
    /// Reads and checks one.
    pub(super) fn read(number: u64, path: &Path) -> Result<Self, HistoryError> {
        let content = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => HistoryError::NoSuchVersion(number),
            _ => at(path)(error),
        })?;
        let file = String::from_utf8(content).ok().and_then(|content| Self::parse(&content));
        file.filter(|file| file.version.number == number)
            .ok_or_else(|| HistoryError::Damaged(path.to_owned()))
    }

    fn parse(content: &str) -> Option<Self> {
        let (header, text) = content.strip_prefix(MARK)?.split_once('\n')?;
        let header: Header = serde_json::from_str(header).ok()?;
        let sha256 =
            Digest::from_hex(&header.sha256).filter(|sha256| *sha256 == Digest::of(text))?;
        let at = UnixTime::from_millis(header.at_ms);
        let version = Version { number: header.number, author: header.author, at, sha256 };
        Some(Self { version, text: text.to_owned() })
    }
}

pub(super) fn render(version: &Version, text: &str) -> Vec<u8> {
    // JSON escapes line breaks and controls, so an author cannot leave the comment.
    let header = serde_json::json!(Header {
        number: version.number,
        author: version.author.clone(),
        at_ms: version.at.as_millis(),
        sha256: version.sha256.to_string(),
    });
    format!("{MARK}{header}\n{text}").into_bytes()
}

pub(super) fn name(number: u64) -> String {
    format!("{number:010}.toml")
}

/// The inverse of [`name`].
pub(super) fn number(file_name: &str) -> Option<u64> {
    let number = file_name.strip_suffix(".toml")?.parse().ok()?;
    (name(number) == file_name).then_some(number)
}
