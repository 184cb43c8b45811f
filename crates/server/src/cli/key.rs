use clap::Subcommand;
use gabion_auth::KeyRing;
use serde_json::{Value, json};

use super::{Context, Failure, output::say};

/// Commands on signing keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// List the signing keys; secrets are never shown
    #[command(after_help = "Example:\n  gabion key list --json")]
    List,
    /// Begin to sign with a new key; not available yet
    #[command(after_help = "Example:\n  gabion key rotate")]
    Rotate,
    /// Stop accepting a key at once; not available yet
    #[command(after_help = "Example:\n  gabion key retire KID")]
    Retire {
        /// The key, as it is listed
        kid: String,
    },
}

pub(super) fn run(context: &Context, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::List => {}
        KeyCommand::Rotate => return Err(unavailable("key rotate")),
        KeyCommand::Retire { kid } => return Err(unavailable(&format!("key retire {kid}"))),
    }
    let folder = context.data_dir().keys();
    // Opening makes what is missing.
    if !folder.join("signing.jwk").is_file() {
        let told = format!("there are no keys in {} yet: start the server once", folder.display());
        return Err(Failure::new(told));
    }
    let ring = KeyRing::open(&folder)?;
    let keys: Vec<Value> = ring
        .list()
        .iter()
        .map(|key| {
            json!({
                "kid": key.kid.to_string(),
                "algorithm": key.algorithm.to_string(),
                "created_at": key.created_at.map(|at| at.to_string()),
                "signs": key.signs,
            })
        })
        .collect();
    if context.json {
        say(&format!("{:#}", Value::from(keys)));
        return Ok(());
    }
    for key in keys {
        let text = |name: &str| key[name].as_str().unwrap_or("-").to_owned();
        let signs = if key["signs"] == true { "signs" } else { "verifies" };
        say(&format!("{}  {}  {signs}  {}", text("kid"), text("algorithm"), text("created_at")));
    }
    Ok(())
}

fn unavailable(command: &str) -> Failure {
    Failure::new(format!("{command} is not available yet; nothing has changed"))
}
