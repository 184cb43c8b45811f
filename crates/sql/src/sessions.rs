use gabion_auth::{
    RevocationStore, Rotation, Session, SessionId, SessionLife, SessionStore, StoreError, Username,
};
use gabion_clock::UnixTime;

use crate::{
    Sql,
    column::{beginning, from_time, to_time, unreadable},
    sql::store_error,
};

/// The columns of a session, in the order of every query here.
type Row = (String, String, i64, i64, i64, i64, String);

impl SessionStore for Sql {
    async fn create(&self, session: &Session) -> Result<(), StoreError> {
        sqlx::query(
            "insert into sessions
                 (id, username, generation, created_at, refreshed_at, expires_at, address)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(session.id.to_string())
        .bind(session.username.as_str())
        .bind(i64::from(session.generation))
        .bind(from_time(session.created_at))
        .bind(from_time(session.refreshed_at))
        .bind(from_time(session.expires_at))
        .bind(beginning(&session.address, ADDRESS_MAX))
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn session(&self, id: SessionId, now: UnixTime) -> Result<Option<Session>, StoreError> {
        let row: Option<Row> = sqlx::query_as(LIVE_SESSION)
            .bind(id.to_string())
            .bind(from_time(now))
            .fetch_optional(&self.readers)
            .await
            .map_err(store_error)?;
        row.map(session).transpose()
    }

    /// The newest thousand.
    async fn sessions(
        &self,
        username: &Username,
        now: UnixTime,
    ) -> Result<Vec<Session>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select id, username, generation, created_at, refreshed_at, expires_at, address
             from sessions where username = $1 and ended_at is null and expires_at > $2
             order by created_at desc, id limit 1000",
        )
        .bind(username.as_str())
        .bind(from_time(now))
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(session).collect()
    }

    async fn rotate(
        &self,
        id: SessionId,
        generation: u32,
        life: SessionLife,
        now: UnixTime,
    ) -> Result<Rotation, StoreError> {
        // The write lock is taken before the generation is read: whoever comes second reads the
        // next one.
        let mut transaction = self.begin().await.map_err(store_error)?;
        let row: Option<Row> = sqlx::query_as(LIVE_SESSION)
            .bind(id.to_string())
            .bind(from_time(now))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(store_error)?;
        let Some(found) = row.map(session).transpose()? else {
            return Ok(Rotation::Gone);
        };
        let expires_at = life.expires_at(found.created_at, now);
        if expires_at <= now {
            return Ok(Rotation::Gone);
        }

        // A generation that was never given out is no better than a spent one.
        let next = generation.checked_add(1).filter(|_| generation == found.generation);
        let rotation = match next {
            Some(generation) => {
                sqlx::query(
                    "update sessions set generation = $2, refreshed_at = $3, expires_at = $4
                     where id = $1",
                )
                .bind(id.to_string())
                .bind(i64::from(generation))
                .bind(from_time(now))
                .bind(from_time(expires_at))
                .execute(&mut *transaction)
                .await
                .map_err(store_error)?;
                Rotation::Rotate(Session { generation, refreshed_at: now, expires_at, ..found })
            }
            None => {
                sqlx::query("update sessions set ended_at = $2 where id = $1")
                    .bind(id.to_string())
                    .bind(from_time(now))
                    .execute(&mut *transaction)
                    .await
                    .map_err(store_error)?;
                Rotation::Reuse(found)
            }
        };
        transaction.commit().await.map_err(store_error)?;
        Ok(rotation)
    }

    async fn end(&self, id: SessionId, now: UnixTime) -> Result<bool, StoreError> {
        let ended = sqlx::query(
            "update sessions set ended_at = $2
             where id = $1 and ended_at is null and expires_at > $2",
        )
        .bind(id.to_string())
        .bind(from_time(now))
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(ended.rows_affected() > 0)
    }

    async fn end_all(
        &self,
        username: &Username,
        keep: Option<SessionId>,
        now: UnixTime,
    ) -> Result<Vec<SessionId>, StoreError> {
        // No id is empty.
        let keep = keep.map_or_else(String::new, |id| id.to_string());
        let ended: Vec<String> = sqlx::query_scalar(
            "update sessions set ended_at = $3
             where username = $1 and id <> $2 and ended_at is null and expires_at > $3
             returning id",
        )
        .bind(username.as_str())
        .bind(keep)
        .bind(from_time(now))
        .fetch_all(&self.writer)
        .await
        .map_err(store_error)?;
        ended.iter().map(|id| session_id(id)).collect()
    }
}

impl RevocationStore for Sql {
    async fn ended_since(&self, since: UnixTime) -> Result<Vec<(SessionId, UnixTime)>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select id, ended_at from sessions where ended_at >= $1 order by ended_at",
        )
        .bind(from_time(since))
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.iter().map(|(id, ended_at)| Ok((session_id(id)?, to_time(*ended_at)?))).collect()
    }

    async fn prune(&self, before: UnixTime) -> Result<u64, StoreError> {
        let pruned = sqlx::query("delete from sessions where ended_at < $1 or expires_at < $1")
            .bind(from_time(before))
            .execute(&self.writer)
            .await
            .map_err(store_error)?;
        Ok(pruned.rows_affected())
    }
}

fn session(
    (id, username, generation, created_at, refreshed_at, expires_at, address): Row,
) -> Result<Session, StoreError> {
    Ok(Session {
        id: session_id(&id)?,
        username: Username::parse(&username).map_err(|_| unreadable("a user name"))?,
        generation: u32::try_from(generation).map_err(|_| unreadable("a generation"))?,
        created_at: to_time(created_at)?,
        refreshed_at: to_time(refreshed_at)?,
        expires_at: to_time(expires_at)?,
        address,
    })
}

fn session_id(text: &str) -> Result<SessionId, StoreError> {
    text.parse().map_err(|_| unreadable("a session id"))
}

const LIVE_SESSION: &str =
    "select id, username, generation, created_at, refreshed_at, expires_at, address
     from sessions where id = $1 and ended_at is null and expires_at > $2";
/// The longest IPv6 address with a zone and a port has 60 or so.
const ADDRESS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scratch::Scratch;

    const NOW: UnixTime = UnixTime::from_secs(1_000);
    const LATER: UnixTime = UnixTime::from_secs(2_000);

    const LIFE: SessionLife =
        SessionLife { idle: Duration::from_secs(1000), absolute: Duration::from_secs(2000) };

    fn new_session() -> Session {
        Session {
            id: SessionId::random(),
            username: Username::parse("ada").unwrap(),
            generation: 0,
            created_at: NOW,
            refreshed_at: NOW,
            expires_at: LATER,
            address: "192.0.2.1".into(),
        }
    }

    #[tokio::test]
    async fn sessions_keep_the_contract() {
        gabion_auth::conformance::sessions(&Scratch::new().await.sql).await;
    }

    #[tokio::test]
    async fn revocations_keep_the_contract() {
        gabion_auth::conformance::revocations(&Scratch::new().await.sql).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_rotations_in_two_processes_exactly_one_wins() {
        let scratch = Scratch::new().await;
        let second = Sql::open(scratch.sql.path()).await.unwrap();
        let session = new_session();
        scratch.sql.create(&session).await.unwrap();

        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..16 {
            let store = if i % 2 == 0 { scratch.sql.clone() } else { second.clone() };
            tasks.spawn(async move { store.rotate(session.id, 0, LIFE, NOW).await.unwrap() });
        }
        let (mut won, mut reused, mut gone) = (0, 0, 0);
        for rotation in tasks.join_all().await {
            match rotation {
                Rotation::Rotate(_) => won += 1,
                Rotation::Reuse(_) => reused += 1,
                Rotation::Gone => gone += 1,
            }
        }
        assert_eq!((won, reused, gone), (1, 1, 14));
        assert_eq!(second.session(session.id, NOW).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_rotation_is_on_disk_when_it_is_acknowledged() {
        let scratch = Scratch::new().await;
        let session = new_session();
        scratch.sql.create(&session).await.unwrap();
        scratch.sql.rotate(session.id, 0, LIFE, NOW).await.unwrap();
        let after_kill = scratch.as_after_a_kill().await;
        let found = after_kill.sql.session(session.id, NOW).await.unwrap().unwrap();
        assert_eq!(found.generation, 1);
    }

    #[tokio::test]
    async fn a_kill_before_the_commit_leaves_the_old_generation() {
        let scratch = Scratch::new().await;
        let session = new_session();
        scratch.sql.create(&session).await.unwrap();
        let mut transaction = scratch.sql.begin().await.unwrap();
        sqlx::query("update sessions set generation = 1").execute(&mut *transaction).await.unwrap();
        let after_kill = scratch.as_after_a_kill().await;
        assert_eq!(after_kill.sql.session(session.id, NOW).await.unwrap(), Some(session));
    }

    #[tokio::test]
    async fn the_end_of_a_reused_session_is_told_to_new_processes() {
        let scratch = Scratch::new().await;
        let session = new_session();
        scratch.sql.create(&session).await.unwrap();
        scratch.sql.rotate(session.id, 0, LIFE, NOW).await.unwrap();
        scratch.sql.rotate(session.id, 0, LIFE, NOW).await.unwrap();
        let second = Sql::open(scratch.sql.path()).await.unwrap();
        assert_eq!(second.ended_since(NOW).await.unwrap(), [(session.id, NOW)]);
        assert_eq!(second.ended_since(NOW + Duration::from_millis(1)).await.unwrap(), []);
    }

    #[tokio::test]
    async fn an_endless_address_is_cut() {
        let scratch = Scratch::new().await;
        let session = Session { address: "x".repeat(1 << 20), ..new_session() };
        scratch.sql.create(&session).await.unwrap();
        let found = scratch.sql.session(session.id, NOW).await.unwrap().unwrap();
        assert_eq!(found.address.len(), ADDRESS_MAX);
    }
}
