/// Where in a document something stands: a chain from there up to the whole. It costs nothing until
/// it is written down.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    above: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Whole,
    Name(&'p str),
    Item(usize),
}

impl<'p> Place<'p> {
    /// The whole document.
    pub(crate) const WHOLE: Place<'static> = Place { above: None, step: Step::Whole };

    /// The member `name` of what stands here.
    pub(crate) fn name(&'p self, name: &'p str) -> Self {
        Self { above: Some(self), step: Step::Name(name) }
    }

    /// The item `index` of what stands here.
    pub(crate) fn item(&'p self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Item(index) }
    }

    /// The JSON pointer (RFC 6901 §3), of at most a kilobyte: the names are a client's, and must not
    /// make the answer long.
    pub(crate) fn pointer(&self) -> String {
        #[cfg(test)]
        written::add();
        let mut steps = Vec::new();
        let mut next = Some(self);
        while let Some(place) = next {
            steps.push(place.step);
            next = place.above;
        }
        let mut pointer = String::new();
        for step in steps.into_iter().rev().filter(|step| !matches!(step, Step::Whole)) {
            if pointer.len() > LONGEST {
                break;
            }
            match step {
                Step::Whole => {}
                Step::Name(name) => push(&mut pointer, name),
                Step::Item(index) => push(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }
}

/// The JSON pointer (RFC 6901 §3) of a path as libraries for validation write it: `items[0].a` is
/// `/items/0/a`. Of at most a kilobyte, as every pointer of a fault.
///
/// In such a path a name with a dot or a bracket, as the key of a map may be, looks like two steps, and
/// is read as two.
///
/// ```
/// use gabion_tower::json::pointer;
///
/// assert_eq!(pointer("items[0].a"), "/items/0/a");
/// assert_eq!(pointer("[2][1].rate/s"), "/2/1/rate~1s");
/// assert_eq!(pointer(""), "");
/// ```
#[must_use]
pub fn pointer(path: &str) -> String {
    let mut pointer = String::new();
    // A list begins with its bracket.
    let path = path.strip_prefix('[').unwrap_or(path);
    if path.is_empty() {
        return pointer;
    }
    for step in path.split(['.', '[']) {
        if pointer.len() > LONGEST {
            break;
        }
        let digits = |index: &&str| index.bytes().all(|byte| byte.is_ascii_digit());
        push(&mut pointer, step.strip_suffix(']').filter(digits).unwrap_or(step));
    }
    pointer
}

fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    step.chars().take(LONGEST_NAME).for_each(|c| match c {
        '~' => pointer.push_str("~0"),
        '/' => pointer.push_str("~1"),
        c => pointer.push(c),
    });
}

/// How often something was written down for an answer on this thread: what tests count instead of time.
#[cfg(test)]
pub(crate) mod written {
    use std::cell::Cell;

    thread_local! {
        static WRITTEN: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts one more.
    pub(crate) fn add() {
        WRITTEN.set(WRITTEN.get() + 1);
    }

    /// How often while `work` was done.
    pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = WRITTEN.get();
        let done = work();
        (done, WRITTEN.get() - before)
    }
}

/// Characters of one name.
const LONGEST_NAME: usize = 64;
/// Bytes after which no further step is written.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_each_step_and_escapes_names() {
        assert_eq!(Place::WHOLE.pointer(), "");
        let (whole, name) = (Place::WHOLE, "a/b~c");
        let list = whole.name(name);
        assert_eq!(list.item(7).name("").pointer(), "/a~1b~0c/7/");
    }

    #[test]
    fn a_path_of_another_library_becomes_a_pointer() {
        for (path, wanted) in [
            ("a", "/a"),
            ("a.b", "/a/b"),
            ("a[0]", "/a/0"),
            ("a[0][12].b", "/a/0/12/b"),
            ("[0].a", "/0/a"),
            ("a/b.c~d", "/a~1b/c~0d"),
            ("a].b", "/a]/b"),
            ("a..b", "/a//b"),
        ] {
            assert_eq!(pointer(path), wanted, "{path}");
        }
        assert!(pointer(&"[1]".repeat(10_000)).len() < 1024);
        assert!(pointer(&"\u{1f600}".repeat(10_000)).len() < 1024);
    }

    #[test]
    fn a_pointer_is_bounded_whatever_the_names_are() {
        fn descend(place: &Place<'_>, left: usize) -> usize {
            let name = "\u{1f600}".repeat(1000);
            match left {
                0 => place.pointer().len(),
                left => descend(&place.name(&name), left - 1),
            }
        }
        assert!(descend(&Place::WHOLE, 100) < 1024);
    }
}
