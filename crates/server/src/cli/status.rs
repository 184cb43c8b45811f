use http::Method;
use serde_json::Value;

use super::{Context, Failure, output::say};

pub(super) async fn status(context: &Context) -> Result<(), Failure> {
    let answer = context.ask(Method::GET, "/api/admin/status", None).await?;
    let status = answer.ok_or_else(|| context.not_running())?;
    if context.json {
        say(&format!("{status:#}"));
        return Ok(());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    say(&format!(
        "{}, version {}, generation {}, up {} s",
        text(&status["state"]),
        text(&status["version"]),
        status["generation"],
        status["uptime_seconds"],
    ));
    for budget in status["budgets"].as_array().into_iter().flatten() {
        let ratio = budget["used_ratio"].as_f64().unwrap_or_default() * 100.0;
        let (used, limit) = (text(&budget["used"]), text(&budget["limit"]));
        say(&format!("  {:<12} {ratio:>6.1} %   {used} of {limit}", text(&budget["budget"])));
    }
    let admission = &status["admission"];
    say(&format!(
        "admission {}: {} of {} in flight; {} connections",
        text(&admission["mode"]),
        admission["in_flight"],
        admission["limit"],
        status["limits"]["connections_open"],
    ));
    for bulkhead in status["limits"]["bulkheads"].as_array().into_iter().flatten() {
        say(&format!(
            "  {:<12} {} of {} places, {} waiting",
            text(&bulkhead["name"]),
            bulkhead["used"],
            bulkhead["places"],
            bulkhead["waiting"],
        ));
    }
    for hitter in status["limits"]["heavy_hitters"].as_array().into_iter().flatten() {
        let (key, limit) = (text(&hitter["key"]), text(&hitter["limit"]));
        say(&format!("refused {} times of late: {key} (limit {limit})", hitter["refusals"]));
    }
    let config = &status["config"];
    say(&format!("configuration version {}", config["version"]));
    let waiting = config["needs_restart"].as_array().into_iter().flatten().map(text);
    let waiting = waiting.collect::<Vec<_>>().join(", ");
    if !waiting.is_empty() {
        say(&format!("  holds only after a restart: {waiting}"));
    }
    if let Some(until) = config["confirm_by"].as_str() {
        say(&format!(
            "  on trial until {until}, then version {} comes back; to keep it: gabion config confirm",
            config["otherwise"]
        ));
    }
    let tls = &status["tls"];
    if let Some(expires) = tls["expires_at"].as_str() {
        let names = tls["names"].as_array().into_iter().flatten().map(text);
        let names = names.collect::<Vec<_>>().join(", ");
        say(&format!("certificate of {names} good until {expires}"));
    }
    if let Some(problem) = tls["problem"].as_str() {
        say(&format!("  its files are not taken: {problem}"));
    }
    for alert in status["alerts"].as_array().into_iter().flatten() {
        say(&format!("ALERT since {}: {}", text(&alert["since"]), text(&alert["message"])));
    }
    if let Some(last) = status["last_restart"].as_object() {
        let part = |name: &str| last.get(name).map_or_else(String::new, text);
        say(&format!("last restart {} {}: {}", part("at"), part("outcome"), part("detail")));
    }
    Ok(())
}
