//! Our server alone.

use std::{io, time::Duration};

use gabion_benches::{
    cores::Cores,
    figure,
    load::burst,
    options::Options,
    promises::{PROMISES, Stretch},
    server::Server,
    verdict::Verdicts,
};

use crate::measure::{Extent, heading};

/// The promises, and how far they hold.
pub(crate) fn ours(
    server: &Server,
    cores: Cores,
    options: &Options,
    extent: &Extent,
    verdicts: &mut Verdicts,
) -> io::Result<()> {
    let rate = f64::from(options.rate);
    heading(&format!("{} for {} s", figure::rate(rate), options.time.as_secs()));
    Stretch::drive(server, cores, rate, Duration::from_secs(2), |_| {})?;
    let before = server.process.usage()?;
    let mut lines = 0_u64;
    let every = (options.time.as_secs() / 10).max(1);
    let held = Stretch::drive(server, cores, rate, options.time, |line| {
        lines += 1;
        if lines.is_multiple_of(every) {
            println!("  {line}");
        }
    })?;
    let mut answered = held.answered.good;
    judge_together(&held, verdicts);

    heading("100 requests at one instant");
    let burst = burst(&server.aim, 100)?;
    println!("  {} answered in {}", burst.good, figure::time(burst.took));
    let all = burst.good == 100;
    let measured = format!("{} of 100 in {}", burst.good, figure::time(burst.took));
    let quick = burst.took < Duration::from_secs(1);
    verdicts.judge("100 concurrent requests", measured, "all in < 1 s".into(), all && quick);

    heading("the highest rate at which all four hold");
    let highest =
        extent.search.run(server, cores, &PROMISES, &held, |line| println!("  {line}"))?;
    println!("  {}; above it: {}", figure::rate(highest.rate), highest.limit);

    heading("memory after many requests");
    // The search has answered some too; they are not counted, so that this is a lower bound.
    let topping = (highest.rate * 0.8).max(rate.min(1000.0));
    while answered < extent.requests {
        let left = (extent.requests - answered) as f64 / topping;
        let time = Duration::from_secs_f64(left.clamp(1.0, 10.0));
        answered += Stretch::drive(server, cores, topping, time, |_| {})?.answered.good.max(1);
        println!("  {} of {}", figure::count(answered), figure::count(extent.requests));
    }
    let after = server.process.usage()?;
    let growth = after.resident as i64 - before.resident as i64;
    println!(
        "  {} when warm, {} now: {:+.1} MiB",
        figure::mib(before.resident),
        figure::mib(after.resident),
        growth as f64 / (1024.0 * 1024.0)
    );
    let promise = format!("memory after {} requests", figure::count(answered));
    let holds = after.peak < PROMISES.memory;
    verdicts.judge(&promise, figure::mib(after.peak), "< 2048 MiB".into(), holds);
    Ok(())
}

/// The four promises, measured in the same 30 seconds.
fn judge_together(held: &Stretch, verdicts: &mut Verdicts) {
    let at = format!("at {}", figure::rate(held.rate));
    let (p99, cpu, peak) = (held.p99(), held.cpu_share(), held.usage.peak);
    let errors = held.answered.error_rate();
    let mut judge = |what: &str, measured, budget: String, holds| {
        verdicts.judge(&format!("{what} {at}"), measured, budget, holds);
    };
    let budget = format!("< {}", figure::time(PROMISES.p99));
    judge("p99", figure::time(p99), budget, p99 < PROMISES.p99);
    let budget = format!("< {} of its core", figure::percent(PROMISES.cpu));
    judge("CPU", figure::percent(cpu), budget, cpu < PROMISES.cpu);
    judge("memory", figure::mib(peak), "< 2048 MiB".into(), peak < PROMISES.memory);
    let budget = format!("< {}", figure::percent(PROMISES.errors));
    judge("errors", figure::percent(errors), budget, errors < PROMISES.errors);
    println!(
        "  p50 {}  p99 {}  longest {}  {:.1} µs of CPU per request; generator busy {}",
        figure::time(held.p50()),
        figure::time(p99),
        figure::time(held.answered.latency.longest()),
        held.cpu_micros(),
        figure::percent(held.answered.busy)
    );
}
