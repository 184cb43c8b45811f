use std::io::{IsTerminal, Read};

use clap::Subcommand;
use gabion_auth::{Roles, UserChange, Username};
use gabion_config::Secret;
use http::Method;
use serde_json::{Value, json};

use super::{Context, Failure, offline, output::say};
use crate::view::UserItem;

/// Commands on accounts.
#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Add an account; its password comes from the terminal, or from standard input
    #[command(after_help = "Example:\n  gabion user add ann --role user --role monitor\n  \
                            echo \"$PASSWORD\" | gabion user add ann")]
    Add {
        /// 1 to 64 of a-z 0-9 . _ - @
        name: String,
        /// A role: admin, monitor or user; may be repeated
        #[arg(long = "role", value_parser = ["admin", "monitor", "user"])]
        roles: Vec<String>,
    },
    /// Set a new password; every session of the account ends
    #[command(after_help = "Example:\n  gabion user passwd ann")]
    Passwd {
        /// The account
        name: String,
    },
    /// Disable an account; its tokens are refused from now on
    #[command(after_help = "Example:\n  gabion user disable ann")]
    Disable {
        /// The account
        name: String,
    },
    /// Enable an account again
    #[command(after_help = "Example:\n  gabion user enable ann")]
    Enable {
        /// The account
        name: String,
    },
    /// List all accounts
    #[command(after_help = "Example:\n  gabion user list --json")]
    List,
}

/// Longer is refused before it is read to the end.
const MAX_PASSWORD: u64 = 4096;

pub(super) async fn run(context: Context, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add { name, roles } => {
            let roles = if roles.is_empty() { vec!["user".to_owned()] } else { roles };
            let password = password()?;
            let body = json!({"username": name, "password": password.expose(), "roles": roles});
            let user = match context.ask(Method::POST, USERS, Some(&body)).await? {
                Some(answer) => answer,
                None => {
                    let offline = offline::open(&context).await?;
                    let (identity, roles) = (&offline.identity, Roles::new(roles));
                    let made = identity.create_user(&name, password.expose(), roles, "local").await;
                    offline.close().await;
                    json!(UserItem::from(&made?))
                }
            };
            told(&context, &user, &format!("added {name}"));
        }
        UserCommand::Passwd { name } => {
            let password = password()?;
            let body = json!({"password": password.expose()});
            let change = UserChange { password: Some(password.expose()), ..UserChange::default() };
            let user = update(&context, &name, &body, change).await?;
            told(&context, &user, &format!("{name} has a new password; its sessions have ended"));
        }
        UserCommand::Disable { name } => set_enabled(&context, &name, false).await?,
        UserCommand::Enable { name } => set_enabled(&context, &name, true).await?,
        UserCommand::List => list(&context).await?,
    }
    Ok(())
}

const USERS: &str = "/api/admin/users";

async fn set_enabled(context: &Context, name: &str, enabled: bool) -> Result<(), Failure> {
    let change = UserChange { enabled: Some(enabled), ..UserChange::default() };
    let user = update(context, name, &json!({"enabled": enabled}), change).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    told(context, &user, &format!("{name} is {state}"));
    Ok(())
}

fn told(context: &Context, user: &Value, text: &str) {
    if context.json {
        say(&user.to_string());
    } else {
        say(text);
    }
}

async fn update(
    context: &Context,
    name: &str,
    body: &Value,
    change: UserChange<'_>,
) -> Result<Value, Failure> {
    let username = Username::parse(name).map_err(|error| Failure::usage(error.to_string()))?;
    let path = format!("{USERS}/{username}");
    if let Some(answer) = context.ask(Method::PATCH, &path, Some(body)).await? {
        return Ok(answer);
    }
    let offline = offline::open(context).await?;
    let changed = offline.identity.update_user(&username, change, "local").await;
    offline.close().await;
    Ok(json!(UserItem::from(&changed?)))
}

async fn list(context: &Context) -> Result<(), Failure> {
    let users = match context.ask(Method::GET, USERS, None).await? {
        Some(answer) => answer["users"].clone(),
        None => {
            let accounts = offline::accounts(context).await?;
            accounts.iter().map(|account| json!(UserItem::from(account))).collect()
        }
    };
    if context.json {
        say(&format!("{users:#}"));
        return Ok(());
    }
    for user in users.as_array().into_iter().flatten() {
        let roles = user["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let roles: Vec<&str> = roles.collect();
        let state = if user["enabled"] == true { "enabled" } else { "disabled" };
        let name = user["username"].as_str().unwrap_or_default();
        say(&format!("{name:<24} {state:<9} {}", roles.join(", ")));
    }
    Ok(())
}

/// A password from the terminal, without echo and twice, or all of standard input.
fn password() -> Result<Secret, Failure> {
    if std::io::stdin().is_terminal() {
        let first = Secret::new(rpassword::prompt_password("New password: ")?);
        let again = Secret::new(rpassword::prompt_password("Again: ")?);
        if first != again {
            return Err(Failure::usage("the two are not the same"));
        }
        return Ok(first);
    }
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text)?;
    let password = Secret::new(text.trim_end_matches(['\r', '\n']));
    if password.is_empty() {
        let told = "standard input is empty: give the password there, or use a terminal";
        return Err(Failure::usage(told));
    }
    Ok(password)
}
