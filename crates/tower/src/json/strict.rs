use std::{borrow::Cow, collections::BTreeSet};

use gabion_errors::{FieldError, Rejection};
use serde_json::{Map, Value};

use super::{
    exact,
    place::Place,
    unreadable::{Fault, MAX_FAULTS, Spot, refuse},
};

/// Parses JSON (RFC 8259) that means one thing only: UTF-8 without a byte order mark, no name twice
/// in an object, no half of a surrogate pair, no deeper than `depth` (at most 128) levels of arrays and
/// objects, nothing behind it.
///
/// A number without a fraction is exactly what was written, also as `9007199254740993.0`, from
/// -9223372036854775808 to 18446744073709551615; beyond, it becomes an `f64` that is beyond as well. One
/// with a fraction is rounded to an `f64`, but never to a whole number: `1.00000000000000001` does not
/// become 1. What no `f64` can be is refused: `1e400`, and fractions of numbers from 4503599627370496.
///
/// # Errors
///
/// 400 with each fault, at most 64, as far as the bytes can be read: its place is a JSON pointer where it
/// is about one value, and line and column where the text is no JSON from there on. Of a name that stands
/// more than once, only the first value is looked into.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, Rejection> {
    let text = decode(bytes).map_err(|fault| refuse(vec![fault.at(&Place::WHOLE)]))?;
    let depth = depth.min(DEEPEST);
    let mut parser = Parser { text, bytes, at: 0, depth, faults: Vec::new(), mute: false };
    match parser.whole() {
        Ok(value) if parser.faults.is_empty() => Ok(value),
        Ok(_) => Err(refuse(parser.faults)),
        Err(fault) => {
            parser.faults.truncate(MAX_FAULTS - 1);
            parser.faults.push(*fault);
            Err(refuse(parser.faults))
        }
    }
}

/// Each level takes some of the stack.
const DEEPEST: usize = 128;

fn decode(bytes: &[u8]) -> Result<&str, Fault> {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => return Err(Fault::ByteOrderMark),
        // RFC 4627 §3: the first two characters of JSON are of ASCII.
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, _, ..] | [_, 0, ..] => return Err(Fault::Wide),
        _ => {}
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Fault::Encoding(error.valid_up_to()))?;
    if bytes.iter().all(|byte| is_space(*byte)) { Err(Fault::Empty) } else { Ok(text) }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Up to here it was read; always the beginning of a character.
    at: usize,
    depth: usize,
    /// Of values; reading goes on behind them. Each is written down once, and is not looked for again:
    /// a client may repeat it as often as its body has room.
    faults: Vec<FieldError>,
    /// Within a value whose name stood there before; its places are those of the first one.
    mute: bool,
}

/// From here on nothing can be read.
type Stop = Box<FieldError>;

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Value, Stop> {
        let value = self.value(&Place::WHOLE, self.depth)?;
        self.skip_space();
        if self.at < self.bytes.len() {
            return Err(Box::new(Fault::Trailing(self.spot()).at(&Place::WHOLE)));
        }
        Ok(value)
    }

    fn value(&mut self, place: &Place<'_>, levels: usize) -> Result<Value, Stop> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(place, levels),
            Some(b'[') => self.array(place, levels),
            Some(b'"') => Ok(Value::String(self.string(place, &mut false)?.into_owned())),
            Some(b'-' | b'0'..=b'9') => self.number(place),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self, place: &Place<'_>, levels: usize) -> Result<Value, Stop> {
        let levels = self.deeper(place, levels)?;
        let mut members = Map::new();
        let (mut halved, mut repeated) = (false, BTreeSet::new());
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes"));
            }
            let name = self.string(place, &mut halved)?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.expected("a colon"));
            }
            let member = place.name(&name);
            let mute = self.mute;
            if members.contains_key(&*name) {
                if self.notes() && repeated.insert(name.clone()) {
                    self.note(Fault::Duplicate, &member);
                }
                self.mute = true;
            }
            let value = self.value(&member, levels)?;
            self.mute = mute;
            members.insert(name.into_owned(), value);
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.expected("a comma or a closing brace"));
            }
        }
    }

    fn array(&mut self, place: &Place<'_>, levels: usize) -> Result<Value, Stop> {
        let levels = self.deeper(place, levels)?;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            let item = self.value(&place.item(items.len()), levels)?;
            items.push(item);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.expected("a comma or a closing bracket"));
            }
        }
    }

    /// Behind the opening brace or bracket; the levels that are left there.
    fn deeper(&mut self, place: &Place<'_>, levels: usize) -> Result<usize, Stop> {
        self.at += 1;
        levels.checked_sub(1).ok_or_else(|| Box::new(Fault::Depth(self.depth).at(place)))
    }

    /// A string; `halved` is whether half a pair was noted at this place.
    fn string(&mut self, place: &Place<'_>, halved: &mut bool) -> Result<Cow<'a, str>, Stop> {
        self.at += 1;
        let first = self.run();
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(first));
        }
        let mut whole = first.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(whole));
                }
                Some(b'\\') => {
                    if !self.escape(&mut whole)? && !std::mem::replace(halved, true) {
                        self.note(Fault::Surrogate, place);
                    }
                }
                Some(_) => return Err(self.expected("control characters to be escaped")),
                None => return Err(self.expected("a closing double quote")),
            }
            whole.push_str(self.run());
        }
    }

    /// Characters that stand for themselves.
    fn run(&mut self) -> &'a str {
        let rest = &self.bytes[self.at..];
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let run = &self.text[self.at..self.at + length];
        self.at += length;
        run
    }

    /// Whether it stands for a character.
    fn escape(&mut self, whole: &mut String) -> Result<bool, Stop> {
        self.at += 1;
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_unit(whole),
            _ => return Err(self.expected("an escape that JSON knows")),
        };
        self.at += 1;
        whole.push(c);
        Ok(true)
    }

    /// `uXXXX`, and the other half of a pair behind it (RFC 8259 §7).
    fn code_unit(&mut self, whole: &mut String) -> Result<bool, Stop> {
        let unit = self.four_digits()?;
        let c = match unit {
            0xD800..=0xDBFF if self.bytes[self.at..].starts_with(b"\\u") => {
                let back = self.at;
                self.at += 1;
                let low = self.four_digits()?;
                if (0xDC00..=0xDFFF).contains(&low) {
                    char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
                } else {
                    // Read again as what it is by itself.
                    self.at = back;
                    None
                }
            }
            unit => char::from_u32(unit),
        };
        whole.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(c.is_some())
    }

    /// The number behind a `u`.
    fn four_digits(&mut self) -> Result<u32, Stop> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| (byte as char).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.expected("four hexadecimal digits"));
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// The grammar of RFC 8259 §6.
    fn number(&mut self, place: &Place<'_>) -> Result<Value, Stop> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        } else if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.expected("no digit behind a leading zero"));
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(exact::read(&self.text[start..self.at]).map_or_else(
            |fault| {
                self.note(fault, place);
                Value::Null
            },
            Value::Number,
        ))
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let rest = &self.bytes[self.at..];
        match rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len()) {
            0 => Err(self.expected("a digit")),
            count => {
                self.at += count;
                Ok(())
            }
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Stop> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn spot(&self) -> Spot {
        Spot::of(self.text, self.at)
    }

    fn expected(&self, what: &'static str) -> Stop {
        Box::new(Fault::Syntax(what, self.spot()).at(&Place::WHOLE))
    }

    /// Whether a fault is noted here.
    fn notes(&self) -> bool {
        !self.mute && self.faults.len() < MAX_FAULTS
    }

    /// Keeps a fault of a value; who calls does so once for each fault of a place.
    fn note(&mut self, fault: Fault, place: &Place<'_>) {
        if self.notes() {
            self.faults.push(fault.at(place));
        }
    }
}

#[cfg(test)]
mod tests;
