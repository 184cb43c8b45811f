/// How many times faster than allowed an error budget is being spent; 1 spends it exactly.
///
/// `objective` is the part of requests that must succeed, as 0.999. Without requests it is 0; an
/// objective of 1 or more allows no error, so that any is endlessly fast. A common rule pages when
/// the rate is above 14.4 both over an hour and over five minutes (The Site Reliability Workbook,
/// chapter 5).
///
/// ```
/// use gabion_monitor::burn_rate;
///
/// assert!((burn_rate(144, 10_000, 0.999) - 14.4).abs() < 1e-9);
/// ```
#[must_use]
pub fn burn_rate(errors: u64, total: u64, objective: f64) -> f64 {
    if errors == 0 || total == 0 {
        return 0.0;
    }
    errors as f64 / total as f64 / (1.0 - objective).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_requests_burn_nothing() {
        assert_eq!(burn_rate(0, 0, 1.0), 0.0);
    }

    #[test]
    fn an_objective_without_errors_is_burnt_at_once_by_one() {
        assert_eq!(burn_rate(1, 1000, 1.0), f64::INFINITY);
        assert_eq!(burn_rate(1, 1000, 2.0), f64::INFINITY);
    }
}
