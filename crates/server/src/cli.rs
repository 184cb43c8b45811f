//! The command line.

mod backup;
mod config;
mod key;
mod offline;
mod output;
mod serve;
mod user;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use gabion_auth::{CreateUserError, UpdateUserError};
use gabion_errors::{BoxError, FieldError};
use http::Method;
use serde_json::Value;

use self::output::{complain, say};
pub(crate) use self::serve::greet;
use crate::{
    config::{ConfigError, Sources},
    control::{ControlError, ask},
    data_dir::DataDir,
    openapi, routes,
    run::RunError,
    settings::ServerSettings,
};

/// What the process was started with.
pub struct Surroundings {
    /// The arguments, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment, as far as it is text.
    pub environment: Vec<(String, String)>,
    /// The program's own file.
    pub program: Option<PathBuf>,
    /// Where the supervisor listens.
    pub notify_socket: Option<OsString>,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("GABION_COMMIT"), ")");

const ENVIRONMENT: &str = "Environment:
  GABION_CONFIG            the configuration file, as --config
  GABION_SECTION__KEY      a setting, as GABION_LIMITS__SIZE__BODY=20MiB
  NOTIFY_SOCKET            set by systemd

Examples:
  gabion                                       run with embedded storage, nothing to configure
  gabion serve --set server.listen=0.0.0.0:80  run on another address
  gabion config check --config gabion.toml     find every mistake at once
  gabion user add ann --role user              add an account
  gabion backup create                         back up data and configuration";

/// Hardening for Rust services: the reference server.
#[derive(Parser)]
#[command(name = "gabion", version = VERSION, after_help = ENVIRONMENT)]
struct Cli {
    #[command(flatten)]
    global: Global,
    /// Write one line `ready http://ADDR` to standard output, as with serve
    #[arg(long)]
    print_ready: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Global {
    /// The configuration file; without it ./gabion.toml, if there is one
    #[arg(long, global = true, value_name = "FILE", env = "GABION_CONFIG")]
    config: Option<PathBuf>,
    /// Set one key, as --set limits.size.body=20MiB; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    #[command(after_help = "Example:\n  gabion serve --config gabion.toml --print-ready")]
    Serve {
        /// Write one line `ready http://ADDR` to standard output
        #[arg(long)]
        print_ready: bool,
    },
    /// Check, show and change the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Add and change accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Look after the signing keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Make, check and restore backups
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Hand over to a new process of the same program
    #[command(after_help = "Example:\n  gabion restart")]
    Restart,
    /// Tell how the running server is
    #[command(after_help = "Example:\n  gabion status --json | jq .budgets")]
    Status,
    /// Print the OpenAPI document
    #[command(after_help = "Example:\n  gabion openapi > openapi.json")]
    Openapi,
}

/// What every command works with.
struct Context {
    sources: Sources,
    json: bool,
}

impl Context {
    fn settings(&self) -> Result<ServerSettings, Failure> {
        let loaded = self.sources.load().map_err(ConfigError::Findings)?;
        Ok(loaded.settings)
    }

    fn data_dir(&self) -> Result<DataDir, Failure> {
        Ok(DataDir::at(self.settings()?.server.data_dir))
    }

    /// Asks the running server; `None` when there is none.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Failure> {
        match ask(&self.data_dir()?.control_socket(), method, path, body).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ControlError::NotRunning) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a command failed: the exit code with what is told.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    told: String,
}

/// Configuration and usage.
const USAGE: u8 = 2;

impl Failure {
    fn usage(told: impl Into<String>) -> Self {
        Self { code: USAGE, told: told.into() }
    }

    fn new(error: impl Into<BoxError>) -> Self {
        Self { code: 1, told: crate::restart::chain(error) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Findings(findings) => {
                let mut told = match findings.len() {
                    1 => "the configuration has a mistake".to_owned(),
                    count => format!("the configuration has {count} mistakes"),
                };
                for finding in findings {
                    told.push_str(&format!("\n  {finding}"));
                }
                Self::usage(told)
            }
            ConfigError::NoSuchVersion => Self::usage("there is no such version"),
            error => Self::new(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Config(error) => error.into(),
            RunError::Refused(error) => Self { code: USAGE, ..Self::new(error) },
            RunError::Failed(error) => Self::new(error),
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::Refused(status, _) if status.as_u16() == 422 => USAGE,
            _ => 1,
        };
        Self { code, ..Self::new(error) }
    }
}

/// Each fault on a line of its own, as the running server tells them.
fn faults(error: impl std::error::Error, faults: &[FieldError]) -> Failure {
    let lines = faults.iter().map(|fault| format!("\n  {} {}", fault.pointer, fault.detail));
    Failure::usage(format!("{error}{}", lines.collect::<String>()))
}

impl From<CreateUserError> for Failure {
    fn from(error: CreateUserError) -> Self {
        match &error {
            CreateUserError::Invalid(list) => faults(&error, list),
            _ => Self::new(error),
        }
    }
}

impl From<UpdateUserError> for Failure {
    fn from(error: UpdateUserError) -> Self {
        match &error {
            UpdateUserError::Invalid(list) => faults(&error, list),
            _ => Self::new(error),
        }
    }
}

macro_rules! failures {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )*};
}

failures!(
    std::io::Error,
    crate::data_dir::DataDirError,
    gabion_auth::StoreError,
    gabion_config::HistoryError,
    gabion_sql::OpenError,
    gabion_sql::backup::BackupError
);

/// Runs the command that `surroundings` ask for.
#[must_use]
pub fn run(surroundings: Surroundings) -> ExitCode {
    let cli = match Cli::try_parse_from(&surroundings.arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes and go to standard output.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match dispatch(cli, surroundings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&format!("gabion: {}", failure.told));
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(cli: Cli, surroundings: Surroundings) -> Result<(), Failure> {
    let Global { config, set, json } = cli.global;
    let found = || Some(PathBuf::from("gabion.toml")).filter(|file| Path::exists(file));
    let sources = Sources {
        file: config.or_else(found),
        environment: surroundings.environment.clone(),
        sets: set,
    };
    let context = Context { sources, json };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let command = match cli.command {
        None => Command::Serve { print_ready: cli.print_ready },
        Some(Command::Serve { print_ready }) => {
            Command::Serve { print_ready: print_ready || cli.print_ready }
        }
        Some(_) if cli.print_ready => {
            return Err(Failure::usage("--print-ready goes with serve alone"));
        }
        Some(command) => command,
    };
    runtime.block_on(async {
        match command {
            Command::Serve { print_ready } => {
                serve::serve(context, surroundings, print_ready).await
            }
            Command::Config(command) => config::run(context, command).await,
            Command::User(command) => user::run(context, command).await,
            Command::Key(command) => key::run(&context, command),
            Command::Backup(command) => backup::run(context, command).await,
            Command::Restart => restart(&context).await,
            Command::Status => status(&context).await,
            Command::Openapi => {
                let document = openapi::document(&routes::endpoints(&context.settings()?));
                say(&format!("{document:#}"));
                Ok(())
            }
        }
    })
}

async fn restart(context: &Context) -> Result<(), Failure> {
    let answer = context.ask(Method::POST, "/api/restart", None).await?;
    let answer = answer.ok_or_else(|| Failure::new("no server is running: start one"))?;
    if context.json {
        say(&answer.to_string());
    } else {
        say(&format!(
            "generation {} is starting; follow it with: gabion status",
            answer["generation"]
        ));
    }
    Ok(())
}

async fn status(context: &Context) -> Result<(), Failure> {
    let answer = context.ask(Method::GET, "/api/admin/status", None).await?;
    let status = answer.ok_or_else(|| Failure::new("no server is running in this data folder"))?;
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
    for alert in status["alerts"].as_array().into_iter().flatten() {
        say(&format!("ALERT since {}: {}", text(&alert["since"]), text(&alert["message"])));
    }
    if let Some(last) = status["last_restart"].as_object() {
        let part = |name: &str| last.get(name).map_or_else(String::new, text);
        say(&format!("last restart {} {}: {}", part("at"), part("outcome"), part("detail")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            if !command.has_subcommands() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{} has no example", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
