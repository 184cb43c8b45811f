use std::sync::Arc;

use crate::Origin;

/// From byte offsets in a file's text to lines and columns, both from one; the text has less than
/// 4 GiB.
pub(super) struct Places<'a> {
    name: Arc<str>,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(name: Arc<str>, text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { name, text, line_starts: [0].into_iter().chain(breaks).collect() }
    }

    pub(super) fn origin(&self, at: usize) -> Origin {
        let line = self.line(at);
        let start = self.line_starts.get(line as usize - 1).copied().unwrap_or_default();
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count());
        Origin::File { file: self.name.clone(), line, column: column as u32 + 1 }
    }

    /// At least one: the first line starts at zero. Unlike the column it does not cost the length
    /// of the line.
    pub(super) fn line(&self, at: usize) -> u32 {
        self.line_starts.partition_point(|start| *start <= at) as u32
    }
}
