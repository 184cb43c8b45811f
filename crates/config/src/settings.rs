use crate::{Key, Reader};

/// A group of settings; written by [`settings!`](crate::settings!).
pub trait Settings: Sized {
    /// Appends the declaration of every key below `path`; `self` holds the defaults.
    fn declare(&self, path: &str, keys: &mut Vec<Key>);

    /// Reads the group below `path`; `self` holds the defaults. Mistakes are noted in `reader`, and
    /// the default stands in for what is wrong.
    #[must_use]
    fn read(&self, path: &str, reader: &mut Reader) -> Self;
}

/// Declares a group of settings: a struct, `Default` and [`Settings`]. The fields are as visible as
/// the struct.
///
/// Each line is a kind, a name, a type, a default and, where one applies, what is accepted:
///
/// - `live name: Type = default, in range;` a reload applies it;
/// - `restart name: Type = default, in range;` it needs a restart;
/// - `section name: Group = default;` another group below this one.
///
/// The range is a `RangeInclusive` or, for text, a slice of words. See the
/// [crate docs](crate) for an example.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $group_doc:literal])*
        $vis:vis struct $group:ident {$(
            $(#[doc = $doc:literal])*
            $kind:ident $name:ident: $type:ty = $default:expr $(, in $range:expr)?;
        )*}
    ) => {
        $(#[doc = $group_doc])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $group {$(
            $(#[doc = $doc])*
            $vis $name: $type,
        )*}

        impl ::core::default::Default for $group {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $crate::Settings for $group {
            fn declare(&self, path: &str, keys: &mut ::std::vec::Vec<$crate::Key>) {
                $($crate::settings!(@declare $kind self.$name, path, keys, [$($doc)*] $(, $range)?);)*
            }

            fn read(&self, path: &str, reader: &mut $crate::Reader) -> Self {
                Self { $($name: $crate::settings!(@read $kind self.$name, path, reader $(, $range)?),)* }
            }
        }
    };

    (@declare section $self:ident.$name:ident, $path:ident, $keys:ident, $doc:tt) => {
        $crate::Settings::declare(&$self.$name, &$crate::join($path, stringify!($name)), $keys)
    };
    (@declare $kind:ident $self:ident.$name:ident, $path:ident, $keys:ident, [$($doc:literal)*] $(, $range:expr)?) => {
        $keys.push($crate::declare(
            $crate::join($path, stringify!($name)),
            &$self.$name,
            $crate::settings!(@change $kind),
            &[$($doc),*],
            $crate::settings!(@range $($range)?),
        ))
    };

    (@read section $self:ident.$name:ident, $path:ident, $reader:ident) => {
        $crate::Settings::read(&$self.$name, &$crate::join($path, stringify!($name)), $reader)
    };
    (@read $kind:ident $self:ident.$name:ident, $path:ident, $reader:ident $(, $range:expr)?) => {
        $reader.setting(
            &$crate::join($path, stringify!($name)),
            &$self.$name,
            $crate::settings!(@range $($range)?),
        )
    };

    (@change live) => { $crate::Change::Live };
    (@change restart) => { $crate::Change::Restart };

    (@range) => { ::core::option::Option::None };
    (@range $range:expr) => { ::core::option::Option::Some(&$range) };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Change, Value};

    settings! {
        /// Inner.
        struct Inner {
            /// How long.
            live wait: Duration = Duration::from_secs(5), in Duration::from_millis(1)..=Duration::from_secs(60);
        }
    }

    settings! {
        /// Outer.
        struct Outer {
            /// Which way.
            restart mode: String = String::from("on"), in ["on", "off"].as_slice();
            /// The first.
            section first: Inner = Inner::default();
            /// The second has another default.
            section second: Inner = Inner { wait: Duration::from_secs(7) };
        }
    }

    #[test]
    fn each_key_is_declared_once_with_default_and_range() {
        let mut keys = Vec::new();
        Outer::default().declare("", &mut keys);
        let paths: Vec<_> = keys.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["mode", "first.wait", "second.wait"]);
        assert_eq!(keys[0].change, Change::Restart);
        assert_eq!(keys[2].default, Value::Text("7s".into()));
        assert!(keys[2].accepts.ends_with("1ms to 1m"), "{}", keys[2].accepts);
        assert_eq!(keys[2].doc, [" How long."]);
    }

    #[test]
    fn values_inside_the_range_are_read_and_the_rest_stays_default() {
        let mut reader = Reader::from_text([("first.wait", "10ms"), ("mode", "off")]);
        let outer = Outer::default().read("", &mut reader);
        assert_eq!(reader.finish(), []);
        assert_eq!(outer.first.wait, Duration::from_millis(10));
        assert_eq!(outer.second.wait, Duration::from_secs(7));
        assert_eq!(outer.mode, "off");
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_what_is_accepted() {
        let mut reader =
            Reader::from_text([("first.wait", "2m"), ("mode", "maybe"), ("frist.wait", "1s")]);
        let outer = Outer::default().read("", &mut reader);
        assert_eq!(outer, Outer::default());
        let findings: Vec<_> = reader.finish().iter().map(ToString::to_string).collect();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings.iter().any(|f| f.contains("1ms to 1m")), "{findings:?}");
        assert!(findings.iter().any(|f| f.contains("on, off")), "{findings:?}");
        assert!(findings.iter().any(|f| f.contains("did you mean first.wait?")), "{findings:?}");
    }
}
