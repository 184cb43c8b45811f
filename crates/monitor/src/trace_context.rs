use std::fmt;

use http::HeaderValue;

/// `00-` + 32 hex digits + `-` + 16 hex digits + `-` + 2 hex digits.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// A place in a distributed trace: the value of a `traceparent` header (W3C Trace Context, §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace that the request belongs to; never zero.
    pub trace_id: u128,
    /// The span that caused the request; never zero.
    pub parent_id: u64,
    /// Whether the caller may have recorded it.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. `None` when it is not valid: the caller then begins a new trace.
    ///
    /// A version after `00` is read as far as `00` goes, as §3.2.4 asks; `ff` is forbidden.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let fields = header.get(..LENGTH)?;
        if fields[2] != b'-' || fields[35] != b'-' || fields[52] != b'-' {
            return None;
        }
        let version = hex(&fields[..2])?;
        let ends_here = header.len() == LENGTH;
        let may_go_on = version > 0 && header.get(LENGTH) == Some(&b'-');
        if version == 0xff || !(ends_here || may_go_on) {
            return None;
        }
        let trace_id = hex(&fields[3..35])?;
        let parent_id = u64::try_from(hex(&fields[36..52])?).ok()?;
        let flags = u8::try_from(hex(&fields[53..])?).ok()?;
        (trace_id != 0 && parent_id != 0).then_some(Self {
            trace_id,
            parent_id,
            sampled: flags & SAMPLED != 0,
        })
    }

    /// The first span of a new trace, not sampled.
    #[must_use]
    pub fn begin() -> Self {
        // One in 2^128: `| 1` would cost a random bit of every id instead.
        let trace_id = rand::random::<u128>().max(1);
        Self { trace_id, parent_id: span_id(), sampled: false }
    }

    /// The same trace with a new span of ours as the parent of what follows.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { parent_id: span_id(), ..*self }
    }

    /// The value of the `traceparent` header to send.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        // Hex digits and hyphens are header text, so the fallback is never taken.
        HeaderValue::try_from(self.to_string()).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn span_id() -> u64 {
    rand::random::<u64>().max(1)
}

/// Lower case only (§3.2.2); at most 32 digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

impl fmt::Display for TraceContext {
    /// As version `00` of the header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled) * SAMPLED;
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.parent_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(text: &str) -> Option<TraceContext> {
        TraceContext::parse(text.as_bytes())
    }

    #[test]
    fn a_valid_header_is_read_and_written_back() {
        let context = parse(VALID).unwrap();
        assert_eq!(context.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!(context.parent_id, 0xb7ad_6b71_6920_3331);
        assert!(context.sampled);
        assert_eq!(context.to_header_value(), VALID);
    }

    #[test]
    fn zero_ids_are_refused() {
        assert_eq!(parse("00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
        assert_eq!(parse("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), None);
    }

    #[test]
    fn upper_case_is_refused() {
        assert_eq!(parse(&VALID.replace("af", "AF")), None);
    }

    #[test]
    fn version_zero_must_end_after_the_flags() {
        assert_eq!(parse(&format!("{VALID}-x")), None);
        assert_eq!(parse(&format!("{VALID}.")), None);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = VALID.replacen("00", "cc", 1);
        assert_eq!(parse(&later), parse(VALID));
        assert_eq!(parse(&format!("{later}-what-comes")), parse(VALID));
        assert_eq!(parse(&format!("{later}.what")), None);
    }

    #[test]
    fn the_forbidden_version_is_refused() {
        assert_eq!(parse(&VALID.replacen("00", "ff", 1)), None);
    }

    #[test]
    fn only_the_sampled_flag_is_passed_on() {
        let context = parse(&VALID.replace("-01", "-fe")).unwrap();
        assert!(context.to_string().ends_with("-00"));
    }

    #[test]
    fn a_child_stays_in_the_trace_under_a_new_span() {
        let parent = parse(VALID).unwrap();
        let child = parent.child();
        assert_eq!((child.trace_id, child.sampled), (parent.trace_id, parent.sampled));
        assert_ne!(child.parent_id, parent.parent_id);
    }

    #[test]
    fn a_new_trace_is_a_valid_one() {
        let context = TraceContext::begin();
        assert_eq!(parse(&context.to_string()), Some(context));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(context) = TraceContext::parse(&bytes) {
                prop_assert_eq!(TraceContext::parse(context.to_string().as_bytes()), Some(context));
            }
        }

        #[test]
        fn what_is_written_reads_back(trace_id in 1..=u128::MAX, parent_id in 1..=u64::MAX, sampled: bool) {
            let context = TraceContext { trace_id, parent_id, sampled };
            prop_assert_eq!(parse(&context.to_string()), Some(context));
        }
    }
}
