use std::fs;

use proptest::prelude::*;

use super::*;

/// A file that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(content: &[u8]) -> Self {
        let name = format!("gabion-blocklist-{:032x}", rand::random::<u128>());
        let scratch = Self(std::env::temp_dir().join(name));
        fs::write(&scratch.0, content).unwrap();
        scratch
    }

    fn list(&self) -> Result<Blocklist, BlocklistError> {
        Blocklist::with_file(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn is_refused(password: &str) -> bool {
    Blocklist::shipped().contains(password).unwrap()
}

fn entries() -> Vec<String> {
    Entries::shipped().all().collect()
}

/// Fewest code points that the policy takes.
const LONG: usize = 15;

// ASVS 6.2.4: the most common passwords that match the policy, and 3000 of them at least.
#[test]
fn every_entry_of_the_policys_length_is_refused() {
    let long: Vec<String> =
        entries().into_iter().filter(|entry| entry.chars().count() >= LONG).collect();
    assert!(long.len() >= 40_000, "{}", long.len());
    for entry in &long {
        assert!(is_refused(entry), "{entry}");
        assert_eq!(fold(entry).as_str(), entry, "it could not be found");
    }
}

// ASVS 6.2.4
#[test]
fn derivation_reaches_far_more_than_three_thousand() {
    let all = entries();
    // A few, so that the test is quick; each form of one is another password.
    let mut reached = 0;
    for entry in all.iter().step_by(1999) {
        for form in forms_of(entry).into_iter().filter(|form| form.chars().count() >= LONG) {
            assert!(is_refused(&form), "{form} of {entry}");
            reached += 1;
        }
    }
    assert!(reached >= 3000, "{reached}");
}

/// Some of what people make of a password.
fn forms_of(entry: &str) -> Vec<String> {
    let backwards: String = entry.chars().rev().collect();
    let mut forms = vec![entry.repeat(2), entry.repeat(3), entry.to_uppercase(), backwards.clone()];
    forms.push(format!("{entry}{backwards}"));
    for sign in [" ", "-", "_", "."] {
        forms.push(format!("{entry}{sign}{entry}"));
        forms.push(format!("{entry}{sign}{entry}{sign}{entry}"));
    }
    for tail in [
        "1",
        "12",
        "123",
        "1234",
        "12345",
        "123456",
        "1234567890",
        "00",
        "1111",
        "1987",
        "2026",
        "!",
        "!!",
        "123!",
        "1!",
        "@2025",
        "#1",
        " 99",
        "_2024!",
        "01011990",
        "310899",
        "abc123",
        "qwerty",
    ] {
        forms.push(format!("{entry}{tail}"));
        forms.push(format!("{tail}{entry}"));
        forms.push(format!("{entry}{tail}").repeat(2));
        forms.push(format!("{entry}{entry}{tail}"));
    }
    forms.push(format!("!{entry}2024!"));
    // What folds to something longer in upper case is another text.
    forms.retain(|form| fold(form).chars().count() == form.chars().count());
    forms
}

#[test]
fn what_people_type_is_refused() {
    for common in [
        "letmeinletmein1234",
        "iloveyouiloveyou",
        "1q2w3e4r5t6y7u8i9o",
        "aaaaaaaaaaaaaaaaaaaa",
        "CorrectHorseBatteryStaple",
        "correct horse battery staple",
        "Correct-Horse-Battery-Staple1!",
        "qwertyuiop12345",
        "qwertyuiopasdfghjkl",
        "poiuytrewq0987654321",
        "111222333444555",
        "1qaz2wsx3edc4rfv5tgb",
        "zxcvbnmasdfghjkl",
        "123456789012345678",
        "abcdefghijklmnop",
        "zyxwvutsrqponmlk",
        "P@ssw0rdP@ssw0rd",
        "p4$$w0rd12345678",
        "Summer2024!Summer2024!",
        "drowssap12345678",
        "passworddrowssap",
        "xq9!xq9!xq9!xq9!",
        "Let me in, let me in",
        "ThisIsMyPassword123!",
    ] {
        assert!(is_refused(common), "{common}");
    }
}

// ASVS 6.2.12: the whole password is compared.
#[test]
fn an_entry_with_other_words_is_not_refused() {
    for entry in entries().iter().step_by(101) {
        for longer in [format!("{entry} velvet kayak"), format!("velvet kayak {entry}")] {
            assert!(!is_refused(&longer), "{longer}");
        }
    }
    for good in [
        "velvet kayak outruns mildew",
        "granite otter 78 marbles",
        "žluťoučký kůň úpěl",
        "wq9-ktz7vbmx2gé",
        "hW7kQ2zP9xR4mT6v",
        "4821-9937-2206-5518",
        "",
        "x",
        "é",
        "\u{0}",
    ] {
        assert!(!is_refused(good), "{good}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_form_of_an_entry_is_refused(at in 0..100_000_usize) {
        let all = Entries::shipped();
        let entry = all.all().nth(at % all.count).unwrap();
        for form in forms_of(&entry) {
            prop_assert!(is_refused(&form), "{} of {}", form, entry);
        }
    }

}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-c0-3!@$ .\u{e9}\u{301}\u{130}]{0,40}|\\PC{0,40}") {
        let _ = is_refused(&text);
    }

    #[test]
    fn random_letters_are_not_refused(text in "[b-df-hj-np-tv-z]{5}[2-9][b-df-hj-np-tv-z]{5}[2-9][b-df-hj-np-tv-z]{6}") {
        prop_assert!(!is_refused(&text), "{}", text);
    }
}

#[test]
fn an_operators_text_is_read_line_by_line() {
    let long = "x9".repeat(2500);
    let text = format!("Our Company Motto\r\n\n{long}\nCafe\u{301} Gabion\n\u{0}\nlast line");
    let scratch = Scratch::new(text.as_bytes());
    let list = scratch.list().unwrap();
    for refused in ["our company motto", "caf\u{e9} gabion", "last line"] {
        assert!(list.contains(refused).unwrap(), "{refused}");
    }
    assert!(!list.contains("").unwrap() && !list.contains("company motto of ours").unwrap());
    assert_eq!(list.own_entries(), 4);
}

#[test]
fn what_is_no_text_is_refused_and_a_stray_line_is_not() {
    let scratch = Scratch::new(b"\x1f\x8b\x08\n\xff\xfe\n\x80\x81\x82\nx");
    assert!(matches!(scratch.list(), Err(BlocklistError::Foreign(_))));
    let scratch = Scratch::new(b"one line\n\xe9t\xe9\nanother line\n");
    assert_eq!(scratch.list().unwrap().own_entries(), 2);
}

#[test]
fn a_text_of_too_many_lines_names_the_command_that_helps() {
    let scratch = Scratch::new(&b"x\n".repeat(plain::MAX_ENTRIES + 1));
    let told = scratch.list().err().unwrap().to_string();
    assert!(told.contains("gabion blocklist build"), "{told}");
}

#[test]
fn a_list_that_is_not_there_is_named() {
    let told = Blocklist::with_file(Path::new("/nowhere/list")).err().unwrap().to_string();
    assert!(told.contains("/nowhere/list"), "{told}");
}
