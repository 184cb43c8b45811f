//! The text formats of `/proc` and of control groups, as functions of text.

/// A limit at least this large is none: version 1 writes "unlimited" as the largest page count.
const NO_LIMIT: u64 = 1 << 60;

/// The number behind `key` in a file of `key value` lines, as `cpu.stat` and `/proc/stat`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Resident bytes from `/proc/PID/status`.
pub(super) fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// Field 22 of `/proc/PID/stat`: the start after boot, in ticks.
///
/// Field 2 is the program's name in parentheses and may hold anything, so fields are counted from
/// the last closing one.
pub(super) fn start_ticks(stat: &str) -> Option<u64> {
    let (_, from_field_3) = stat.rsplit_once(')')?;
    from_field_3.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Cores from `cpu.max` of version 2: quota and period, in the same unit.
pub(super) fn quota(cpu_max: &str) -> Option<f64> {
    let (quota, period) = cpu_max.trim().split_once(' ')?;
    cores(quota, period)
}

/// Cores from `cpu.cfs_quota_us` and `cpu.cfs_period_us` of version 1; without a quota it is -1.
pub(super) fn cores(quota: &str, period: &str) -> Option<f64> {
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok()?;
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// Bytes from a file of one number; `max` and absurd numbers are no limit.
pub(super) fn limit(text: &str) -> Option<u64> {
    number(text).filter(|limit| *limit < NO_LIMIT)
}

/// A file of one number.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Micro-seconds of `total=` in the line `kind` (`some` or `full`) of a pressure file.
pub(super) fn stalled(pressure: &str, kind: &str) -> Option<u64> {
    let line = pressure.lines().find_map(|line| line.strip_prefix(kind))?;
    let total = line.split_ascii_whitespace().find_map(|field| field.strip_prefix("total="))?;
    total.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_found_whole() {
        let text = "nr_periods 7\nnr_throttled_ever 9\nnr_throttled 3\n";
        assert_eq!(keyed(text, "nr_throttled"), Some(3));
        assert_eq!(keyed(text, "nr_thr"), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        let status = "Name:\tgabion\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(resident(status), Some(1 << 20));
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_start() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 99 0 0 0 1 2 0 0 20 0 1 0 146285 3133440 383";
        assert_eq!(start_ticks(stat), Some(146_285));
    }

    #[test]
    fn a_quota_is_told_in_cores() {
        assert_eq!(quota("150000 100000\n"), Some(1.5));
        assert_eq!(quota("max 100000\n"), None);
        assert_eq!(cores("50000\n", "100000\n"), Some(0.5));
        assert_eq!(cores("-1\n", "100000\n"), None);
        assert_eq!(cores("0", "0"), None);
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit("2147483648\n"), Some(2 << 30));
    }

    #[test]
    fn pressure_is_the_total_of_its_line() {
        let text = "some avg10=1.03 avg60=1.54 avg300=0.96 total=30962623\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=12\n";
        assert_eq!(stalled(text, "some"), Some(30_962_623));
        assert_eq!(stalled(text, "full"), Some(12));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[ -~\n]{0,200}|\\PC{0,80}") {
            let _ = (resident(&text), start_ticks(&text), quota(&text), limit(&text));
            let _ = (keyed(&text, "a"), stalled(&text, "some"), cores(&text, &text));
        }
    }
}
