use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    CHECKED, FilterKind, HEADER, MAGIC, MAX_BITS, MEAN, MOST, ROW, Row, VERSION, bucket, checksum,
    leading, remainder,
};
use crate::password::blocklist::{fold, plain};

/// Makes a filter of lists of any length, for
/// [`Blocklist::with_file`](crate::Blocklist::with_file).
///
/// The lines go to 256 files beside the result, by their hashes; each is then sorted in memory. That
/// takes 8 bytes of disk for a line meanwhile, and of memory some 20 MiB, and 1/256 of the disk's
/// bytes: 24 MiB in all for a hundred million lines. Dropped before its end, it leaves nothing.
///
/// ```no_run
/// # fn build() -> std::io::Result<()> {
/// use gabion_auth::password::{FilterBuilder, FilterKind};
///
/// let mut builder = FilterBuilder::new("corpus.filter".as_ref(), FilterKind::Passwords)?;
/// builder.add(b"correct horse battery staple")?;
/// let summary = builder.finish(|_| ())?;
/// assert_eq!(summary.entries, 1);
/// # Ok(())
/// # }
/// ```
pub struct FilterBuilder {
    kind: FilterKind,
    out: PathBuf,
    parts: Parts,
    lines: u64,
    skipped: u64,
    /// Lines that look like a hash.
    hashes: u64,
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterSummary {
    /// Lines that were given.
    pub lines: u64,
    /// Of these, lines that hold no entry: empty, too long, not UTF-8, or no hash.
    pub skipped: u64,
    /// Entries of the filter; what was given twice is in once.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Most lines that hold an entry: 8 bytes each must go 256 times into memory.
const MAX_LINES: u64 = 1 << 32;
/// Files that the hashes are spread over, by their first byte.
const PARTS: usize = 256;
const BUFFER: usize = 64 << 10;
/// Lines after which the kind of the list is judged for the first time.
const SAMPLE: u64 = 1000;

impl FilterBuilder {
    /// Begins a filter that is to be the file `out`; beside it there must be room.
    ///
    /// # Errors
    ///
    /// When the files in between cannot be made.
    pub fn new(out: &Path, kind: FilterKind) -> io::Result<Self> {
        let parts = Parts::new(out)?;
        Ok(Self { kind, out: out.to_owned(), parts, lines: 0, skipped: 0, hashes: 0 })
    }

    /// Adds a line, without its end.
    ///
    /// # Errors
    ///
    /// When the disk is full, there are more than 4 294 967 296 lines, or most of the first thousand are
    /// of the other kind.
    pub fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.lines += 1;
        let of_hash = sha1(line);
        self.hashes += u64::from(of_hash.is_some());
        if self.lines == SAMPLE {
            self.ensure_kind()?;
        }
        let hash = match self.kind {
            FilterKind::Passwords => plain::text(line)
                .filter(|text| text.len() <= 1024)
                .map(|text| leading(&digest(&SHA256, fold(text).as_bytes()))),
            FilterKind::Sha1 => of_hash,
        };
        let Some(hash) = hash else {
            self.skipped += 1;
            return Ok(());
        };
        if self.lines - self.skipped > MAX_LINES {
            return Err(io::Error::other("the filter has room for 4294967296 lines"));
        }
        self.parts.add(hash)
    }

    /// A list of the other kind would make a filter that lists nothing anybody types.
    fn ensure_kind(&self) -> io::Result<()> {
        let mostly_hashes = self.hashes > self.lines / 2;
        match self.kind {
            FilterKind::Passwords if mostly_hashes => {
                Err(io::Error::other("most lines look like SHA-1 hashes, not like passwords"))
            }
            FilterKind::Sha1 if !mostly_hashes && self.lines > 0 => {
                Err(io::Error::other("most lines are no SHA-1 hashes"))
            }
            _ => Ok(()),
        }
    }

    /// Adds every line of `list`, and tells `progress` after each piece of it how many lines there
    /// are by now, of all lists, and how many bytes the piece had.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add), and when the list cannot be read.
    pub fn add_lines(
        &mut self,
        list: impl Read,
        mut progress: impl FnMut(u64, u64),
    ) -> io::Result<()> {
        let mut list = io::BufReader::with_capacity(1 << 20, list);
        let (mut line, mut told) = (Vec::new(), self.lines);
        let mut bytes = 0;
        while plain::read_line(&mut list, &mut line)? {
            bytes += line.len() as u64 + 1;
            self.add(&line)?;
            if self.lines - told >= 1 << 14 {
                progress(self.lines, bytes);
                (told, bytes) = (self.lines, 0);
            }
        }
        progress(self.lines, bytes);
        Ok(())
    }

    /// Sorts what was added and puts the file in its place, whole or not at all; one that was there
    /// is replaced. `progress` is told the part of the work that is done, 0 to 1.
    ///
    /// # Errors
    ///
    /// When the disk is full, most lines are of the other kind, or the hashes given as a list are no
    /// hashes: they are not spread.
    pub fn finish(mut self, mut progress: impl FnMut(f64)) -> io::Result<FilterSummary> {
        self.ensure_kind()?;
        let bits = bits(self.lines - self.skipped);
        let new = self.parts.folder.join("filter");
        let mut writer = Writer::new(&new, bits)?;
        for part in 0..PARTS {
            for hash in self.parts.take(part)? {
                writer.add(hash)?;
            }
            progress((part + 1) as f64 / PARTS as f64);
        }
        let entries = writer.finish(self.kind)?;
        fs::rename(&new, &self.out)?;
        let bytes = fs::metadata(&self.out)?.len();
        File::open(folder_of(&self.out))?.sync_all()?;
        Ok(FilterSummary { lines: self.lines, skipped: self.skipped, entries, bytes })
    }
}

/// The first 64 bits of a hash in hexadecimal digits.
fn sha1(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let digits = &line[..end];
    let is_hash = digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit);
    let leading = digits.get(..16).filter(|_| is_hash)?;
    u64::from_str_radix(std::str::from_utf8(leading).ok()?, 16).ok()
}

/// Leading bits for so many entries.
pub(super) fn bits(entries: u64) -> u8 {
    (0..MAX_BITS).find(|bits| entries >> bits <= MEAN).unwrap_or(MAX_BITS)
}

/// Files of hashes, in a folder that goes when this goes.
struct Parts {
    folder: PathBuf,
    files: Vec<BufWriter<File>>,
}

impl Parts {
    fn new(out: &Path) -> io::Result<Self> {
        let name = out.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        let name = format!(".{}.{:016x}", name.display(), rand::random::<u64>());
        let folder = folder_of(out).join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        let mut parts = Self { folder, files: Vec::with_capacity(PARTS) };
        for part in 0..PARTS {
            let path = parts.folder.join(part.to_string());
            let file = create(&path)?;
            // It lives as long as it is open, also when the process is killed.
            fs::remove_file(&path)?;
            parts.files.push(BufWriter::with_capacity(BUFFER, file));
        }
        Ok(parts)
    }

    fn add(&mut self, hash: u64) -> io::Result<()> {
        self.files[(hash >> 56) as usize].write_all(&hash.to_le_bytes())
    }

    /// The hashes of a part, sorted and each once; its file is empty then.
    fn take(&mut self, part: usize) -> io::Result<Vec<u64>> {
        let writer = &mut self.files[part];
        writer.flush()?;
        let file = writer.get_ref();
        let mut bytes = vec![0; BUFFER];
        let mut left = file.metadata()?.len();
        let mut hashes = Vec::with_capacity((left / 8) as usize);
        let mut at = 0;
        while left > 0 {
            let piece = left.min(bytes.len() as u64) as usize;
            file.read_exact_at(&mut bytes[..piece], at)?;
            let (chunks, _) = bytes[..piece].as_chunks();
            hashes.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
            (at, left) = (at + piece as u64, left - piece as u64);
        }
        file.set_len(0)?;
        hashes.sort_unstable();
        hashes.dedup();
        Ok(hashes)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes hashes that come in their order.
struct Writer {
    file: BufWriter<File>,
    bits: u8,
    table: Vec<[u8; 8]>,
    /// The entries of the bucket that is not ended yet.
    open: Vec<[u8; 5]>,
    entries: u64,
}

impl Writer {
    fn new(path: &Path, bits: u8) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, create(path)?);
        // Filled in at the end.
        io::copy(&mut io::repeat(0).take(HEADER + (ROW << bits)), &mut file)?;
        Ok(Self { file, bits, table: Vec::new(), open: Vec::new(), entries: 0 })
    }

    fn add(&mut self, hash: u64) -> io::Result<()> {
        while (self.table.len() as u64) < bucket(hash, self.bits) {
            self.end_bucket()?;
        }
        let entry = remainder(hash, self.bits);
        // Bits beyond those that are kept may have told them apart.
        if self.open.last() != Some(&entry) {
            self.open.push(entry);
        }
        Ok(())
    }

    fn end_bucket(&mut self) -> io::Result<()> {
        if self.open.len() as u64 > MOST {
            return Err(io::Error::other("the entries are no hashes, they are not spread evenly"));
        }
        let bytes = self.open.as_flattened();
        self.file.write_all(bytes)?;
        self.entries += self.open.len() as u64;
        let [a, b, c, ..] = *digest(&SHA256, bytes).as_ref() else {
            return Err(io::Error::other("no hash"));
        };
        self.table.push(Row { end: self.entries, checksum: [a, b, c] }.write());
        self.open.clear();
        Ok(())
    }

    fn finish(mut self, kind: FilterKind) -> io::Result<u64> {
        while self.table.len() < 1 << self.bits {
            self.end_bucket()?;
        }
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.write_all_at(self.table.as_flattened(), HEADER)?;
        let table = checksum(&file, HEADER, ROW << self.bits)?;
        let mut header = Vec::with_capacity(HEADER as usize);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend([kind.number(), self.bits, 0, 0]);
        header.extend(self.entries.to_le_bytes());
        header.extend(table.as_ref());
        debug_assert_eq!(header.len(), CHECKED);
        let checksum = digest(&SHA256, &header);
        header.extend(&checksum.as_ref()[..8]);
        debug_assert_eq!(header.len() as u64, HEADER);
        file.write_all_at(&header, 0)?;
        file.sync_all()?;
        Ok(self.entries)
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).open(path)
}

fn folder_of(out: &Path) -> &Path {
    out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
