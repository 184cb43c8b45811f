use std::path::PathBuf;

use clap::Subcommand;
use gabion_auth::{RevocationStore, SessionStore};
use gabion_clock::{Clock, SystemClock, UnixTime};
use gabion_config::History;
use gabion_sql::{
    Sql,
    backup::{self, BackupId},
};
use http::Method;
use serde_json::{Value, json};

use super::{Context, Failure, offline, output::say};

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
    /// Put a backup in place of the data, which is kept aside; the server must be stopped
    #[command(after_help = "Example:\n  gabion backup restore 20260301T120000Z-1a2b")]
    Restore {
        /// The backup, as it is listed
        id: String,
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
        BackupCommand::Restore { id } => restore(&context, &id).await,
        BackupCommand::Drill => {
            Err(Failure::new("backup drill is not available yet; backup verify checks a backup"))
        }
    }
}

const BACKUPS: &str = "/api/admin/backups";

fn folder(context: &Context) -> Result<PathBuf, Failure> {
    let settings = context.settings()?;
    Ok(context.data_dir()?.backups(&settings.backup.dir))
}

fn parse(id: &str) -> Result<BackupId, Failure> {
    id.parse().map_err(|error: backup::BackupError| Failure::usage(error.to_string()))
}

async fn create(context: &Context) -> Result<(), Failure> {
    let answer = match context.ask(Method::POST, BACKUPS, None).await? {
        Some(answer) => answer,
        None => {
            let offline = offline::open(context).await?;
            let history = History::open(&context.data_dir()?.config())?;
            let newest = history.list()?.first().map(|version| version.number);
            let text = newest.map(|newest| history.text(newest)).transpose()?.unwrap_or_default();
            let now = SystemClock::new().unix();
            let made = backup::create(&offline.sql, &folder(context)?, &text, now).await?;
            offline.sql.close().await;
            json!({"id": made.id.as_str(), "bytes": made.bytes})
        }
    };
    if context.json {
        say(&answer.to_string());
    } else {
        say(&format!("backup {} is made and checked", answer["id"].as_str().unwrap_or_default()));
    }
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let backups = backup::list(&folder(context)?).await?;
    if context.json {
        let row = |backup: &backup::Backup| {
            json!({
                "id": backup.id.as_str(),
                "created_at": backup.created_at.to_string(),
                "bytes": backup.bytes,
                "damaged": backup.damaged,
            })
        };
        say(&format!("{:#}", Value::from_iter(backups.iter().map(row))));
        return Ok(());
    }
    for backup in backups {
        let damaged = if backup.damaged { "  DAMAGED" } else { "" };
        say(&format!("{}  {:>10} bytes{damaged}", backup.id, backup.bytes));
    }
    Ok(())
}

async fn verify(context: &Context, id: &str) -> Result<(), Failure> {
    let id = parse(id)?;
    let verified = backup::verify(&folder(context)?, &id).await?;
    if context.json {
        say(&json!({"id": id.as_str(), "verified": true, "rows": verified.rows}).to_string());
    } else {
        say(&format!("backup {id} is good"));
    }
    Ok(())
}

async fn restore(context: &Context, id: &str) -> Result<(), Failure> {
    let id = parse(id)?;
    // Any answer tells of a server, also that it is not well.
    if !matches!(context.ask(Method::GET, "/api/health", None).await, Ok(None)) {
        return Err(Failure::new("the server is running: stop it, restore, and start it again"));
    }
    let (data_dir, _lock) = offline::lock(context)?;
    let database = data_dir.database();
    let ended = ended_sessions(&database).await;
    let restored =
        backup::restore(&folder(context)?, &id, &database, SystemClock::new().unix()).await?;
    let sql = Sql::open(&database).await?;
    for (session, at) in ended {
        sql.end(session, at).await?;
    }
    sql.close().await;
    let replaced = restored.replaced.display().to_string();
    if context.json {
        say(&json!({"id": id.as_str(), "replaced": replaced}).to_string());
    } else {
        say(&format!("backup {id} is in place; the data before it is in {replaced}"));
    }
    Ok(())
}

/// Sessions that have ended since the backup was made must stay ended. A database that cannot be read
/// has none to tell.
async fn ended_sessions(database: &std::path::Path) -> Vec<(gabion_auth::SessionId, UnixTime)> {
    if !database.exists() {
        return Vec::new();
    }
    let Ok(sql) = Sql::open(database).await else { return Vec::new() };
    let ended = sql.ended_since(UnixTime::default()).await.unwrap_or_default();
    sql.close().await;
    ended
}
