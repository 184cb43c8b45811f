use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

/// Why a file was not read.
pub(crate) enum Unread {
    Io(io::Error),
    /// A folder, a pipe, a socket or a device.
    NotAFile(&'static str),
    TooLarge,
}

/// The content of the regular file at `path`, or of the one that a link leads to. Nothing else is
/// opened: a pipe would be waited for, a device may have no end.
pub(crate) fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Unread> {
    if let Some(kind) = other_kind(&fs::metadata(path).map_err(Unread::Io)?) {
        return Err(Unread::NotAFile(kind));
    }
    let file = File::open(path).map_err(Unread::Io)?;
    // Asked of the open file too: it may be another one by now.
    let metadata = file.metadata().map_err(Unread::Io)?;
    if let Some(kind) = other_kind(&metadata) {
        return Err(Unread::NotAFile(kind));
    }
    // No buffer that was outgrown stays behind with a part of a secret.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len().min(most) as usize + 2));
    file.take(most + 1).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() as u64 > most { Err(Unread::TooLarge) } else { Ok(bytes) }
}

/// What the system says of `error`, without its number: `No such file or directory`.
#[must_use]
pub fn io_reason(error: &io::Error) -> String {
    let told = error.to_string();
    told.split(" (os error").next().unwrap_or_default().to_owned()
}

fn other_kind(metadata: &fs::Metadata) -> Option<&'static str> {
    match metadata.file_type() {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        _ => Some("a pipe or a device"),
    }
}
