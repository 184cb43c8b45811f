use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use gabion_auth::{ApiKeyId, ApiKeyStore, RevocationStore, SessionId, SessionStore, StoreError};
use gabion_clock::{Clock, SystemClock, UnixTime};
use gabion_config::TomlSource;
use gabion_sql::{
    Sql,
    backup::{self, Backup, BackupId},
};
use http::Method;
use serde::Serialize;
use serde_json::json;

use super::{Context, Failure, offline, output::say};
use crate::{
    config::Candidate,
    view::{AcceptedItem, BackupItem},
};

/// Commands on backups.
#[derive(Subcommand)]
pub(super) enum BackupCommand {
    /// Back up data and configuration; it counts only once it was opened and checked
    #[command(after_help = "Example:\n  gabion backup create")]
    Create,
    /// List backups, newest first
    #[command(after_help = "Example:\n  gabion backup list --json")]
    List,
    /// Open a backup, check its integrity and compare it with its manifest
    #[command(after_help = "Example:\n  gabion backup verify 20260301T120000Z-1a2b")]
    Verify {
        /// The backup, as it is listed
        id: String,
    },
    /// Put a backup in place of data and configuration, which are kept; the server must be stopped
    #[command(after_help = "Example:\n  gabion backup restore 20260301T120000Z-1a2b")]
    Restore {
        /// The backup, as it is listed
        id: String,
        /// Leave the configuration as it is
        #[arg(long)]
        data_only: bool,
    },
    /// Restore the newest backup into a folder of its own and check it; not available yet
    #[command(after_help = "Example:\n  gabion backup drill")]
    Drill,
}

pub(super) async fn run(context: Context, command: BackupCommand) -> Result<(), Failure> {
    match command {
        BackupCommand::Create => create(&context).await,
        BackupCommand::List => list(&context).await,
        BackupCommand::Verify { id } => verify(&context, &id).await,
        BackupCommand::Restore { id, data_only } => restore(&context, &id, data_only).await,
        BackupCommand::Drill => {
            Err(Failure::new("backup drill is not available yet; backup verify checks a backup"))
        }
    }
}

const BACKUPS: &str = "/api/admin/backups";

fn folder(context: &Context) -> Result<PathBuf, Failure> {
    let settings = context.settings()?;
    Ok(context.data_dir().backups(&settings.backup.dir))
}

fn parse(id: &str) -> Result<BackupId, Failure> {
    id.parse().map_err(|error: backup::BackupError| Failure::usage(error.to_string()))
}

async fn create(context: &Context) -> Result<(), Failure> {
    let answer = match context.ask(Method::POST, BACKUPS, None).await? {
        Some(answer) => answer,
        None => {
            let text = context.in_effect()?.text;
            let folder = folder(context)?;
            let offline = offline::open(context).await?;
            let now = SystemClock::new().unix();
            let made = backup::create(&offline.sql, &folder, &text, now).await;
            let outcome = if made.is_ok() { "success" } else { "failed" };
            offline.note("backup.create", outcome, None);
            offline.close().await;
            json!(BackupItem::from(&made?))
        }
    };
    if context.json {
        say(&answer.to_string());
    } else {
        say(&format!("backup {} is made and checked", answer["id"].as_str().unwrap_or_default()));
    }
    Ok(())
}

/// A backup as it is listed.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    item: BackupItem,
    damaged: bool,
}

async fn list(context: &Context) -> Result<(), Failure> {
    let backups = match folder(context) {
        Ok(folder) => {
            let backups = backup::list(&folder).await?;
            let listed = |backup: &Backup| Listed {
                item: BackupItem::from(backup),
                damaged: backup.damaged,
            };
            serde_json::to_value(backups.iter().map(listed).collect::<Vec<_>>())?
        }
        // A running server knows where they are.
        Err(mistakes) => match context.ask(Method::GET, BACKUPS, None).await? {
            Some(answer) => answer["backups"].clone(),
            None => return Err(mistakes),
        },
    };
    if context.json {
        say(&format!("{backups:#}"));
        return Ok(());
    }
    for backup in backups.as_array().into_iter().flatten() {
        let id = backup["id"].as_str().unwrap_or_default();
        let damaged = if backup["damaged"] == true { "  DAMAGED" } else { "" };
        say(&format!("{id}  {:>10} bytes{damaged}", backup["bytes"].to_string()));
    }
    Ok(())
}

async fn verify(context: &Context, id: &str) -> Result<(), Failure> {
    let id = parse(id)?;
    let answer = match folder(context) {
        Ok(folder) => {
            let verified = backup::verify(&folder, &id).await?;
            json!({"id": id.as_str(), "verified": true, "rows": verified.rows})
        }
        Err(mistakes) => {
            let path = format!("{BACKUPS}/{id}/verify");
            context.ask(Method::POST, &path, None).await?.ok_or(mistakes)?
        }
    };
    if context.json {
        say(&answer.to_string());
    } else {
        say(&format!("backup {id} is good"));
    }
    Ok(())
}

async fn restore(context: &Context, id: &str, data_only: bool) -> Result<(), Failure> {
    let id = parse(id)?;
    if context.is_running().await {
        return Err(Failure::new("the server is running: stop it, restore, and start it again"));
    }
    let backups = folder(context)?;
    // Everything that can be refused is looked at before anything is made or replaced.
    backup::verify(&backups, &id).await?;
    let config = if data_only { None } else { configuration(context, &backups, &id)? };
    let (data_dir, _lock) = offline::lock(context)?;
    let database = data_dir.database();
    let ended = Ended::since(&database).await;
    let now = SystemClock::new().unix();
    let restored = backup::restore(&backups, &id, &database, now).await?;
    let sql = Sql::open(&database).await?;
    let carried = ended.carry_to(&sql).await;
    sql.close().await;
    carried?;
    let author = format!("gabion backup restore {id}");
    let held = config.map(|config| config.hold(&data_dir.config(), &author, now)).transpose()?;
    let held = held.map(AcceptedItem::from);
    let replaced = restored.replaced.display().to_string();
    if context.json {
        say(&json!({"id": id.as_str(), "replaced": replaced, "config": held}).to_string());
        return Ok(());
    }
    say(&format!("backup {id} is in place; the data before it is in {replaced}"));
    if let Some(held) = held {
        let version = held.version;
        say(&format!("its configuration holds from the next start, as version {version}"));
        say("  to return to the one before: gabion config rollback");
    }
    Ok(())
}

/// The configuration of backup `id`; `None` where the next start would take the same anyway.
fn configuration<'a>(
    context: &'a Context,
    backups: &Path,
    id: &BackupId,
) -> Result<Option<Candidate<'a>>, Failure> {
    let file = backups.join(id.as_str()).join("config.toml");
    let text = TomlSource::read(&file).map_err(|finding| Failure::usage(finding.to_string()))?;
    if text.text() == context.in_effect()?.text {
        return Ok(None);
    }
    let name = format!("{id}/config.toml");
    let candidate = Candidate::new(&context.sources, &name, text.text().to_owned());
    candidate.map(Some).map_err(|error| {
        Failure::from(error)
            .and("nothing has changed; --data-only leaves the configuration as it is")
    })
}

/// What has ended since the backup was made must stay ended.
#[derive(Default)]
struct Ended {
    sessions: Vec<(SessionId, UnixTime)>,
    /// API keys that there are; `None` where that cannot be known.
    keys: Option<HashSet<ApiKeyId>>,
}

impl Ended {
    /// As the database tells that is about to be replaced; one that cannot be read tells nothing.
    async fn since(database: &Path) -> Self {
        if !database.exists() {
            return Self::default();
        }
        let Ok(sql) = Sql::open(database).await else { return Self::default() };
        let keys = sql.api_keys().await.ok();
        let keys = keys.map(|keys| keys.iter().map(|key| key.id).collect());
        let sessions = sql.ended_since(UnixTime::default()).await.unwrap_or_default();
        sql.close().await;
        Self { sessions, keys }
    }

    /// Ends the same in the database that was restored.
    async fn carry_to(self, sql: &Sql) -> Result<(), StoreError> {
        for (session, at) in self.sessions {
            sql.end(session, at).await?;
        }
        let Some(there) = self.keys else { return Ok(()) };
        for key in sql.api_keys().await? {
            if !there.contains(&key.id) {
                sql.remove_api_key(key.id).await?;
            }
        }
        Ok(())
    }
}
