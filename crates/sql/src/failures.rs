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
                "insert or replace into login_failures
                     (key, scope, consecutive, recent, window_ends, waits, wait_ends, paid_by,
                      changed_at, kept_until)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
                  order by kept_until desc, consecutive desc limit -1 offset $2)",
        )
        .bind(from_time(now))
        .bind(i64::from(keep))
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

    #[tokio::test]
    async fn failures_are_there_after_a_kill() {
        let scratch = Scratch::new().await;
        let record = FailureRecord {
            key: FailureKey::from_bytes([7; 16]),
            scope: FailureScope::Address,
            consecutive: 1,
            recent: 2,
            window_ends: UnixTime::from_millis(3),
            waits: 4,
            wait_ends: UnixTime::from_millis(5),
            paid_by: UnixTime::from_millis(6),
            changed_at: UnixTime::from_millis(7),
            kept_until: UnixTime::from_millis(8),
        };
        scratch.sql.save_failures(std::slice::from_ref(&record)).await.unwrap();
        let after_kill = scratch.as_after_a_kill().await;
        assert_eq!(after_kill.sql.failures(9).await.unwrap(), [record]);
    }
}
