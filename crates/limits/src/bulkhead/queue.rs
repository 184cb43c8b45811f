use std::{collections::BTreeMap, task::Waker, time::Duration};

/// Who is inside and who waits, without a lock.
///
/// Somebody waits only while every place is taken: whoever leaves lets the next one in, in the same
/// step. So nobody who comes later finds a place that an earlier one waits for.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) places: usize,
    pub(super) wait: Duration,
    pub(super) inside: usize,
    /// By number, and so in the order of arrival. Whose number is not here any more is inside.
    waiting: BTreeMap<u64, Option<Waker>>,
    /// The number of the next who waits.
    next: u64,
    refused: u64,
}

impl Queue {
    pub(super) fn new(places: usize, wait: Duration) -> Self {
        Self { places, wait, inside: 0, waiting: BTreeMap::new(), next: 0, refused: 0 }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a place if there is one.
    pub(super) fn take(&mut self) -> bool {
        let free = self.inside < self.places;
        self.inside += usize::from(free);
        free
    }

    /// A number to wait under, if there is room.
    pub(super) fn join(&mut self) -> Option<u64> {
        if self.waiting.len() >= self.places {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, None);
        Some(number)
    }

    /// Counts one who is refused.
    pub(super) fn refuse(&mut self) -> u64 {
        self.refused += 1;
        self.refused
    }

    /// Keeps what wakes the one who waits under `number`; gives back what is of no use any more, and
    /// `Err` when there is nobody: the place has come.
    pub(super) fn keep(&mut self, number: u64, waker: Waker) -> Result<Option<Waker>, Waker> {
        match self.waiting.get_mut(&number) {
            Some(own) => Ok(own.replace(waker)),
            None => Err(waker),
        }
    }

    /// Strikes out `number`; `None` when its place has come already.
    pub(super) fn strike(&mut self, number: u64) -> Option<Option<Waker>> {
        self.waiting.remove(&number)
    }

    /// One who was inside leaves; what wakes the next, if there is one.
    pub(super) fn leave(&mut self) -> Option<Option<Waker>> {
        self.inside -= 1;
        self.admit_next()
    }

    /// Lets the next one in, if there is one and a place.
    pub(super) fn admit_next(&mut self) -> Option<Option<Waker>> {
        if self.inside >= self.places {
            return None;
        }
        let (_, waker) = self.waiting.pop_first()?;
        self.inside += 1;
        Some(waker)
    }
}
