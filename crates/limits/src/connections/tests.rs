use std::{collections::BTreeMap, thread};

use proptest::prelude::*;

use super::*;

fn table(total: u32, per_address: u32) -> Arc<ConnectionTable> {
    Arc::new(ConnectionTable::new(&ConnectionConfig {
        total,
        per_address,
        ..ConnectionConfig::default()
    }))
}

fn peer(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn remembered(table: &ConnectionTable) -> usize {
    table.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
}

#[test]
fn a_dropped_permit_gives_its_place_back() {
    let table = table(1, 1);
    let permit = table.admit(peer(1)).unwrap();
    assert_eq!(table.admit(peer(2)).unwrap_err(), ConnectionsFull::Total);
    drop(permit);
    assert_eq!(table.open(), 0);
    assert!(table.admit(peer(2)).is_ok());
}

#[test]
fn one_address_cannot_take_every_place() {
    let table = table(10, 2);
    let _held = [table.admit(peer(1)).unwrap(), table.admit(peer(1)).unwrap()];
    assert_eq!(table.admit(peer(1)).unwrap_err(), ConnectionsFull::PerAddress);
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    assert_eq!(table.admit(mapped).unwrap_err(), ConnectionsFull::PerAddress);
    assert!(table.admit(peer(2)).is_ok());
}

#[test]
fn connections_of_ipv6_count_by_as_many_bits_as_are_set() {
    let table = table(100, 1);
    let at = |text: &str| table.admit(text.parse().unwrap()).map(drop);
    let held = table.admit("2001:db8::1".parse().unwrap()).unwrap();
    assert_eq!(at("2001:db8::2"), Err(ConnectionsFull::PerAddress));
    assert_eq!(at("2001:db8:0:1::1"), Ok(()));
    table.set_ipv6_prefix(48);
    let wide = table.admit("2001:db8:1::1".parse().unwrap()).unwrap();
    assert_eq!(at("2001:db8:1:1::1"), Err(ConnectionsFull::PerAddress));
    // What came before leaves as what it came.
    drop((held, wide));
    assert_eq!((table.open(), remembered(&table)), (0, 0));
}

#[test]
fn the_last_16_places_are_reserved() {
    let table = table(100, 100);
    let permits: Vec<_> = (0..100).map(|_| table.admit(peer(1)).unwrap()).collect();
    let reserved: Vec<_> = permits.iter().map(ConnectionPermit::reserved).collect();
    assert_eq!(reserved, [vec![false; 84], vec![true; 16]].concat());
}

#[test]
fn a_small_total_reserves_at_most_half() {
    let table = table(3, 3);
    let permits: Vec<_> = (0..3).map(|_| table.admit(peer(1)).unwrap().reserved()).collect();
    assert_eq!(permits, [false, false, false]);
    let held: Vec<_> = (0..3).map(|_| table.admit(peer(1)).unwrap()).collect();
    assert!(held[2].reserved() && !held[1].reserved());
}

#[test]
fn new_bounds_hold_at_once_and_end_nothing() {
    let table = table(10, 10);
    let held: Vec<_> = (0..4).map(|_| table.admit(peer(1)).unwrap()).collect();
    table.set(&ConnectionConfig { total: 2, per_address: 1, ..ConnectionConfig::default() });
    assert_eq!(table.admit(peer(2)).unwrap_err(), ConnectionsFull::Total);
    assert_eq!(table.open(), 4);
    drop(held);
    let _one = table.admit(peer(1)).unwrap();
    assert_eq!(table.admit(peer(1)).unwrap_err(), ConnectionsFull::PerAddress);
}

#[test]
fn memory_is_given_back_after_a_flood_of_addresses() {
    let table = table(100_000, 1);
    let flood: Vec<_> =
        (0..20_000_u32).map(|ip| table.admit(IpAddr::from(ip.to_be_bytes())).unwrap()).collect();
    assert_eq!(remembered(&table), 20_000);
    drop(flood);
    assert_eq!(remembered(&table), 0);
    assert!(table.shards.iter().all(|shard| shard.lock().unwrap().capacity() <= SHRINK_FROM));
}

#[test]
fn threads_never_exceed_the_total_together() {
    let table = table(50, 50);
    thread::scope(|scope| {
        for last in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for _ in 0..500 {
                    let held: Vec<_> =
                        (0..20).filter_map(|_| table.admit(peer(last)).ok()).collect();
                    assert!(held.len() <= 50);
                    assert!(remembered(table) <= 50);
                }
            });
        }
    });
    assert_eq!((table.open(), remembered(&table)), (0, 0));
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_plain_count(steps in prop::collection::vec((0..6_u8, any::<bool>()), 0..200)) {
        let table = table(8, 3);
        let mut held: BTreeMap<u8, Vec<ConnectionPermit>> = BTreeMap::new();
        for (last, arrives) in steps {
            let open: usize = held.values().map(Vec::len).sum();
            let own = held.entry(last).or_default();
            if arrives {
                let expected = if open >= 8 {
                    Some(ConnectionsFull::Total)
                } else if own.len() >= 3 {
                    Some(ConnectionsFull::PerAddress)
                } else {
                    None
                };
                match table.admit(peer(last)) {
                    Ok(permit) => {
                        prop_assert_eq!(expected, None);
                        own.push(permit);
                    }
                    Err(full) => prop_assert_eq!(Some(full), expected),
                }
            } else {
                own.pop();
            }
            let open: usize = held.values().map(Vec::len).sum();
            prop_assert_eq!(table.open(), open);
            prop_assert_eq!(remembered(&table), held.values().filter(|own| !own.is_empty()).count());
        }
    }
}

#[test]
fn an_unnamed_connection_counts_as_its_clients_once_it_is_named() {
    let table = table(10, 1);
    let mut first = table.admit_unnamed().unwrap();
    let mut second = table.admit_unnamed().unwrap();
    assert_eq!(table.open(), 2);
    first.name(peer(1)).unwrap();
    assert_eq!(second.name(peer(1)), Err(ConnectionsFull::PerAddress));
    assert_eq!(table.open(), 2);
    second.name(peer(2)).unwrap();
    // Named anew, it gives its first name back.
    first.name(peer(3)).unwrap();
    assert!(table.admit(peer(1)).is_ok());
    assert!(table.admit(peer(3)).is_err());
    drop((first, second));
    assert_eq!(table.open(), 0);
    assert!(table.admit(peer(3)).is_ok());
}

#[test]
fn unnamed_connections_are_bounded_by_the_total() {
    let table = table(2, 10);
    let _held = [table.admit_unnamed().unwrap(), table.admit_unnamed().unwrap()];
    assert_eq!(table.admit_unnamed().unwrap_err(), ConnectionsFull::Total);
}
