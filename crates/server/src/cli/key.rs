use clap::Subcommand;
use gabion_auth::{Identity, KeyInfo, KeyRing, KeyRingError};
use gabion_clock::{Clock, SystemClock, UnixTime};
use gabion_sql::Sql;
use http::Method;
use serde_json::json;

use super::{Context, Failure, offline, output::say};
use crate::keys::{KeyItem, RETIRE, ROTATE};

/// Commands on signing keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// List the signing keys, the one that signs first; secrets are never shown
    #[command(after_help = "Example:\n  gabion key list --json")]
    List,
    /// Begin to sign with a new key; the one before verifies until its last token has expired
    #[command(after_help = "Example:\n  gabion key rotate")]
    Rotate,
    /// Refuse a key's tokens from now on; sessions go on with their refresh tokens
    #[command(after_help = "Examples:\n  \
                            gabion key retire 4f0c19a2b35d47e8\n  \
                            gabion key list --json | jq -r '.[].kid'")]
    Retire {
        /// The key, as it is listed; if it signs, a new one takes its place
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

const KEYS: &str = "/api/admin/keys";

pub(super) async fn run(context: Context, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::List => list(&context).await,
        KeyCommand::Rotate => rotate(&context).await,
        KeyCommand::Retire { kid } => retire(&context, &kid).await,
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let keys = match context.ask(Method::GET, KEYS, None).await? {
        Some(answer) => answer["keys"].clone(),
        None => present(context)?.iter().map(|key| json!(KeyItem::from(key))).collect(),
    };
    if context.json {
        say(&format!("{keys:#}"));
        return Ok(());
    }
    for key in keys.as_array().into_iter().flatten() {
        let text = |name: &str| key[name].as_str().unwrap_or("an unknown time").to_owned();
        let role = match key["signs"] == true {
            true => "signs".to_owned(),
            false => format!("verifies until {}", text("verifies_until")),
        };
        say(&format!(
            "{}  {:<5}  of {}  {role}",
            text("kid"),
            text("algorithm"),
            text("created_at")
        ));
    }
    Ok(())
}

async fn rotate(context: &Context) -> Result<(), Failure> {
    let signs = match context.ask(Method::POST, &format!("{KEYS}/rotate"), None).await? {
        Some(answer) => answer,
        None => {
            let before = present(context)?;
            let change = |identity: &Identity<Sql>, now| {
                let keys = identity.keys();
                match keys.list().into_iter().next() {
                    // Opening the ring has rotated it, since auth.algorithm is another one now.
                    Some(signs) if before.iter().all(|key| key.kid != signs.kid) => Ok(signs),
                    _ => keys.rotate(now, identity.token_life()),
                }
            };
            json!(KeyItem::from(&offline(context, ROTATE, None, change).await?))
        }
    };
    if context.json {
        say(&format!("{signs:#}"));
    } else {
        say(&format!("{} signs from now on", signs["kid"].as_str().unwrap_or_default()));
    }
    Ok(())
}

async fn retire(context: &Context, kid: &str) -> Result<(), Failure> {
    let known = |keys: &[KeyInfo]| keys.iter().any(|key| key.kid.as_str() == kid);
    let unknown = || Failure::new("there is no such key");
    // What has no place in a path is the name of no key.
    if !kid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) || kid.is_empty() {
        return Err(unknown());
    }
    if context.ask(Method::DELETE, &format!("{KEYS}/{kid}"), None).await?.is_none() {
        if !known(&present(context)?) {
            return Err(unknown());
        }
        let change = |identity: &Identity<Sql>, now| identity.keys().retire(kid, now);
        offline(context, RETIRE, Some(kid), change).await?;
    }
    if !context.json {
        say(&format!("the tokens of {kid} are refused from now on"));
    }
    Ok(())
}

/// The keys of a folder that no server works in.
fn present(context: &Context) -> Result<Vec<KeyInfo>, Failure> {
    // A mistake may have named another folder.
    context.settings()?;
    let folder = context.data_dir().keys();
    let keys = KeyRing::peek(&folder)?;
    if keys.is_empty() {
        let told = format!("there are no keys in {} yet: start the server once", folder.display());
        return Err(Failure::new(told));
    }
    Ok(keys)
}

/// Changes the keys while no server runs, and keeps a record of it.
async fn offline<T>(
    context: &Context,
    action: &'static str,
    kid: Option<&str>,
    change: impl FnOnce(&Identity<Sql>, UnixTime) -> Result<T, KeyRingError>,
) -> Result<T, Failure> {
    let offline = offline::open(context).await?;
    let changed = change(&offline.identity, SystemClock::new().unix());
    let signs = || Some(offline.identity.keys().list().first()?.kid.to_string());
    let kid = kid.map(str::to_owned).or_else(signs);
    let outcome = if changed.is_ok() { "success" } else { "failed" };
    offline.note(action, outcome, kid);
    offline.close().await;
    Ok(changed?)
}
