//! What people make of a common password to reach a length, undone.
//!
//! Nothing is expanded: a password is taken apart and what is left is looked up. Always the whole
//! password, never a part of it (NIST SP 800-63B-4 §3.1.1.2): of an entry with two words more nothing
//! of this is true. A text is common when it, or it without its separators, forwards or backwards, is
//!
//! - an *entry* of the list, also with letters written as digits and signs (`p@ssw0rd`);
//! - a *walk*: at most five pieces of at least three keys along a row or a column of the keyboard, the
//!   digits or the alphabet, each key once or more (`qwertyuiop12345`, `111222333444555`);
//! - one of these with an *affix* before it, behind it or both: up to three signs, then digits, then up
//!   to three signs, where the digits are at most four, a date of six or eight, an entry or a walk; or
//!   one of [`WORDS`];
//! - any of these *repeated*, with one sign or nothing in between, or any text of at most four
//!   characters three times or more;
//! - any of these followed by its own mirror image.
//!
//! Texts are expected in NFC and lower case.

use zeroize::Zeroizing;

/// What is typed behind or before a password like a number.
const WORDS: [&str; 6] = ["abc", "abc123", "asdf", "qwe", "qwerty", "xyz"];
/// Left out when people write a phrase.
const SEPARATORS: [char; 9] = [' ', '.', '_', '-', ',', '/', '+', '\'', ':'];
/// Most signs on each side of the digits of an affix.
const SIGNS: usize = 3;
/// Most bytes of an affix.
const AFFIX: usize = 16;
/// Most characters of a unit that may be anything.
const SHORT_UNIT: usize = 4;
/// Pieces of a walk, and the fewest keys of one.
const PIECES: usize = 5;
const PIECE: usize = 3;

/// Keys in the order of a hand, taken in a circle and in both directions.
const WALKS: [&[u8]; 24] = [
    b"1234567890",
    b"!@#$%^&*()",
    b"abcdefghijklmnopqrstuvwxyz",
    b"qwertyuiop",
    b"asdfghjkl;'",
    b"zxcvbnm,./",
    b"qwertzuiop",
    b"yxcvbnm",
    b"azertyuiop",
    b"qsdfghjklm",
    b"wxcvbn",
    b"qazwsxedcrfvtgbyhnujmikolp",
    b"qawsedrftgyhujikolp",
    b"qwaszxerdfcvtyghbn",
    b"qweasdzxcrtyfghvbnuiojkl",
    b"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    b"zaq1xsw2cde3vfr4bgt5nhy6mju7,ki8.lo9/;p0",
    b"1qazxsw23edcvfr45tgbnhy67ujm,ki89ol./;p0",
    b"1q2w3e4r5t6y7u8i9o0p",
    b"1qa2ws3ed4rf5tg6yh7uj8ik9ol0p",
    b"1a2b3c4d5e6f7g8h9i0j",
    b"1a2s3d4f5g6h7j8k9l",
    b"147258369",
    b"159357",
];

/// Whether `text` is common, when `is_entry` knows the entries.
pub(super) fn is_common(text: &str, is_entry: impl Fn(&str) -> bool) -> bool {
    let forms = Forms { is_entry };
    let solid: Zeroizing<String> = Zeroizing::new(text.replace(SEPARATORS, ""));
    let spellings = if solid.len() < text.len() { 2 } else { 1 };
    [text, &solid].into_iter().take(spellings).any(|text| {
        let mirrored: Zeroizing<String> = Zeroizing::new(text.chars().rev().collect());
        forms.is_form(text)
            || forms.is_form(&mirrored)
            || (text == *mirrored && forms.is_unit(first_half(text)))
    })
}

struct Forms<F> {
    is_entry: F,
}

impl<F: Fn(&str) -> bool> Forms<F> {
    fn is_form(&self, text: &str) -> bool {
        self.is_unit(text) || units(text).any(|unit| is_short(unit, text) || self.is_unit(unit))
    }

    /// What may be repeated.
    fn is_unit(&self, text: &str) -> bool {
        self.is_stem(text) || self.is_affixed(text)
    }

    /// What may have an affix.
    fn is_stem(&self, text: &str) -> bool {
        (self.is_entry)(text)
            || self.is_disguised(text)
            || is_walk(text)
            || units(text).any(|unit| is_short(unit, text) || (self.is_entry)(unit))
    }

    /// Whether letters written as digits and signs hide an entry.
    fn is_disguised(&self, text: &str) -> bool {
        let disguised = text.bytes().filter(|byte| plain(*byte, b'i') != *byte).count();
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        if disguised == 0 || disguised > letters {
            return false;
        }
        [b'i', b'l'].into_iter().any(|one| {
            let plain = |c: char| u8::try_from(c).map_or(c, |byte| plain(byte, one).into());
            let text: Zeroizing<String> = Zeroizing::new(text.chars().map(plain).collect());
            (self.is_entry)(&text)
        })
    }

    fn is_affixed(&self, text: &str) -> bool {
        for word in WORDS {
            let rests = [text.strip_suffix(word), text.strip_prefix(word)];
            if rests.into_iter().flatten().any(|rest| rest.len() >= PIECE && self.is_stem(rest)) {
                return true;
            }
        }
        let not_a_letter = |c: char| !c.is_alphabetic();
        let (length, most) = (text.len(), AFFIX.min(text.len()));
        let heads = text.find(char::is_alphabetic).unwrap_or(length).min(most);
        let tails = most.min(length - text.trim_end_matches(not_a_letter).len());
        // Any part of what is no letter before it, or behind it; or all, or one sign, before it and any
        // behind.
        let before = (1..=heads).map(|head| (head, 0));
        let behind = (1..=tails).map(|tail| (0, tail));
        let both = [1, heads].into_iter().take(heads);
        let both = both.flat_map(|head| (1..=tails).map(move |tail| (head, tail)));
        before.chain(behind).chain(both).any(|(head, tail)| {
            let end = length - tail;
            let parts = (text.get(..head), text.get(head..end.max(head)), text.get(end..));
            let (Some(before), Some(stem), Some(behind)) = parts else { return false };
            stem.len() >= PIECE
                && self.is_affix(before)
                && self.is_affix(behind)
                && self.is_stem(stem)
        })
    }

    /// Whether `text` is nothing, or up to three signs, digits, up to three signs.
    fn is_affix(&self, text: &str) -> bool {
        let digits = text.trim_matches(|c: char| !c.is_ascii_digit());
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        if digits.is_empty() {
            return text.chars().count() <= SIGNS;
        }
        let before = text.find(digits).unwrap_or(0);
        let (before, behind) = (&text[..before], &text[before + digits.len()..]);
        before.chars().count() <= SIGNS
            && behind.chars().count() <= SIGNS
            && (digits.len() <= 4 || is_date(digits) || is_walk(digits) || (self.is_entry)(digits))
    }
}

/// The letter that a digit or sign stands for; one may be an i or an l.
fn plain(byte: u8, one: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' | b'!' | b'|' => one,
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' | b'+' => b't',
        b'8' => b'b',
        byte => byte,
    }
}

/// Whether these are six or eight digits with a day and a month in one of the usual orders.
fn is_date(digits: &str) -> bool {
    let two = |at: usize| digits.get(at..at + 2).and_then(|two| two.parse::<u8>().ok());
    let day_and_month = |one: usize, other: usize| {
        let (Some(one), Some(other)) = (two(one), two(other)) else { return false };
        let fits = |day, month| (1..=31).contains(&day) && (1..=12).contains(&month);
        fits(one, other) || fits(other, one)
    };
    match digits.len() {
        6 => day_and_month(0, 2) || day_and_month(2, 4),
        8 => day_and_month(0, 2) || day_and_month(4, 6),
        _ => false,
    }
}

/// Whether `unit`, repeated to `text`, is so short that it may be anything.
fn is_short(unit: &str, text: &str) -> bool {
    text.len() >= 3 * unit.len() && unit.chars().count() <= SHORT_UNIT
}

/// What `text` is a repetition of, the shortest first, with one sign or nothing in between.
fn units(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    // How much of a beginning is also its end (Knuth, Morris and Pratt 1977): what is left is a period.
    let mut borders = vec![0; bytes.len()];
    for at in 1..bytes.len() {
        let mut border: usize = borders[at - 1];
        while border > 0 && bytes[at] != bytes[border] {
            border = borders[border - 1];
        }
        borders[at] = border + usize::from(bytes[at] == bytes[border]);
    }
    let mut border = bytes.len();
    std::iter::from_fn(move || {
        border = borders.get(border.checked_sub(1)?).copied()?;
        Some(bytes.len() - border)
    })
    .flat_map(move |period| {
        let length = text.len();
        let touching = length.is_multiple_of(period).then_some(period);
        let sign = |at: &usize| bytes[*at].is_ascii_punctuation() || bytes[*at] == b' ';
        let apart = (period > 1 && period < length && (length + 1).is_multiple_of(period))
            .then(|| period - 1)
            .filter(sign);
        [touching, apart]
    })
    .flatten()
    .filter(move |unit| *unit <= text.len() / 2)
    .filter_map(|unit| text.get(..unit))
}

/// Whether the keys of `text` lie along [`WALKS`] in a few pieces.
fn is_walk(text: &str) -> bool {
    if text.len() < PIECE || !text.is_ascii() {
        return false;
    }
    let mut keys: Zeroizing<Vec<u8>> = Zeroizing::new(text.into());
    keys.dedup();
    // Where the pieces so far can end.
    let mut ends = vec![0];
    for _ in 0..PIECES {
        let mut next = Vec::new();
        for end in ends {
            let most = longest_piece(&keys[end..]);
            if most >= PIECE && end + most == keys.len() {
                return true;
            }
            next.extend((PIECE..=most).map(|length| end + length));
        }
        next.sort_unstable();
        next.dedup();
        ends = next;
    }
    false
}

/// How many of these keys, from the first on, lie along one walk.
fn longest_piece(keys: &[u8]) -> usize {
    let [first, second, ..] = keys else { return 0 };
    let mut longest = 0;
    for walk in WALKS {
        let starts = walk.iter().enumerate().filter(|(_, key)| *key == first).map(|(at, _)| at);
        for start in starts {
            for step in [1, walk.len() - 1] {
                if walk[(start + step) % walk.len()] == *second {
                    let along = (0..).map(|steps| walk[(start + steps * step) % walk.len()]);
                    let length = keys.iter().zip(along).take_while(|(key, at)| *key == at).count();
                    longest = longest.max(length);
                }
            }
        }
    }
    longest
}

/// The first half, with the character in the middle.
fn first_half(text: &str) -> &str {
    let half = text.chars().count().div_ceil(2);
    text.char_indices().nth(half).map_or(text, |(end, _)| &text[..end])
}
