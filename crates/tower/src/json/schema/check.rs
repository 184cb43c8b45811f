use std::{cmp::Ordering, collections::HashSet};

use gabion_config::nearest;
use serde_json::{Map, Number, Value};

use super::{
    Count, Faults, Members, Node, Range,
    kinds::{Kinds, name_of},
};
use crate::json::{
    number::{canonical, compare, same, whole},
    place::Place,
};

impl Node {
    /// Adds what is wrong with `value`; nothing is allocated where nothing is.
    pub(super) fn check(&self, value: &Value, place: &Place<'_>, faults: &mut Faults) {
        if faults.is_full() {
            return;
        }
        if self.never {
            return faults.tell(place, "unknown", || "is not accepted");
        }
        if let Some(kinds) = self.kinds.filter(|kinds| !kinds.hold(value)) {
            return faults.tell(place, "type", || not_of(kinds, value));
        }
        let constant = self.constant.as_ref().filter(|constant| !same(constant, value));
        if let Some(constant) = constant {
            faults.tell(place, "choice", || {
                format!("must be {}", list([constant.to_string().as_str()].into_iter()))
            });
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|allowed| same(allowed, value))
        {
            faults.tell(place, "choice", || {
                let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                format!("must be one of {}", list(allowed.iter().map(String::as_str)))
            });
        }
        match value {
            Value::String(text) => self.check_text(text, place, faults),
            Value::Number(number) => self.check_number(number, place, faults),
            Value::Array(items) => self.check_items(items, place, faults),
            Value::Object(own) => {
                if let Some(members) = &self.members {
                    members.check(own, place, faults);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
        if !self.any_of.is_empty() {
            fit_some(&self.any_of, value, place, faults, Fits::Any);
        }
        if !self.one_of.is_empty() {
            fit_some(&self.one_of, value, place, faults, Fits::One);
        }
    }

    fn check_text(&self, text: &str, place: &Place<'_>, faults: &mut Faults) {
        if let Some(detail) = self.length.refuse(|| text.chars().count(), "characters") {
            // Matching costs the length.
            return faults.tell(place, "length", || detail);
        }
        if let Some(pattern) = &self.pattern
            && !pattern.regex.is_match(text)
        {
            faults.tell(place, "format", || format!("must be {}", pattern.hint));
        }
    }

    fn check_number(&self, number: &Number, place: &Place<'_>, faults: &mut Faults) {
        let held = |(least, most)| whole(number).is_some_and(|own| (least..=most).contains(&own));
        match self.held {
            _ if !self.range.holds(number) => faults.tell(place, "range", || self.range.words()),
            Some(bounds) if !held(bounds) => {
                faults.tell(place, "range", || format!("must be {} to {}", bounds.0, bounds.1));
            }
            _ => {}
        }
    }

    fn check_items(&self, items: &[Value], place: &Place<'_>, faults: &mut Faults) {
        if let Some(detail) = self.count.refuse(|| items.len(), "items") {
            faults.tell(place, "length", || detail);
        }
        if let Some(each) = &self.items {
            for (i, item) in items.iter().enumerate() {
                if faults.is_full() {
                    return;
                }
                each.check(item, &place.item(i), faults);
            }
        }
        if self.unique && !faults.is_full() {
            let mut seen = HashSet::with_capacity(items.len());
            for (i, item) in items.iter().enumerate() {
                let mut text = String::new();
                canonical(item, &mut text);
                if !seen.insert(text) {
                    faults.tell(
                        &place.item(i),
                        "duplicate",
                        || "stands more than once in its list",
                    );
                    if faults.is_full() {
                        return;
                    }
                }
            }
        }
    }

    /// Makes `1.0` the integer that types of Rust read, wherever an integer is asked for.
    pub(super) fn settle(&self, value: &mut Value) {
        match value {
            Value::Number(number)
                if number.is_f64() && self.kinds.is_some_and(|kinds| kinds.has(Kinds::INTEGER)) =>
            {
                let integer = whole(number).and_then(Number::from_i128);
                *value = Value::Number(integer.unwrap_or_else(|| number.clone()));
            }
            Value::Array(items) => {
                if let Some(each) = &self.items {
                    items.iter_mut().for_each(|item| each.settle(item));
                }
            }
            Value::Object(own) => {
                if let Some(members) = &self.members {
                    members.settle(own);
                }
            }
            _ => {}
        }
        for branch in self.any_of.iter().chain(&self.one_of) {
            branch.settle(value);
        }
    }

    /// What a value that fits may be, as far as that is told by types and choices.
    pub(super) fn possible(&self) -> Kinds {
        let mut kinds = self.kinds.unwrap_or(Kinds::ALL);
        if kinds.has(Kinds::NUMBER) {
            kinds = kinds.or(Kinds::INTEGER);
        }
        if let Some(allowed) = &self.allowed {
            kinds =
                kinds.and(allowed.iter().fold(Kinds::NONE, |all, value| all.or(kind_of(value))));
        }
        if let Some(constant) = &self.constant {
            kinds = kinds.and(kind_of(constant));
        }
        for branches in [&self.any_of, &self.one_of] {
            if !branches.is_empty() {
                let all = branches.iter().fold(Kinds::NONE, |all, own| all.or(own.possible()));
                kinds = kinds.and(all);
            }
        }
        kinds
    }
}

impl Members {
    fn check(&self, own: &Map<String, Value>, place: &Place<'_>, faults: &mut Faults) {
        for name in self.required.iter().filter(|name| !own.contains_key(*name)) {
            faults.tell(&place.name(name), "missing", || "is required");
        }
        for (name, member) in own {
            if faults.is_full() {
                return;
            }
            match (self.properties.get(name), &self.others) {
                (Some(node), _) => node.check(member, &place.name(name), faults),
                (None, Some(others)) if others.never => {
                    let known = || self.properties.keys().map(String::as_str);
                    faults.tell(&place.name(name), "unknown", || unknown(name, known));
                }
                (None, Some(others)) => others.check(member, &place.name(name), faults),
                (None, None) => {}
            }
        }
    }

    fn settle(&self, own: &mut Map<String, Value>) {
        for (name, member) in own {
            if let Some(node) = self.properties.get(name).or(self.others.as_ref()) {
                node.settle(member);
            }
        }
    }
}

impl Count {
    /// What is wrong with as many; they are counted only where it matters.
    fn refuse(self, count: impl FnOnce() -> usize, unit: &str) -> Option<String> {
        if self.least == 0 && self.most.is_none() {
            return None;
        }
        let count = count() as u64;
        match self.most {
            _ if count < self.least => Some(format!("must have at least {} {unit}", self.least)),
            Some(most) if count > most => Some(format!("must have at most {most} {unit}")),
            _ => None,
        }
    }
}

impl Range {
    fn holds(&self, number: &Number) -> bool {
        let than = |bound: &Option<Number>| bound.as_ref().map(|bound| compare(number, bound));
        than(&self.least).is_none_or(Ordering::is_ge)
            && than(&self.above).is_none_or(Ordering::is_gt)
            && than(&self.most).is_none_or(Ordering::is_le)
            && than(&self.below).is_none_or(Ordering::is_lt)
    }

    fn words(&self) -> String {
        if let (Some(least), None, Some(most), None) =
            (&self.least, &self.above, &self.most, &self.below)
        {
            return format!("must be {least} to {most}");
        }
        let bounds = [
            ("at least", &self.least),
            ("more than", &self.above),
            ("at most", &self.most),
            ("less than", &self.below),
        ];
        let bounds = bounds
            .iter()
            .filter_map(|(words, bound)| bound.as_ref().map(|bound| format!("{words} {bound}")));
        format!("must be {}", bounds.collect::<Vec<_>>().join(" and "))
    }
}

/// How many branches a value has to fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits {
    Any,
    One,
}

fn fit_some(branches: &[Node], value: &Value, place: &Place<'_>, faults: &mut Faults, fits: Fits) {
    if faults.is_full() {
        return;
    }
    let mut fitting = 0;
    for branch in branches {
        // The faults of a branch that is not meant are nobody's, so that none is written down.
        let mut own = Faults::verdict();
        branch.check(value, place, &mut own);
        fitting += usize::from(!own.any());
        if fitting > usize::from(fits == Fits::One) {
            break;
        }
    }
    match fitting {
        1 => {}
        0 if faults.are_counted_only() => faults.tell(place, "choice", || ""),
        0 => tell_near(branches, value, place, faults),
        _ => faults.tell(place, "choice", || "fits more than one of what is accepted here"),
    }
}

/// Why a value fits none of the branches.
fn tell_near(branches: &[Node], value: &Value, place: &Place<'_>, faults: &mut Faults) {
    let mut near = branches.iter().filter(|branch| branch.possible().hold(value));
    match (near.next(), near.next()) {
        (None, _) => faults.tell(place, "type", || {
            let kinds = branches.iter().fold(Kinds::NONE, |all, own| all.or(own.declared()));
            not_of(kinds, value)
        }),
        // The only one that was meant; its faults are what is wrong.
        (Some(meant), None) => meant.check(value, place, faults),
        _ => faults.tell(place, "choice", || "fits none of what is accepted here"),
    }
}

impl Node {
    /// The types as they are declared.
    fn declared(&self) -> Kinds {
        self.kinds.unwrap_or_else(|| self.possible())
    }
}

fn kind_of(value: &Value) -> Kinds {
    match value {
        Value::Number(_) => Kinds::NUMBER.or(Kinds::INTEGER),
        value => Kinds::named(name_of(value)).unwrap_or(Kinds::NONE),
    }
}

fn not_of(kinds: Kinds, value: &Value) -> String {
    format!("must be {}, is {}", kinds.words(), name_of(value))
}

/// That `name` is not among `known`, and which one may have been meant.
pub(crate) fn unknown<'a, I: Iterator<Item = &'a str>>(
    name: &str,
    known: impl Fn() -> I,
) -> String {
    #[cfg(test)]
    crate::json::written::add();
    if let Some(meant) = nearest(name, known()) {
        return format!("is not known, did you mean {}?", list([meant].into_iter()));
    }
    if known().next().is_none() {
        return "is not known; there are none".to_owned();
    }
    format!("is not known; known are {}", list(known()))
}

/// The words with commas, as many of them as an answer has room for.
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut all = String::new();
    for word in words {
        if all.len() + word.len() > LONGEST_LIST {
            all.push_str(if all.is_empty() { "what the schema says" } else { " and more" });
            break;
        }
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(word);
    }
    all
}

/// Bytes.
const LONGEST_LIST: usize = 400;
