use gabion_auth::{ApiKey, ApiKeyId, ApiKeyStore, Roles, StoreError, Username};
use gabion_clock::UnixTime;

use crate::{
    Sql,
    column::{beginning, from_time, names, names_column, to_time, unreadable},
    sql::store_error,
};

/// The columns of an API key, in the order of every query here.
type Row = (String, String, String, String, String, i64, i64, Option<i64>);

impl ApiKeyStore for Sql {
    async fn add_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        sqlx::query(
            "insert into api_keys
                 (id, name, username, scopes, secret_hash, created_at, expires_at, last_used_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(key.id.to_string())
        .bind(beginning(&key.name, NAME_MAX))
        .bind(key.username.as_str())
        .bind(names_column(&key.scopes, "a list of scopes")?)
        .bind(hex(&key.secret_hash))
        .bind(from_time(key.created_at))
        .bind(from_time(key.expires_at))
        .bind(key.last_used_at.map(from_time))
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "select id, name, username, scopes, secret_hash, created_at, expires_at, last_used_at
             from api_keys where id = $1",
        )
        .bind(id.to_string())
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        row.map(api_key).transpose()
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select id, name, username, scopes, secret_hash, created_at, expires_at, last_used_at
             from api_keys order by created_at, id",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(api_key).collect()
    }

    async fn remove_api_key(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        let removed = sqlx::query("delete from api_keys where id = $1")
            .bind(id.to_string())
            .execute(&self.writer)
            .await
            .map_err(store_error)?;
        Ok(removed.rows_affected() > 0)
    }

    async fn note_api_key_uses(&self, uses: &[(ApiKeyId, UnixTime)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await.map_err(store_error)?;
        for (id, at) in uses {
            sqlx::query(
                "update api_keys set last_used_at = max(coalesce(last_used_at, 0), $2)
                 where id = $1",
            )
            .bind(id.to_string())
            .bind(from_time(*at))
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }

    async fn prune_api_keys(&self, before: UnixTime) -> Result<u64, StoreError> {
        let pruned = sqlx::query("delete from api_keys where expires_at < $1")
            .bind(from_time(before))
            .execute(&self.writer)
            .await
            .map_err(store_error)?;
        Ok(pruned.rows_affected())
    }
}

fn api_key(
    (id, name, username, scopes, secret_hash, created_at, expires_at, last_used_at): Row,
) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: id.parse().map_err(|_| unreadable("the id of an API key"))?,
        name,
        username: Username::parse(&username).map_err(|_| unreadable("a user name"))?,
        scopes: Roles::new(names(&scopes, "scopes")?),
        secret_hash: from_hex(&secret_hash).ok_or_else(|| unreadable("a hash"))?,
        created_at: to_time(created_at)?,
        expires_at: to_time(expires_at)?,
        last_used_at: last_used_at.map(to_time).transpose()?,
    })
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// 64 characters of four bytes.
const NAME_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[tokio::test]
    async fn api_keys_keep_the_contract() {
        gabion_auth::conformance::api_keys(&Scratch::new().await.sql).await;
    }

    #[tokio::test]
    async fn a_removed_key_is_gone_after_a_kill() {
        let scratch = Scratch::new().await;
        let key = ApiKey {
            id: ApiKeyId::random(),
            name: "deploy".into(),
            username: Username::parse("ada").unwrap(),
            scopes: Roles::new(["status"]),
            secret_hash: [0xa7; 32],
            created_at: UnixTime::from_secs(1),
            expires_at: UnixTime::from_secs(2),
            last_used_at: None,
        };
        scratch.sql.add_api_key(&key).await.unwrap();
        let kept = scratch.as_after_a_kill().await.sql.api_keys().await.unwrap();
        assert_eq!(kept, std::slice::from_ref(&key));
        scratch.sql.remove_api_key(key.id).await.unwrap();
        assert_eq!(scratch.as_after_a_kill().await.sql.api_keys().await.unwrap(), []);
    }
}
