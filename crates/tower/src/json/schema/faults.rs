use std::borrow::Cow;

use gabion_errors::FieldError;

use super::super::{place::Place, unreadable::MAX_FAULTS};

/// What is wrong with a value, as far as there is room to tell it. What has no room is not even written
/// down: a client may send as many faults as its body has bytes.
pub(super) struct Faults {
    told: Vec<FieldError>,
    room: usize,
    /// Whether there was one that may not have been told.
    any: bool,
}

impl Faults {
    /// Behind those that are known already; of all together 64 are told.
    pub(super) fn after(told: Vec<FieldError>) -> Self {
        Self { told, room: MAX_FAULTS, any: false }
    }

    /// For who wants to know whether there is one, and no more.
    pub(super) const fn verdict() -> Self {
        Self { told: Vec::new(), room: 0, any: false }
    }

    /// Whether nothing that is found from now on makes a difference.
    pub(super) fn is_full(&self) -> bool {
        self.told.len() >= self.room && (self.any || self.room > 0)
    }

    pub(super) const fn are_counted_only(&self) -> bool {
        self.room == 0
    }

    pub(super) const fn any(&self) -> bool {
        self.any
    }

    pub(super) fn tell<D: Into<Cow<'static, str>>>(
        &mut self,
        place: &Place<'_>,
        code: &'static str,
        detail: impl FnOnce() -> D,
    ) {
        self.any = true;
        if self.told.len() < self.room {
            self.told.push(FieldError::new(place.pointer(), code, detail()));
        }
    }

    pub(super) fn told(self) -> Vec<FieldError> {
        self.told
    }
}
