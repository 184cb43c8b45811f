use std::{sync::mpsc, thread, time::Duration};

use proptest::prelude::*;

use super::*;

const PEPPER: &str = "a pepper of thirty-two bytes at least";
const OLDER: &str = "an older pepper of thirty-two bytes";

fn cost() -> Cost {
    Cost::new(64, 1, 1, Peppers::none()).unwrap()
}

fn peppered(lines: &[&str]) -> Cost {
    Cost::new(64, 1, 1, Peppers::parse(lines.join("\n").as_bytes()).unwrap()).unwrap()
}

fn memory() -> Vec<Block> {
    vec![Block::default(); cost().blocks()]
}

fn verify(cost: &Cost, password: &str, phc: &str) -> Result<(bool, bool), HashError> {
    let verdict = cost.verify(password, Some(phc), &mut memory())?;
    Ok((verdict.matches, verdict.rehash))
}

// ASVS 11.4.2
#[test]
fn a_new_hash_says_its_cost_and_has_a_salt_of_its_own() {
    let cost = Cost::new(19 << 10, 2, 1, Peppers::none()).unwrap();
    let mut memory = vec![Block::default(); cost.blocks()];
    let (first, second) =
        (cost.hash("x", &mut memory).unwrap(), cost.hash("x", &mut memory).unwrap());
    assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
    assert_ne!(first, second);
    assert_eq!(cost.read(&first).unwrap().salt.len(), 16);
}

#[test]
fn a_known_hash_of_another_implementation_matches() {
    // The reference implementation's own test: argon2id, t=2, m=256, p=1.
    let phc = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ\
               $nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    assert_eq!(verify(&cost(), "password", phc), Ok((true, true)));
    assert_eq!(verify(&cost(), "passwore", phc), Ok((false, false)));
}

#[test]
fn absurd_and_malformed_hashes_are_errors() {
    let end = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    for start in [
        "$argon2id$v=19$m=4294967295,t=2,p=1",
        "$argon2id$v=19$m=1048577,t=2,p=1",
        "$argon2id$v=19$m=65537,t=1,p=1",
        "$argon2id$v=19$m=65536,t=5,p=1",
        "$argon2id$v=19$m=256,t=17,p=1",
        "$argon2id$v=19$m=256,t=1,p=9",
        "$argon2id$v=19$m=256,t=1,p=16777215",
        "$argon2id$v=19$m=8,t=1,p=8",
        "$argon2id$v=19$m=0,t=1,p=1",
        "$argon2id$v=19$m=256,t=0,p=1",
        "$argon2id$v=19$m=256,t=1,p=0",
        "$argon2id$v=19$m=0256,t=1,p=1",
        "$argon2id$v=19$m=+256,t=1,p=1",
        "$argon2id$v=19$m=256,m=256,t=1",
        "$argon2id$v=19$m=256,t=1,p=1,p=1",
        "$argon2id$v=19$m=256,t=1,p=1,m=8",
        "$argon2id$v=19$m=256,t=1,p=1,data=AAAA",
        "$argon2id$v=19$m=256,t=1,p=1,keyid=AAAA,keyid=AAAA",
        "$argon2id$v=19$m=256,t=1,p=1,keyid=AAAA,data=AAAA",
        "$argon2id$v=19$m=256,t=1,p=1,keyid=",
        "$argon2id$v=20$m=256,t=1,p=1",
        "$argon2id",
        "$bcrypt$v=19$m=256,t=1,p=1",
        "",
    ] {
        let read = cost().read(&format!("{start}{end}")).map(drop);
        assert_eq!(read, Err(HashError::Stored), "{start}");
    }
    let start = "$argon2id$v=19$m=256,t=2,p=1";
    for end in [
        // A salt, and hashes, that are too short; nothing behind them; unused bits that are set.
        "$c29tZQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA",
        "$c29tZXNhbHQ$nf65",
        "$c29tZXNhbHQ",
        "",
        "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/5",
        "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4=",
        "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n",
    ] {
        assert!(cost().read(&format!("{start}{end}")).is_err(), "{end}");
    }
    let long = format!("{start}$c29tZXNhbHQ${}", "A".repeat(500));
    assert!(cost().read(&long).is_err());
    assert!(cost().read("!").is_err() && cost().read("$2b$12$abc").is_err());
}

#[test]
fn a_hash_with_a_pepper_names_it_and_needs_it() {
    let with = peppered(&[PEPPER]);
    let phc = with.hash("x", &mut memory()).unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1,keyid="), "{phc}");
    assert_eq!(verify(&with, "x", &phc), Ok((true, false)));
    assert_eq!(verify(&with, "y", &phc), Ok((false, false)));
    // A missing pepper is no wrong password.
    for other in [cost(), peppered(&[OLDER])] {
        assert_eq!(verify(&other, "x", &phc), Err(HashError::Pepper));
        assert_eq!(other.check(&phc), Err(HashError::Pepper));
    }
    // Without its name it is another hash.
    let (start, rest) = phc.split_once(",keyid=").unwrap();
    let stripped = format!("{start}{}", &rest[8..]);
    assert_eq!(verify(&with, "x", &stripped), Ok((false, false)));
}

#[test]
fn hashes_from_before_a_pepper_are_verified_and_made_anew() {
    let plain = cost().hash("x", &mut memory()).unwrap();
    let old = peppered(&[OLDER]).hash("x", &mut memory()).unwrap();
    let now = peppered(&[PEPPER, OLDER]);
    for phc in [plain, old] {
        assert_eq!(verify(&now, "x", &phc), Ok((true, true)));
        assert_eq!(verify(&now, "y", &phc), Ok((false, false)));
    }
}

#[test]
fn a_peppered_hash_of_another_implementation_matches() {
    // The C library's own, through PyPI argon2-cffi 25.1 (`low_level.core`), with PEPPER as its secret.
    let phc = "$argon2id$v=19$m=64,t=1,p=1,keyid=D/iiO5/W$c2FsdHNhbHRzYWx0c2FsdA\
               $CtWzWufx0MoWVB6NX+qC7TAW2nxsHV88wdZWmg1g+k8";
    assert_eq!(verify(&peppered(&[PEPPER]), "x", phc), Ok((true, false)));
    assert_eq!(verify(&cost(), "x", &phc.replace(",keyid=D/iiO5/W", "")), Ok((false, false)));
}

#[test]
fn a_stored_hash_that_cannot_be_used_is_refused_after_the_same_work() {
    // Seen in the memory: what was spent has filled it.
    for phc in
        ["", "$argon2id$v=19$m=64,t=1,p=1,keyid=AAAAAAAA$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7Q"]
    {
        let mut memory = memory();
        assert!(cost().verify("x", Some(phc), &mut memory).is_err());
        assert!(memory.iter().all(is_filled), "{phc}");
    }
    let mut memory = memory();
    assert!(!cost().verify("x", None, &mut memory).unwrap().matches);
    assert!(memory.iter().all(is_filled));
}

// ASVS 6.3.8
#[test]
fn what_a_cheaper_stored_hash_saves_is_spent_after_it() {
    let dear = Cost::new(1024, 2, 1, Peppers::none()).unwrap();
    let cheap = cost().hash("x", &mut memory()).unwrap();
    for password in ["x", "y"] {
        let mut memory = vec![Block::default(); dear.blocks()];
        dear.verify(password, Some(&cheap), &mut memory).unwrap();
        // 2 × 1024 blocks less 64 are missing: two passes over 992.
        assert_eq!(memory.iter().filter(|block| is_filled(block)).count(), 992);
    }
}

#[test]
fn of_hashes_of_more_memory_than_a_thread_keeps_one_is_verified_at_a_time() {
    let cost = cost();
    let large = Cost::new(128, 1, 1, Peppers::none()).unwrap();
    let large = large.hash("x", &mut vec![Block::default(); large.blocks()]).unwrap();
    let own = cost.hash("x", &mut memory()).unwrap();
    let under_way = cost.large.lock();
    let (sender, verified) = mpsc::channel();
    let another = cost.clone();
    thread::spawn(move || sender.send(verify(&another, "x", &large)));
    assert!(verified.recv_timeout(Duration::from_millis(200)).is_err());
    assert_eq!(verify(&cost, "x", &own), Ok((true, false)));
    drop(under_way);
    assert_eq!(verified.recv(), Ok(Ok((true, true))));
}

fn is_filled(block: &Block) -> bool {
    block.as_ref().iter().any(|word| *word != 0)
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\$?[$a-z0-9=,+/. \u{e9}-]{0,80}") {
        let _ = cost().read(&text);
    }

    #[test]
    fn nothing_near_a_hash_panics_or_lets_in(
        m in 0..2000_u32, t in 0..3_u32, p in 0..10_u32, keyid in "(,keyid=[A-Za-z0-9+/]{0,12})?",
        salt in "[A-Za-z0-9+/=é]{0,20}", output in "[A-Za-z0-9+/]{0,90}",
    ) {
        let phc = format!("$argon2id$v=19$m={m},t={t},p={p}{keyid}${salt}${output}");
        for cost in [cost(), peppered(&[PEPPER])] {
            if let Ok((matches, _)) = verify(&cost, "x", &phc) {
                prop_assert!(!matches);
            }
        }
    }

    #[test]
    fn a_hash_with_a_byte_changed_lets_nobody_in(at in 0..120_usize, byte in 0x20..0x7f_u8) {
        let cost = peppered(&[PEPPER]);
        let mut phc = cost.hash("x", &mut memory()).unwrap().into_bytes();
        let at = at % phc.len();
        prop_assume!(phc[at] != byte);
        phc[at] = byte;
        let phc = String::from_utf8(phc).unwrap();
        prop_assert!(!verify(&cost, "x", &phc).is_ok_and(|(matches, _)| matches), "{}", phc);
    }
}
