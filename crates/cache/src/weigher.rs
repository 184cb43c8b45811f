use std::{mem::size_of, sync::Arc};

use bytes::Bytes;

/// What the table itself holds for one entry beside key and value, in bytes, rounded up.
pub const ENTRY_OVERHEAD: u64 = 64;

/// Says how many bytes an entry holds; called once per insertion.
///
/// A closure `|key: &K, value: &V| -> u64` is one, and so is a function pointer where the type has
/// to be named.
pub trait Weigher<K, V> {
    /// Bytes that key and value hold together.
    fn weigh(&self, key: &K, value: &V) -> u64;

    /// Bytes of an entry that remembers there is no value.
    fn weigh_absent(&self, _key: &K) -> u64 {
        ENTRY_OVERHEAD + size_of::<K>() as u64
    }
}

impl<K, V, F: Fn(&K, &V) -> u64> Weigher<K, V> for F {
    fn weigh(&self, key: &K, value: &V) -> u64 {
        self(key, value)
    }
}

/// The default weigher: sizes of key and value, their [`Footprint`]s and [`ENTRY_OVERHEAD`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured;

impl<K: Footprint, V: Footprint> Weigher<K, V> for Measured {
    fn weigh(&self, key: &K, value: &V) -> u64 {
        let own = size_of::<K>() + size_of::<V>();
        ENTRY_OVERHEAD + (own + key.heap_bytes() + value.heap_bytes()) as u64
    }

    fn weigh_absent(&self, key: &K) -> u64 {
        ENTRY_OVERHEAD + (size_of::<K>() + key.heap_bytes()) as u64
    }
}

/// Weighs values that may be known to be absent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrAbsent<W>(pub(crate) W);

impl<K, V, W: Weigher<K, V>> Weigher<K, Option<V>> for OrAbsent<W> {
    fn weigh(&self, key: &K, value: &Option<V>) -> u64 {
        match value {
            Some(value) => self.0.weigh(key, value),
            None => self.0.weigh_absent(key),
        }
    }
}

/// Bytes a value keeps alive outside itself.
///
/// What an [`Arc`] points to counts in full, though others may share it: the bound is then kept
/// on the safe side.
pub trait Footprint {
    /// Bytes on the heap, without `size_of::<Self>()`.
    fn heap_bytes(&self) -> usize;
}

/// The two counters in front of what an [`Arc`] holds.
const ARC_HEADER: usize = 2 * size_of::<usize>();

macro_rules! no_heap {
    ($($type:ty),*) => {$(
        impl Footprint for $type {
            fn heap_bytes(&self) -> usize {
                0
            }
        }
    )*};
}

no_heap!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);

impl Footprint for str {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Footprint for String {
    fn heap_bytes(&self) -> usize {
        self.capacity()
    }
}

impl Footprint for Bytes {
    fn heap_bytes(&self) -> usize {
        self.len()
    }
}

impl<T: Footprint> Footprint for Vec<T> {
    fn heap_bytes(&self) -> usize {
        self.capacity() * size_of::<T>() + self.as_slice().heap_bytes()
    }
}

impl<T: Footprint> Footprint for [T] {
    fn heap_bytes(&self) -> usize {
        self.iter().map(Footprint::heap_bytes).sum()
    }
}

impl<T: Footprint, const N: usize> Footprint for [T; N] {
    fn heap_bytes(&self) -> usize {
        self.as_slice().heap_bytes()
    }
}

impl<T: Footprint> Footprint for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Footprint::heap_bytes)
    }
}

impl<T: Footprint + ?Sized> Footprint for Box<T> {
    fn heap_bytes(&self) -> usize {
        size_of_val(&**self) + (**self).heap_bytes()
    }
}

impl<T: Footprint + ?Sized> Footprint for Arc<T> {
    fn heap_bytes(&self) -> usize {
        ARC_HEADER + size_of_val(&**self) + (**self).heap_bytes()
    }
}

impl<A: Footprint, B: Footprint> Footprint for (A, B) {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.1.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_text_is_counted_in_full() {
        let texts: Vec<Arc<str>> = vec!["four".into(), "sixsix".into()];
        assert_eq!(texts.heap_bytes(), 2 * size_of::<Arc<str>>() + 2 * ARC_HEADER + 4 + 6);
    }

    #[test]
    fn a_closure_weighs() {
        fn weight(weigher: &impl Weigher<u8, Vec<u8>>) -> u64 {
            weigher.weigh(&1, &vec![0; 5])
        }
        assert_eq!(weight(&|_: &u8, value: &Vec<u8>| value.len() as u64), 5);
    }

    #[test]
    fn a_remembered_absence_weighs_its_key() {
        let key = String::from("somebody");
        let absent = OrAbsent(Measured).weigh(&key, &None::<u64>);
        assert_eq!(absent, ENTRY_OVERHEAD + size_of::<String>() as u64 + 8);
    }
}
