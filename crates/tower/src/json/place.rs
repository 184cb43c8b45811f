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
            pointer.push('/');
            match step {
                Step::Whole => {}
                Step::Name(name) => name.chars().take(LONGEST_NAME).for_each(|c| match c {
                    '~' => pointer.push_str("~0"),
                    '/' => pointer.push_str("~1"),
                    c => pointer.push(c),
                }),
                Step::Item(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
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
