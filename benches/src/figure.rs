//! How figures are written.

use std::time::Duration;

/// A count in groups of three digits: `1 000 000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// A requests-per-second figure.
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", count(per_second.round() as u64))
}

/// A time in the unit that suits it.
#[must_use]
pub fn time(time: Duration) -> String {
    let nanos = time.as_nanos() as f64;
    match nanos {
        ..1e3 => format!("{nanos:.0} ns"),
        1e3..1e6 => format!("{:.1} µs", nanos / 1e3),
        1e6..1e9 => format!("{:.2} ms", nanos / 1e6),
        _ => format!("{:.2} s", nanos / 1e9),
    }
}

/// Nanoseconds of one call.
#[must_use]
pub fn nanos(nanos: f64) -> String {
    if nanos < 100.0 { format!("{nanos:.1} ns") } else { format!("{nanos:.0} ns") }
}

/// A part as a percentage.
#[must_use]
pub fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.3} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// How much more or less than before: `-20 %`.
#[must_use]
pub fn change(ratio: f64) -> String {
    format!("{:+.0} %", (ratio - 1.0) * 100.0)
}

/// Bytes in mebibytes.
#[must_use]
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(rate(999.6), "1 000/s");
        assert_eq!(time(Duration::from_micros(1500)), "1.50 ms");
        assert_eq!(percent(0.0005), "0.050 %");
        assert_eq!(change(0.25), "-75 %");
        assert_eq!(mib(3 << 19), "1.5 MiB");
    }
}
