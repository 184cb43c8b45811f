/// A regular expression for the whole numbers from `least` to `most`, with any number of zeros before
/// them; it must be anchored by whoever uses it.
pub(super) fn numbers(least: u64, most: u64) -> String {
    let length = |number: u64| number.checked_ilog10().map_or(1, |log| log as usize + 1);
    let mut found = Vec::new();
    // Lengths of which every number is in it, side by side.
    let mut whole: Option<(usize, usize)> = None;
    for digits in length(least)..=length(most) {
        let smallest = if digits == 1 { 0 } else { 10_u64.pow(digits as u32 - 1) };
        let largest = 10_u64.checked_pow(digits as u32).map_or(u64::MAX, |next| next - 1);
        let (from, to) = (least.max(smallest), most.min(largest));
        if digits > 1 && from == smallest && to == largest && largest != u64::MAX {
            whole = Some(whole.map_or((digits, digits), |(first, _)| (first, digits)));
        } else if from <= to {
            between(&from.to_string(), &to.to_string(), "", &mut found);
        }
    }
    if let Some((first, last)) = whole {
        found.push(format!("[1-9][0-9]{{{},{}}}", first - 1, last - 1));
    }
    format!("0*({})", found.join("|"))
}

/// The same for numbers of one length, as digits, behind the digits `before`.
fn between(from: &str, to: &str, before: &str, found: &mut Vec<String>) {
    let (Some(low), Some(high)) = (from.chars().next(), to.chars().next()) else {
        found.push(before.to_owned());
        return;
    };
    let (from_rest, to_rest) = (&from[1..], &to[1..]);
    if low == high {
        return between(from_rest, to_rest, &format!("{before}{low}"), found);
    }
    let rest = from_rest.len();
    let mut inner = (low as u8, high as u8);
    if from_rest.bytes().any(|digit| digit != b'0') {
        between(from_rest, &"9".repeat(rest), &format!("{before}{low}"), found);
        inner.0 += 1;
    }
    let ends_early = to_rest.bytes().any(|digit| digit != b'9');
    if ends_early {
        inner.1 -= 1;
    }
    if inner.0 <= inner.1 {
        let digit = class(inner.0 as char, inner.1 as char);
        let more = match rest {
            0 => String::new(),
            1 => "[0-9]".to_owned(),
            more => format!("[0-9]{{{more}}}"),
        };
        found.push(format!("{before}{digit}{more}"));
    }
    if ends_early {
        between(&"0".repeat(rest), to_rest, &format!("{before}{high}"), found);
    }
}

fn class(from: char, to: char) -> String {
    if from == to { from.to_string() } else { format!("[{from}-{to}]") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn regex(least: u64, most: u64) -> Regex {
        Regex::new(&format!("^{}$", numbers(least, most))).unwrap()
    }

    #[test]
    fn short_ranges_are_short() {
        assert_eq!(numbers(1, 9), "0*([1-9])");
        assert_eq!(numbers(0, 65_535).matches('|').count(), 6, "{}", numbers(0, 65_535));
        assert_eq!(numbers(10, 9_999_999), "0*([1-9][0-9]{1,6})");
    }

    #[test]
    fn both_ends_and_their_neighbours_are_told_apart() {
        let ends = [0, 1, 9, 10, 11, 99, 100, 255, 256, 65_535, 86_400_000, u64::MAX - 1, u64::MAX];
        for (least, most) in ends.iter().flat_map(|least| ends.map(|most| (*least, most))) {
            if least > most {
                continue;
            }
            let regex = regex(least, most);
            for number in
                ends.iter().flat_map(|it| [it.saturating_sub(1), *it, it.saturating_add(1)])
            {
                let wanted = (least..=most).contains(&number);
                assert_eq!(regex.is_match(&number.to_string()), wanted, "{least} {number} {most}");
                assert_eq!(regex.is_match(&format!("00{number}")), wanted);
            }
            assert!(!regex.is_match("99999999999999999999") && !regex.is_match(""));
        }
    }

    proptest! {
        #[test]
        fn exactly_the_numbers_of_the_range_match(
            ends in [0_u64..2000, 0_u64..2000],
            scale in prop::sample::select(vec![1_u64, 37, 4_294_967_295]),
        ) {
            let [least, most] = [ends[0].min(ends[1]), ends[0].max(ends[1])].map(|it| it * scale);
            let regex = regex(least, most);
            for number in (0_u64..2100).map(|it| it * scale).chain([least.saturating_sub(1), most + 1]) {
                let wanted = (least..=most).contains(&number);
                prop_assert_eq!(regex.is_match(&number.to_string()), wanted, "{}", number);
            }
        }
    }
}
