use super::*;

fn policy() -> PasswordPolicy {
    PasswordPolicy::new(&PasswordConfig::default(), Blocklist::shipped()).unwrap()
}

fn faults(password: &str) -> Vec<PolicyFault> {
    policy().check(password, &["ann.miller", "gabion"]).err().unwrap_or_default()
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
fn a_weak_beginning_does_not_make_a_long_password_weak() {
    let dull = "a".repeat(120);
    assert_eq!(faults(&dull), [PolicyFault::Guessable]);
    assert_eq!(faults(&format!("{dull}{GOOD}")), []);
}

#[test]
fn composed_and_decomposed_letters_are_one_password() {
    let (composed, decomposed) = ("caf\u{e9} velvet kayak", "cafe\u{301} velvet kayak");
    let policy = policy();
    assert_eq!(policy.check(composed, &[]).unwrap(), policy.check(decomposed, &[]).unwrap());
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
