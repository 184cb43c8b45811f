//! The command line.

mod api_key;
mod backup;
mod blocklist;
mod config;
mod failure;
mod key;
mod offline;
mod output;
mod serve;
mod status;
mod user;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use gabion_clock::{Clock, SystemClock};
use http::Method;
use serde_json::Value;
use tokio::runtime::Runtime;

pub(crate) use self::serve::greet;
use self::{
    failure::{Failure, USAGE},
    output::{complain, say},
};
use crate::{
    config::{InEffect, Sources, in_effect},
    control::{ControlError, ask},
    data_dir::DataDir,
    openapi, routes,
    settings::ServerSettings,
};

/// What the process was started with.
pub struct Surroundings {
    /// The arguments, the program's name first.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The program's own file.
    pub program: Option<PathBuf>,
    /// Where the supervisor listens.
    pub notify_socket: Option<OsString>,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("GABION_COMMIT"), ")");

const ENVIRONMENT: &str = "Environment:
  GABION_CONFIG            the configuration file, as --config
  GABION_SECTION__KEY      a setting, as GABION_LIMITS__SIZE__BODY=20MiB
  GABION_HANDOVER          set by a server for the process that it hands over to
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
    /// Look after the keys of machines
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Make, check and restore backups
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Make and ask lists of refused passwords
    #[command(subcommand)]
    Blocklist(blocklist::BlocklistCommand),
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
    /// What the next start would take.
    fn in_effect(&self) -> Result<InEffect, Failure> {
        let now = SystemClock::new().unix();
        Ok(in_effect(&self.sources, &self.data_dir().config(), now)?)
    }

    fn settings(&self) -> Result<ServerSettings, Failure> {
        Ok(self.in_effect()?.loaded.settings)
    }

    /// Found whatever mistakes the configuration has: then above all the server must be reached.
    fn data_dir(&self) -> DataDir {
        self.sources.data_dir()
    }

    /// Whether a server runs: any answer tells of one, also that it is not well.
    async fn is_running(&self) -> bool {
        !matches!(self.ask(Method::GET, "/livez", None).await, Ok(None))
    }

    /// No server answers, maybe because a mistake names another place.
    fn not_running(&self) -> Failure {
        let folder = self.data_dir();
        let told = format!("no server is running in the data folder {}", folder.path().display());
        self.in_effect().map_or_else(|failure| failure, |_| Failure::new(told))
    }

    /// Asks the running server; `None` when there is none.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Value>, Failure> {
        match ask(&self.data_dir().control_socket(), method, path, body).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ControlError::NotRunning) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

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
    let json = cli.global.json;
    match dispatch(cli, surroundings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = ExitCode::from(failure.code);
            match json {
                true => say(&failure.document().to_string()),
                false => complain(&format!("gabion: {}", failure.told)),
            }
            code
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
    let runtime = Runtime::new()?;
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
    to_the_end(runtime, async {
        match command {
            Command::Serve { print_ready } => {
                serve::serve(context, surroundings, print_ready).await
            }
            Command::Config(command) => config::run(context, command).await,
            Command::User(command) => user::run(context, command).await,
            Command::Key(command) => key::run(context, command).await,
            Command::ApiKey(command) => api_key::run(context, command).await,
            Command::Backup(command) => backup::run(context, command).await,
            Command::Blocklist(command) => blocklist::run(&context, command),
            Command::Restart => restart(&context).await,
            Command::Status => status::status(&context).await,
            Command::Openapi => {
                let document = openapi::document(&routes::endpoints(&context.settings()?));
                say(&format!("{document:#}"));
                Ok(())
            }
        }
    })
}

/// Runs `command` and ends: what still works on a file by then gets a moment, and what a file system
/// does not answer keeps no process alive. Whatever is written is whole at every moment.
fn to_the_end<T>(runtime: Runtime, command: impl Future<Output = T>) -> T {
    let done = runtime.block_on(command);
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn restart(context: &Context) -> Result<(), Failure> {
    let answer = context.ask(Method::POST, "/api/restart", None).await?;
    let answer = answer.ok_or_else(|| context.not_running())?;
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_file_system_that_does_not_answer_keeps_no_process_alive() {
        let (answer, hung) = std::sync::mpsc::channel::<()>();
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let code = to_the_end(Runtime::new().unwrap(), async {
                let begun = std::sync::Arc::new(tokio::sync::Notify::new());
                let told = std::sync::Arc::clone(&begun);
                tokio::task::spawn_blocking(move || {
                    told.notify_one();
                    hung.recv()
                });
                begun.notified().await;
                7
            });
            ended.send(code)
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(7));
        drop(answer);
    }

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
