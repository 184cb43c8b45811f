use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::*;
use crate::Blocklist;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("gabion-filter-{:032x}", rand::random::<u128>());
        let scratch = Self(std::env::temp_dir().join(name));
        fs::create_dir(&scratch.0).unwrap();
        scratch
    }

    fn file(&self) -> PathBuf {
        self.0.join("list.filter")
    }

    fn build<L: AsRef<[u8]>>(
        &self,
        kind: FilterKind,
        lines: impl IntoIterator<Item = L>,
    ) -> FilterSummary {
        let mut builder = FilterBuilder::new(&self.file(), kind).unwrap();
        lines.into_iter().for_each(|line| builder.add(line.as_ref()).unwrap());
        builder.finish(|_| ()).unwrap()
    }

    fn list(&self) -> Result<Blocklist, BlocklistError> {
        Blocklist::with_file(&self.file())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(number: usize) -> String {
    format!("synthetic line {number} of a corpus")
}

#[test]
fn what_was_added_is_found_and_nothing_else() {
    let scratch = Scratch::new();
    let summary = scratch.build(FilterKind::Passwords, (0..4_000).map(line));
    assert_eq!((summary.lines, summary.entries, summary.skipped), (4_000, 4_000, 0));
    let list = scratch.list().unwrap();
    assert_eq!(list.own_entries(), 4_000);
    for number in 0..4_000 {
        assert!(list.contains(&line(number)).unwrap(), "{number}");
        assert!(!list.contains(&line(number + 4_000)).unwrap(), "{number}");
    }
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn lines_are_compared_in_nfc_and_lower_case_and_doubles_count_once() {
    let scratch = Scratch::new();
    let lines: [&[u8]; 6] = [
        "Cafe\u{301} Gabion".as_bytes(),
        "CAF\u{c9} GABION".as_bytes(),
        b"",
        b"\xff\xfe",
        b"x",
        b"X",
    ];
    let summary = scratch.build(FilterKind::Passwords, lines);
    assert_eq!((summary.lines, summary.entries, summary.skipped), (6, 2, 2));
    let list = scratch.list().unwrap();
    assert!(list.contains("caf\u{e9} gabion").unwrap() && list.contains("x").unwrap());
}

#[test]
fn a_list_of_hashes_is_taken_as_it_is() {
    let scratch = Scratch::new();
    // SHA-1 of "velvet kayak outruns" and of "Velvet Kayak Outruns".
    let hash = |text: &str| {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<String>()
    };
    let small = hash("velvet kayak outruns");
    let counted = format!("{}:42", hash("Granite Otter Marbles").to_lowercase());
    let zeros = "0".repeat(40);
    let lines = [&small, &counted, "no hash", &small[..39], &zeros];
    let summary = scratch.build(FilterKind::Sha1, lines);
    assert_eq!((summary.entries, summary.skipped), (3, 2));
    let list = scratch.list().unwrap();
    for listed in ["velvet kayak outruns", "Velvet Kayak Outruns", "Granite Otter Marbles"] {
        assert!(list.contains(listed).unwrap(), "{listed}");
    }
    // Of a hash nobody knows the other spellings.
    assert!(!list.contains("granite otter marbles").unwrap());
}

/// Makes a line of a number.
type Line = fn(usize) -> String;

#[test]
fn a_list_of_the_other_kind_is_noticed_soon() {
    let hash = |number: usize| format!("{number:040x}");
    let counted: Line = |number| format!("{number:040X}:3");
    let makers = [(FilterKind::Passwords, counted), (FilterKind::Sha1, line as Line)];
    for (kind, other) in makers {
        let scratch = Scratch::new();
        let mut builder = FilterBuilder::new(&scratch.file(), kind).unwrap();
        assert!((0..2000).any(|number| builder.add(other(number).as_bytes()).is_err()));
        let mut builder = FilterBuilder::new(&scratch.file(), kind).unwrap();
        (0..3).for_each(|number| builder.add(other(number).as_bytes()).unwrap());
        assert!(builder.finish(|_| ()).is_err() && !scratch.file().exists());
    }
    // A few hashes among passwords are passwords.
    let scratch = Scratch::new();
    scratch.build(
        FilterKind::Passwords,
        (0..9).map(|number| if number < 4 { hash(number) } else { line(number) }),
    );
    assert!(scratch.list().unwrap().contains(&hash(3)).unwrap());
}

#[test]
fn an_empty_filter_has_nothing() {
    let scratch = Scratch::new();
    let summary = scratch.build(FilterKind::Passwords, [""; 0]);
    assert_eq!((summary.entries, summary.bytes), (0, 72));
    assert!(!scratch.list().unwrap().contains("velvet kayak outruns mildew").unwrap());
}

#[test]
fn a_filter_that_was_cut_or_changed_is_refused_at_once_or_when_it_is_read() {
    let scratch = Scratch::new();
    scratch.build(FilterKind::Passwords, (0..3000).map(line));
    let good = fs::read(scratch.file()).unwrap();
    for length in [8, 63, 64, 100, good.len() - 1] {
        fs::write(scratch.file(), &good[..length]).unwrap();
        assert!(matches!(scratch.list(), Err(BlocklistError::Damaged { .. })), "{length}");
    }
    fs::write(scratch.file(), [&good[..], b"x"].concat()).unwrap();
    assert!(scratch.list().is_err());
    let table = 64 + (8 << good[13]);
    for at in (8..table).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(scratch.file(), &bad).unwrap();
        let told = scratch.list().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("build it anew"), "byte {at}: {told}");
    }
    // A look-up that meets the damage fails; it does not say that the password is not listed.
    let mut bad = good;
    bad[table..].fill(0);
    fs::write(scratch.file(), &bad).unwrap();
    let list = scratch.list().unwrap();
    assert_eq!(list.contains(&line(7)).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_builder_that_is_dropped_leaves_nothing_and_keeps_what_was_there() {
    let scratch = Scratch::new();
    fs::write(scratch.file(), "what was there").unwrap();
    let mut builder = FilterBuilder::new(&scratch.file(), FilterKind::Passwords).unwrap();
    builder.add(b"velvet kayak").unwrap();
    drop(builder);
    assert_eq!(fs::read(scratch.file()).unwrap(), b"what was there");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn a_bucket_has_512_entries_at_most_on_the_average_so_that_a_wrong_find_is_rare() {
    // 512 entries, each of 40 bits: 2⁹ × 2⁻⁴⁰ = 2⁻³¹.
    for entries in [0, 1, 512, 513, 100_000_000, 1 << 32] {
        let bits = build::bits(entries);
        assert!(entries >> bits <= MEAN && bits <= MAX_BITS, "{entries}");
        assert!(bits == 0 || entries >> (bits - 1) > MEAN, "{entries}");
    }
}

#[test]
fn hashes_that_are_not_spread_are_no_hashes() {
    let scratch = Scratch::new();
    let mut builder = FilterBuilder::new(&scratch.file(), FilterKind::Sha1).unwrap();
    for number in 0..100_000_u64 {
        builder.add(format!("{:016x}{:024}", number << 20, 0).as_bytes()).unwrap();
    }
    assert!(builder.finish(|_| ()).is_err() && !scratch.file().exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_lines_are_found_again(lines in prop::collection::vec("\\PC{1,20}", 0..700)) {
        let scratch = Scratch::new();
        scratch.build(FilterKind::Passwords, &lines);
        let list = scratch.list().unwrap();
        for line in &lines {
            prop_assert!(list.contains(line).unwrap());
        }
    }

    #[test]
    fn any_bytes_after_the_magic_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let scratch = Scratch::new();
        fs::write(scratch.file(), [&MAGIC[..], &bytes].concat()).unwrap();
        prop_assert!(scratch.list().is_err());
    }
}
