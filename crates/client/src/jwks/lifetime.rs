use std::time::Duration;

use http::{
    HeaderMap,
    header::{AGE, CACHE_CONTROL},
};

use super::JwksConfig;

/// How long the answer with these header fields may be used (RFC 9111 §4.2, §5.2.2).
///
/// It is `max-age` less the `Age` that a cache on the way reports, inside the configured bounds. What
/// forbids storing, or cannot be understood, means the shortest time: a key set must be kept at least
/// so long that a stranger's tokens cannot cause a fetch each.
pub(super) fn lifetime(headers: &HeaderMap, config: &JwksConfig) -> Duration {
    let least = config.min_lifetime;
    let most = config.max_lifetime.max(least);
    let told = match freshness(headers) {
        Freshness::Told(seconds) => Duration::from_secs(seconds.saturating_sub(age(headers))),
        Freshness::Forbidden => Duration::ZERO,
        Freshness::Untold => config.default_lifetime,
    };
    told.clamp(least, most)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// `max-age`, in seconds; of several the smallest.
    Told(u64),
    /// `no-store`, `no-cache`, or a `max-age` that is none.
    Forbidden,
    Untold,
}

fn freshness(headers: &HeaderMap) -> Freshness {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut found = Freshness::Untold;
    for directive in values.flat_map(|value| value.split(',')) {
        let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        if ["no-store", "no-cache"].iter().any(|no| name.eq_ignore_ascii_case(no)) {
            return Freshness::Forbidden;
        }
        if !name.eq_ignore_ascii_case("max-age") {
            continue;
        }
        let Some(seconds) = seconds(argument) else { return Freshness::Forbidden };
        found = match found {
            Freshness::Told(other) => Freshness::Told(other.min(seconds)),
            _ => Freshness::Told(seconds),
        };
    }
    found
}

fn age(headers: &HeaderMap) -> u64 {
    let age = headers.get(AGE).and_then(|value| value.to_str().ok());
    age.and_then(seconds).unwrap_or(0)
}

/// Digits, plain or quoted; more than fit are very many.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let digits = quoted.unwrap_or(text);
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(fields: &[(&str, &str)]) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        lifetime(&headers, &JwksConfig::default()).as_secs()
    }

    #[test]
    fn the_issuer_says_how_long() {
        for (control, expected) in [
            ("max-age=3600", 3600),
            ("public, max-age=3600, must-revalidate", 3600),
            ("MAX-AGE = 3600", 3600),
            ("max-age=\"3600\"", 3600),
            ("max-age=3600,max-age=600", 600),
            ("s-maxage=5, max-age=3600", 3600),
            (",, max-age=3600 ,", 3600),
        ] {
            assert_eq!(of(&[("cache-control", control)]), expected, "{control}");
        }
        assert_eq!(of(&[("cache-control", "public"), ("cache-control", "max-age=700")]), 700);
    }

    #[test]
    fn the_bounds_hold_whatever_it_says() {
        for (control, expected) in [
            ("max-age=0", 60),
            ("max-age=59", 60),
            ("no-store", 60),
            ("max-age=3600, No-Store", 60),
            ("no-cache=\"x\", max-age=3600", 60),
            ("max-age=-1", 60),
            ("max-age=", 60),
            ("max-age", 60),
            ("max-age=1.5", 60),
            ("max-age=+90", 60),
            ("max-age=99999999999999999999999999", 86_400),
            ("max-age=86401", 86_400),
        ] {
            assert_eq!(of(&[("cache-control", control)]), expected, "{control}");
        }
    }

    #[test]
    fn silence_means_the_default() {
        for fields in [&[][..], &[("cache-control", "")], &[("cache-control", "public")]] {
            assert_eq!(of(fields), 600);
        }
        assert_eq!(of(&[("age", "300")]), 600);
    }

    #[test]
    fn what_a_cache_on_the_way_used_up_is_taken_off() {
        let control = ("cache-control", "max-age=3600");
        assert_eq!(of(&[control, ("age", "600")]), 3000);
        assert_eq!(of(&[control, ("age", "4000")]), 60);
        assert_eq!(of(&[control, ("age", "a while")]), 3600);
    }

    #[test]
    fn bounds_that_cross_mean_the_shortest_time() {
        let config = JwksConfig {
            min_lifetime: Duration::from_secs(90),
            max_lifetime: Duration::from_secs(10),
            ..JwksConfig::default()
        };
        assert_eq!(lifetime(&HeaderMap::new(), &config), Duration::from_secs(90));
    }

    proptest! {
        #[test]
        fn any_field_gives_a_time_inside_the_bounds(
            control in "[ -~]{0,40}|(max-age|no-store|,|=|\"|[0-9]{1,25}| ){0,8}",
            age in "[ -~]{0,12}",
        ) {
            let seconds = of(&[("cache-control", &control), ("age", &age)]);
            prop_assert!((60..=86_400).contains(&seconds), "{seconds}");
        }
    }
}
