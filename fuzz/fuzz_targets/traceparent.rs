//! The `traceparent` header against its grammar (W3C Trace Context, §3.2), written with strings.

#![no_main]

use gabion_monitor::TraceContext;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let read = TraceContext::parse(bytes);
    // What a later version appends may be any bytes.
    let expected = expected(&String::from_utf8_lossy(bytes));
    assert_eq!(read.map(|it| (it.trace_id, it.parent_id, it.sampled)), expected);
    if let Some(context) = read {
        assert_eq!(TraceContext::parse(context.to_header_value().as_bytes()), Some(context));
    }
});

fn expected(text: &str) -> Option<(u128, u64, bool)> {
    let fields: Vec<&str> = text.splitn(5, '-').collect();
    let [version, trace_id, parent_id, flags] = fields.get(..4)? else { return None };
    let lower_hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    };
    let well_formed = lower_hex(version, 2)
        && lower_hex(trace_id, 32)
        && lower_hex(parent_id, 16)
        && lower_hex(flags, 2)
        && *version != "ff"
        && (*version != "00" || fields.len() == 4);
    let trace_id = u128::from_str_radix(trace_id, 16).ok()?;
    let parent_id = u64::from_str_radix(parent_id, 16).ok()?;
    let sampled = u8::from_str_radix(flags, 16).ok()? % 2 == 1;
    (well_formed && trace_id != 0 && parent_id != 0).then_some((trace_id, parent_id, sampled))
}
