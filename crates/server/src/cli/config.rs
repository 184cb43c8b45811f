use std::path::PathBuf;

use clap::Subcommand;
use gabion_clock::{Clock, SystemClock};
use gabion_config::{History, TomlSource};
use http::Method;
use serde_json::{Value, json};

use super::{Context, Failure, offline, output::say};
use crate::{
    config::{Candidate, ConfigError},
    settings::ServerSettings,
    view::AcceptedItem,
};

/// Commands on the configuration.
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Find every mistake at once; exit code 2 if there are any
    #[command(
        after_help = "Examples:\n  gabion config check --config gabion.toml\n  gabion config check --json | jq -r '.findings[] | \"\\(.key): \\(.message)\"'"
    )]
    Check,
    /// Show every value with its origin; secrets are hidden
    #[command(after_help = "Example:\n  gabion config show | grep rate")]
    Show,
    /// Print a commented file with every key, its default and range
    #[command(after_help = "Example:\n  gabion config reference > gabion.toml")]
    Reference,
    /// Print a JSON schema of the file, for editors that check and complete it
    #[command(
        after_help = "Example:\n  gabion config schema > gabion.schema.json\n  and as the first line of gabion.toml, for editors that know Taplo:\n  #:schema ./gabion.schema.json"
    )]
    Schema,
    /// Take FILE as the new configuration; it holds until the configuration file changes
    #[command(
        after_help = "Examples:\n  gabion config apply new.toml\n  gabion config apply new.toml --confirm 60s && gabion status && gabion config confirm"
    )]
    Apply {
        /// The new configuration
        file: PathBuf,
        /// Take it back after this time, as 60s or 5m, unless `gabion config confirm` comes before
        #[arg(long, value_name = "TIME")]
        confirm: Option<String>,
    },
    /// Keep a change that awaits confirmation
    #[command(after_help = "Example:\n  gabion config confirm")]
    Confirm,
    /// List the configurations that were accepted, newest first
    #[command(after_help = "Example:\n  gabion config history --json")]
    History,
    /// Return to the version before, or to version N
    #[command(after_help = "Example:\n  gabion config rollback 3")]
    Rollback {
        /// The version, as the history lists it
        version: Option<u64>,
    },
}

pub(super) async fn run(context: Context, command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => check(&context),
        ConfigCommand::Show => show(&context).await,
        ConfigCommand::Reference => {
            say(gabion_config::reference(&ServerSettings::default()).trim_end());
            Ok(())
        }
        ConfigCommand::Schema => {
            say(&format!("{:#}", gabion_config::json_schema(&ServerSettings::default())));
            Ok(())
        }
        ConfigCommand::Apply { file, confirm } => apply_file(&context, file, confirm).await,
        ConfigCommand::Confirm => confirm(&context).await,
        ConfigCommand::History => history(&context),
        ConfigCommand::Rollback { version } => rollback(&context, version).await,
    }
}

fn check(context: &Context) -> Result<(), Failure> {
    let loaded = context.sources.load().map_err(ConfigError::Findings)?;
    if context.json {
        let unwise = loaded.settings.unwise();
        let unwise: Vec<Value> =
            unwise.iter().map(|(key, reason)| json!({"key": key, "reason": reason})).collect();
        let not_honoured = loaded.settings.not_honoured();
        let told =
            json!({"mistakes": 0, "findings": [], "not_honoured": not_honoured, "unwise": unwise});
        say(&told.to_string());
        return Ok(());
    }
    for (key, reason) in loaded.settings.unwise() {
        say(&format!("warning: {key} is unwise: {reason}"));
    }
    for key in loaded.settings.not_honoured() {
        say(&format!("warning: {key} is not honoured yet"));
    }
    say("the configuration is good");
    Ok(())
}

async fn show(context: &Context) -> Result<(), Failure> {
    let (mut values, waiting) = match context.ask(Method::GET, "/api/admin/config", None).await? {
        Some(mut answer) => (answer["values"].take(), answer["needs_restart"].take()),
        None => (serde_json::to_value(context.in_effect()?.loaded.entries)?, Value::Null),
    };
    for entry in values.as_array_mut().into_iter().flatten() {
        if waiting.as_array().is_some_and(|keys| keys.contains(&entry["key"])) {
            entry["needs_restart"] = true.into();
        }
    }
    if context.json {
        say(&format!("{values:#}"));
        return Ok(());
    }
    for entry in values.as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let waits = if entry["needs_restart"] == true { ", needs a restart" } else { "" };
        say(&format!("{} = {}  # {}{waits}", text("key"), entry["value"], text("origin")));
    }
    Ok(())
}

async fn confirm(context: &Context) -> Result<(), Failure> {
    let answer = context.ask(Method::POST, "/api/admin/config/confirm", None).await?;
    if answer.is_none() {
        return Err(Failure::new("no server is running here, so no change awaits confirmation"));
    }
    if !context.json {
        say("confirmed; the change stays");
    }
    Ok(())
}

async fn apply_file(
    context: &Context,
    file: PathBuf,
    confirm: Option<String>,
) -> Result<(), Failure> {
    let name = file.display().to_string();
    let text = TomlSource::read(&file).map_err(|finding| Failure::usage(finding.to_string()))?;
    let new = Candidate::new(&context.sources, &name, text.text().to_owned())?;
    // Only who holds the turn writes it down, once it is taken.
    let mut body = json!({"name": name, "text": new.text()});
    if let Some(confirm) = &confirm {
        body["confirm"] = confirm.as_str().into();
    }
    let apply = context.ask(Method::POST, "/api/admin/config/apply", Some(&body));
    if let Some(answer) = apply.await? {
        return told(context, &answer, "");
    }
    if confirm.is_some() {
        return Err(Failure::new(
            "no server is running here, so nobody would notice in time that --confirm is not followed; \
             nothing has changed. Leave out --confirm, or start the server first",
        ));
    }
    check_folder(context)?;
    hold(context, new, "gabion config apply")
}

async fn rollback(context: &Context, version: Option<u64>) -> Result<(), Failure> {
    if let Some(answer) = ask_rollback(context, version).await? {
        return told(context, &answer, "");
    }
    check_folder(context)?;
    let earlier = Candidate::earlier(
        &context.sources,
        &context.data_dir().config(),
        version,
        SystemClock::new().unix(),
    )?;
    hold(context, earlier, "gabion config rollback")
}

async fn ask_rollback(context: &Context, version: Option<u64>) -> Result<Option<Value>, Failure> {
    let body = version.map_or_else(|| json!({}), |version| json!({"version": version}));
    context.ask(Method::POST, "/api/admin/config/rollback", Some(&body)).await
}

/// Refuses a folder without a history while the file cannot be read, which may name another one: what is
/// decided there might be for nobody.
fn check_folder(context: &Context) -> Result<(), Failure> {
    let folder = context.data_dir();
    match context.sources.unreadable() {
        Some(unread) if History::look(&folder.config()).is_none() => {
            let folder = folder.path().display();
            Err(Failure::usage(format!(
                "{unread}\n  there is no configuration in the data folder {folder} to go on with; \
                 name the one in use with --set server.data_dir=FOLDER"
            )))
        }
        _ => Ok(()),
    }
}

/// Lets it hold without a server.
fn hold(context: &Context, candidate: Candidate<'_>, author: &str) -> Result<(), Failure> {
    let (data_dir, _lock) = offline::lock(context)?;
    let accepted = candidate.hold(&data_dir.config(), author, SystemClock::new().unix())?;
    let mut answer = json!(AcceptedItem::from(accepted));
    if !context.json {
        // There is nothing to be restarted.
        answer["needs_restart"] = Value::Null;
    }
    told(context, &answer, " from the next start")
}

fn told(context: &Context, answer: &Value, when: &str) -> Result<(), Failure> {
    if context.json {
        say(&answer.to_string());
        return Ok(());
    }
    say(&format!("version {} holds{when}", answer["version"]));
    if let Some(until) = answer["confirm_by"].as_str() {
        say(&format!(
            "  until {until}, then version {} comes back; to keep it: gabion config confirm",
            answer["otherwise"]
        ));
    }
    for key in answer["needs_restart"].as_array().into_iter().flatten() {
        say(&format!("  {} needs a restart", key.as_str().unwrap_or_default()));
    }
    Ok(())
}

fn history(context: &Context) -> Result<(), Failure> {
    let history = History::look(&context.data_dir().config());
    let versions = history.map_or_else(|| Ok(Vec::new()), |history| history.list())?;
    if context.json {
        let versions = serde_json::to_value(versions)?;
        say(&format!("{versions:#}"));
        return Ok(());
    }
    for version in versions {
        say(&format!("{:>6}  {}  {}", version.number, version.at, version.author));
    }
    Ok(())
}
