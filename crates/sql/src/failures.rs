use gabion_auth::{FailureKey, FailureRecord, FailureScope, FailureStore, StoreError};
use gabion_clock::UnixTime;

use crate::{
    Sql,
    column::{from_time, to_time, unreadable},
    sql::store_error,
};

/// The columns of a record, in the order of every query here.
type Row = (Vec<u8>, i64, i64, i64, i64, i64, i64, i64, i64, i64);

impl FailureStore for Sql {
    async fn save_failures(&self, records: &[FailureRecord]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await.map_err(store_error)?;
        for record in records {
            sqlx::query(
                "insert into login_failures
                     (key, scope, consecutive, recent, window_ends, waits, wait_ends, paid_by,
                      changed_at, kept_until)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 on conflict (key) do update set
                     scope = excluded.scope, consecutive = excluded.consecutive,
                     recent = excluded.recent, window_ends = excluded.window_ends,
                     waits = excluded.waits, wait_ends = excluded.wait_ends,
                     paid_by = excluded.paid_by, changed_at = excluded.changed_at,
                     kept_until = excluded.kept_until",
            )
            .bind(record.key.to_bytes().to_vec())
            .bind(scope_column(record.scope))
            .bind(i64::from(record.consecutive))
            .bind(i64::from(record.recent))
            .bind(from_time(record.window_ends))
            .bind(i64::from(record.waits))
            .bind(from_time(record.wait_ends))
            .bind(from_time(record.paid_by))
            .bind(from_time(record.changed_at))
            .bind(from_time(record.kept_until))
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }

    async fn failures(&self, limit: u32) -> Result<Vec<FailureRecord>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select key, scope, consecutive, recent, window_ends, waits, wait_ends, paid_by,
                    changed_at, kept_until
             from login_failures order by kept_until desc, consecutive desc limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(record).collect()
    }

    async fn prune_failures(&self, now: UnixTime, keep: u32) -> Result<u64, StoreError> {
        let pruned = sqlx::query(
            "delete from login_failures where kept_until < $1 or key in
                 (select key from login_failures
                  order by kept_until desc, consecutive desc limit $3 offset $2)",
        )
        .bind(from_time(now))
        .bind(i64::from(keep))
        .bind(i64::MAX)
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(pruned.rows_affected())
    }
}

fn scope_column(scope: FailureScope) -> i64 {
    match scope {
        FailureScope::Account => 0,
        FailureScope::Address => 1,
    }
}

fn record(
    (
        key,
        scope,
        consecutive,
        recent,
        window_ends,
        waits,
        wait_ends,
        paid_by,
        changed_at,
        kept_until,
    ): Row,
) -> Result<FailureRecord, StoreError> {
    let count = |number: i64| u32::try_from(number).map_err(|_| unreadable("a count"));
    let key = <[u8; 16]>::try_from(key).map_err(|_| unreadable("the key of failed logins"))?;
    Ok(FailureRecord {
        key: FailureKey::from_bytes(key),
        scope: if scope == 0 { FailureScope::Account } else { FailureScope::Address },
        consecutive: count(consecutive)?,
        recent: count(recent)?,
        window_ends: to_time(window_ends)?,
        waits: count(waits)?,
        wait_ends: to_time(wait_ends)?,
        paid_by: to_time(paid_by)?,
        changed_at: to_time(changed_at)?,
        kept_until: to_time(kept_until)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn failures_keep_the_contract() {
        gabion_auth::conformance::failures(&Scratch::new().await.sql).await;
    }

    /// Every column has a value of its own.
    fn record(scope: FailureScope, first: u32) -> FailureRecord {
        let time = |place: u32| UnixTime::from_millis(u64::from(first + place));
        FailureRecord {
            key: FailureKey::from_bytes([7; 16]),
            scope,
            consecutive: first,
            recent: first + 1,
            window_ends: time(2),
            waits: first + 3,
            wait_ends: time(4),
            paid_by: time(5),
            changed_at: time(6),
            kept_until: time(7),
        }
    }

    #[tokio::test]
    async fn a_record_replaces_the_one_of_its_key_in_every_column() {
        let scratch = Scratch::new().await;
        let (old, new) = (record(FailureScope::Account, 1), record(FailureScope::Address, 100));
        scratch.sql.save_failures(&[old]).await.unwrap();
        scratch.sql.save_failures(std::slice::from_ref(&new)).await.unwrap();
        assert_eq!(scratch.sql.failures(9).await.unwrap(), [new]);
    }

    #[tokio::test]
    async fn failures_are_there_after_a_kill() {
        let scratch = Scratch::new().await;
        let record = record(FailureScope::Address, 1);
        scratch.sql.save_failures(std::slice::from_ref(&record)).await.unwrap();
        let after_kill = scratch.as_after_a_kill().await;
        assert_eq!(after_kill.sql.failures(9).await.unwrap(), [record]);
    }
}
