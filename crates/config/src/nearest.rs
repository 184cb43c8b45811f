/// The one of `known` that takes the fewest edits to be `name`, if it is near enough to be meant.
///
/// A name of more than 100 bytes gets no answer, so that no client makes this costly.
///
/// ```
/// use gabion_config::nearest;
///
/// assert_eq!(nearest("limit.size", ["limits.size", "log.level"]), Some("limits.size"));
/// assert_eq!(nearest("colour", ["limits.size", "log.level"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing costs the product of both lengths, and the name is a client's.
    if name.len() > LONGEST {
        return None;
    }
    let farthest = 1 + name.len() / 4;
    let near = known.into_iter().filter(|own| own.len().abs_diff(name.len()) <= farthest);
    let (distance, nearest) = near.map(|own| (edits(name, own), own)).min_by_key(|(d, _)| *d)?;
    // What has nothing in common is no slip of the pen.
    (distance <= farthest && distance < nearest.chars().count()).then_some(nearest)
}

/// Bytes of the longest name that is compared.
const LONGEST: usize = 100;

/// Levenshtein's distance, counted in characters; letters of another case are near.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let substitute = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let known = ["username", "password", "roles", "id"];
        let near = |name| nearest(name, known);
        for (name, meant) in [
            ("usrname", "username"),
            ("passwrod", "password"),
            ("PASSWORD", "password"),
            ("role", "roles"),
        ] {
            assert_eq!(near(name), Some(meant), "{name}");
        }
        for stranger in ["", "x", "email", "nothing like it", &"password".repeat(20)] {
            assert_eq!(near(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in [("", "abc", 3), ("kitten", "sitting", 3), ("same", "Same", 0)] {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }
}
