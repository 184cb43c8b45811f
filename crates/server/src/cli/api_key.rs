use clap::Subcommand;
use gabion_auth::{ApiKeyId, NewApiKey, Roles};
use gabion_config::parse_duration;
use http::Method;
use serde_json::{Value, json};

use super::{
    Context, Failure, offline,
    output::{complain, say},
};
use crate::{
    routes::SCOPES,
    view::{ApiKeyItem, NewApiKeyItem},
};

/// Commands on API keys.
#[derive(Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Make a key for a machine; its secret is printed once and cannot be asked for again
    #[command(after_help = "Examples:\n  \
                            gabion api-key create scraper --user monitoring --scope status\n  \
                            gabion api-key create ci --user deployer --scope restart --expires 30d")]
    Create {
        /// What people call it
        name: String,
        /// The account in whose name it calls; it never does more than that account may
        #[arg(long)]
        user: String,
        /// What it may be used for; may be repeated
        #[arg(long = "scope", value_parser = SCOPES)]
        scopes: Vec<String>,
        /// How long it is good, from 1m to 3650d
        #[arg(long, default_value = "90d", value_name = "TIME")]
        expires: String,
    },
    /// List all keys; secrets are never shown
    #[command(after_help = "Example:\n  gabion api-key list --json")]
    List,
    /// End a key; it is refused from now on
    #[command(after_help = "Example:\n  gabion api-key revoke 4f0c19a2b35d47e88a6d2c1f90b7e3d5")]
    Revoke {
        /// The key, as it is listed
        id: String,
    },
}

const API_KEYS: &str = "/api/admin/api-keys";

pub(super) async fn run(context: Context, command: ApiKeyCommand) -> Result<(), Failure> {
    match command {
        ApiKeyCommand::Create { name, user, scopes, expires } => {
            create(&context, &name, &user, &scopes, &expires).await
        }
        ApiKeyCommand::List => list(&context).await,
        ApiKeyCommand::Revoke { id } => revoke(&context, &id).await,
    }
}

async fn create(
    context: &Context,
    name: &str,
    user: &str,
    scopes: &[String],
    expires: &str,
) -> Result<(), Failure> {
    let expires_in = parse_duration(expires)
        .ok_or_else(|| Failure::usage("--expires wants a number and a unit of s, m, h or d"))?;
    let body = json!({"name": name, "username": user, "scopes": scopes, "expires_in": expires});
    let made = match context.ask(Method::POST, API_KEYS, Some(&body)).await? {
        Some(answer) => answer,
        None => {
            let offline = offline::open(context).await?;
            let scopes = Roles::new(scopes);
            let new = NewApiKey { name, username: user, scopes, expires_in };
            let made = offline.identity.create_api_key(new, "local").await;
            offline.close().await;
            let (key, secret) = made?;
            json!(NewApiKeyItem { key: ApiKeyItem::from(&key), secret: secret.to_string() })
        }
    };
    if context.json {
        say(&format!("{made:#}"));
        return Ok(());
    }
    // The secret alone on standard output, so that a script can take it from there.
    let text = |name: &str| made[name].as_str().unwrap_or_default();
    complain(&format!(
        "API key {} of {user}, good until {}. Its secret is shown this once:",
        text("id"),
        text("expires_at")
    ));
    say(text("secret"));
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let keys = match context.ask(Method::GET, API_KEYS, None).await? {
        Some(answer) => answer["api_keys"].clone(),
        None => {
            let keys = offline::api_keys(context).await?;
            keys.iter().map(|key| json!(ApiKeyItem::from(key))).collect()
        }
    };
    if context.json {
        say(&format!("{keys:#}"));
        return Ok(());
    }
    for key in keys.as_array().into_iter().flatten() {
        let text = |name: &str| key[name].as_str().unwrap_or("never").to_owned();
        let scopes = key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        say(&format!(
            "{}  {:<24} {:<16} until {}  used {}  {}",
            text("id"),
            text("name"),
            text("username"),
            text("expires_at"),
            text("last_used_at"),
            scopes.collect::<Vec<_>>().join(", "),
        ));
    }
    Ok(())
}

async fn revoke(context: &Context, id: &str) -> Result<(), Failure> {
    let parsed: ApiKeyId = id.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    let path = format!("{API_KEYS}/{parsed}");
    if context.ask(Method::DELETE, &path, None).await?.is_none() {
        let offline = offline::open(context).await?;
        let revoked = offline.identity.revoke_api_key(parsed, "local").await;
        offline.close().await;
        if !revoked? {
            return Err(Failure::new("there is no such API key"));
        }
    }
    if !context.json {
        say(&format!("the API key {parsed} is refused from now on"));
    }
    Ok(())
}
