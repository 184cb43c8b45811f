use std::borrow::Cow;

use gabion_errors::{FieldError, Rejection};
use serde_json::{Map, Number, Value};

use super::{
    place::Place,
    unreadable::{Fault, MAX_FAULTS, Spot, refuse},
};

/// Parses JSON (RFC 8259) that means one thing only: UTF-8 without a byte order mark, no name twice
/// in an object, no half of a surrogate pair, no number that has to be cut, no deeper than `depth`
/// (at most 128) levels of arrays and objects, nothing behind it.
///
/// # Errors
///
/// 400 with each fault, as far as the bytes can be read: its place is a JSON pointer where it is about
/// one value, and line and column where the text is no JSON from there on.
pub fn parse(bytes: &[u8], depth: usize) -> Result<Value, Rejection> {
    let text = decode(bytes).map_err(|fault| refuse(vec![fault.at(&Place::WHOLE)]))?;
    let depth = depth.min(DEEPEST);
    let mut parser = Parser { text, bytes, at: 0, depth, faults: Vec::new() };
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
    /// Of values; reading goes on behind them.
    faults: Vec<FieldError>,
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
            Some(b'"') => Ok(Value::String(self.string(place)?.into_owned())),
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
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes"));
            }
            let name = self.string(place)?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.expected("a colon"));
            }
            let member = place.name(&name);
            if members.contains_key(&*name) {
                self.note(Fault::Duplicate, &member);
            }
            let value = self.value(&member, levels)?;
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

    fn string(&mut self, place: &Place<'_>) -> Result<Cow<'a, str>, Stop> {
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
                Some(b'\\') => self.escape(&mut whole, place)?,
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

    fn escape(&mut self, whole: &mut String, place: &Place<'_>) -> Result<(), Stop> {
        self.at += 1;
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_unit(whole, place),
            _ => return Err(self.expected("an escape that JSON knows")),
        };
        self.at += 1;
        whole.push(c);
        Ok(())
    }

    /// `uXXXX`, and the other half of a pair behind it (RFC 8259 §7).
    fn code_unit(&mut self, whole: &mut String, place: &Place<'_>) -> Result<(), Stop> {
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
        if c.is_none() {
            self.note(Fault::Surrogate, place);
        }
        whole.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
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

    /// The grammar of RFC 8259 §6; what it means is left to `serde_json`, as are all who read it later.
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
        let number = serde_json::from_str::<Number>(&self.text[start..self.at]);
        Ok(number.map_or_else(
            |_| {
                self.note(Fault::Number, place);
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

    /// Keeps a fault of a value, each once.
    fn note(&mut self, fault: Fault, place: &Place<'_>) {
        if self.faults.len() < MAX_FAULTS {
            let fault = fault.at(place);
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }
}

#[cfg(test)]
mod tests;
