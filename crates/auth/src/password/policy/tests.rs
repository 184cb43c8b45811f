use std::time::Duration;

use gabion_clock::{Clock, SystemClock};
use proptest::prelude::*;

use super::*;

fn policy() -> PasswordPolicy {
    PasswordPolicy::new(&PasswordConfig::default(), Blocklist::shipped()).unwrap()
}

fn faults(password: &str) -> Vec<PolicyFault> {
    judge(password, &["ann.miller", "gabion"])
}

fn judge(password: &str, own_words: &[&str]) -> Vec<PolicyFault> {
    match policy().check(password, own_words) {
        Ok(_) => Vec::new(),
        Err(PolicyError::Refused(faults)) => faults,
        Err(error) => panic!("{error}"),
    }
}

const GOOD: &str = "velvet kayak outruns mildew";

// ASVS 6.2.1
#[test]
fn length_counts_code_points_and_fifteen_are_enough() {
    assert_eq!(faults("wq9-ktz7vbmx2g"), [PolicyFault::TooShort(15)]);
    assert_eq!(faults("wq9-ktz7vbmx2gé"), []);
    assert_eq!(faults("žluťoučký kůň 7"), []);
}

// ASVS 6.2.5, 6.2.9
#[test]
fn no_composition_is_asked_for_and_long_ones_are_taken() {
    assert_eq!(faults(GOOD), []);
    for length in [64, 256] {
        let long: String = GOOD.chars().cycle().take(length).collect();
        assert_eq!(faults(&long), [], "{length}");
    }
    let too_long: String = GOOD.chars().cycle().take(257).collect();
    assert_eq!(faults(&too_long), [PolicyFault::TooLong(256)]);
}

// ASVS 6.2.4, 6.2.12
#[test]
fn common_passwords_are_refused_whole_and_in_any_case_but_not_as_a_part() {
    for common in ["passwordpassword", "PasswordPassword", "qwertyuiopasdfgh"] {
        assert!(faults(common).contains(&PolicyFault::Blocked), "{common}");
        let longer = format!("{common} and velvet kayaks outrun mildew");
        assert_eq!(faults(&longer), [], "{longer}");
    }
}

#[test]
fn ones_own_name_adds_no_strength() {
    assert_eq!(faults("gabionann.miller"), [PolicyFault::Guessable]);
}

#[test]
fn every_reason_is_told_at_once() {
    let told = faults("password");
    assert!(told.contains(&PolicyFault::TooShort(15)), "{told:?}");
    assert!(told.contains(&PolicyFault::Blocked), "{told:?}");
    assert!(told.contains(&PolicyFault::Guessable), "{told:?}");
    let field = told[0].at("/new");
    assert_eq!((field.pointer.as_str(), field.code), ("/new", "length"));
}

#[test]
fn own_words_count_in_their_parts_backwards_and_disguised() {
    let own = ["annegret.hofmann1987@corp-portal.example", "timesheets"];
    for guessable in [
        "annegrethofmann",
        "Hofmann.Annegret",
        "hofmann1987annegret",
        "tergenna-nnamfoh",
        "4nnegreth0fm4nn",
        "corp-portal-1987",
        "timesheets-annegret",
        "annegret@corp-portal",
    ] {
        assert!(judge(guessable, &own).contains(&PolicyFault::Guessable), "{guessable}");
    }
    assert_eq!(judge(GOOD, &own), []);
    assert_eq!(judge("annegret paddles velvet kayaks", &own), []);
}

#[test]
fn own_words_are_few_and_short() {
    let many: Vec<String> = (0..100).map(|number| format!("{number}-word{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(parts(&many).len(), MAX_OWN_WORDS);
    assert_eq!(parts(&[&"x".repeat(65), "ab", "", "\u{e9}\u{e9}\u{e9}"]), ["\u{e9}\u{e9}\u{e9}"]);
    let split = parts(&["ann.miller1987@corp"]);
    assert_eq!(split, ["ann.miller1987@corp", "miller1987", "miller", "corp", "1987", "ann"]);
}

#[test]
fn several_words_are_strong_wherever_they_stand() {
    for strong in [
        "granite otter 78 marbles",
        "my dog has three legs and loves cheese",
        "pneumatic-hippopotamus",
        "tuesday evenings smell of burnt toast",
        "ein kühles blondes im alten hafen",
        "hW7kQ2zP9xR4mT6v",
        "international administration entertainment",
    ] {
        assert_eq!(faults(strong), [], "{strong}");
    }
    for weak in ["password password password", "monday tuesday", "the the the the the the"] {
        assert!(faults(weak).contains(&PolicyFault::Guessable), "{weak}");
    }
}

// The advisory class "zxcvbn long input": 20 to 90 ms each without optimisation of this crate.
#[test]
fn a_text_made_to_take_long_takes_little() {
    let (policy, clock) = (policy(), SystemClock::new());
    let disguised = "4@8({[<369!1|70$5+7%2";
    for slow in [disguised, "a", "1234567890", "12", "4a", "2024-01-01", "aA4@bB8cC({[<eE3gG69iI1!"]
    {
        let text: String = slow.chars().cycle().take(256).collect();
        let begun = clock.now();
        let own = ["annegret.hofmann1987@corp-portal.example", "timesheets"];
        let _ = policy.check(&text, &own);
        let took = clock.now().saturating_since(begun);
        assert!(took < Duration::from_secs(1), "{slow}: {took:?}");
    }
}

#[test]
fn a_weak_beginning_does_not_make_a_long_password_weak() {
    let dull = "a".repeat(120);
    assert_eq!(faults(&dull), [PolicyFault::Blocked, PolicyFault::Guessable]);
    assert_eq!(faults(&format!("{dull}{GOOD}")), []);
}

#[test]
fn composed_and_decomposed_letters_are_one_password() {
    let (composed, decomposed) = ("caf\u{e9} velvet kayak", "cafe\u{301} velvet kayak");
    let policy = policy();
    let normal = |password| policy.check(password, &[]).unwrap();
    assert_eq!(normal(composed), normal(decomposed));
}

#[test]
fn more_than_a_kilobyte_is_refused_before_it_is_read() {
    assert_eq!(faults(&"é".repeat(1 << 19)), [PolicyFault::TooManyBytes]);
}

#[test]
fn a_policy_that_nothing_satisfies_is_refused() {
    let config = PasswordConfig { min_length: 20, max_length: 19, ..PasswordConfig::default() };
    assert!(PasswordPolicy::new(&config, Blocklist::shipped()).is_err());
}

proptest! {
    // What zxcvbn counts overflows for longer texts: 100 keys of a walk with many turns, for one.
    #[test]
    fn no_text_is_too_much_for_the_score(
        text in "[qazwsxedc]{0,100}|[a-c1-3 ]{0,100}|[aA4@!1|7$5]{0,60}|\\PC{0,40}",
        own in "\\PC{0,70}|[a-c1-3.]{0,40}",
    ) {
        let _ = policy().is_strong(&text, &parts(&[&own]));
    }

    #[test]
    fn what_is_made_of_own_words_and_signs_alone_is_guessable(
        text in "(ann|miller|1987|shop|[ ._-]){1,12}",
    ) {
        prop_assert!(!policy().is_strong(&text, &parts(&["ann.miller1987", "shop"])));
    }
}
