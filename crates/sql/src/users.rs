use gabion_auth::{
    Account, AccountChange, InsertError, Roles, StoreError, UpdateError, UserStore, Username,
};
use sqlx::SqliteExecutor;

use crate::{
    Sql,
    column::{from_time, names, names_column, to_time, unreadable, whole},
    sql::store_error,
};

/// The columns of an account, in the order of every query here.
type Row = (String, String, String, bool, i64);

impl UserStore for Sql {
    async fn find(&self, username: &Username) -> Result<Option<Account>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "select username, password_hash, roles, enabled, created_at
             from accounts where username = $1",
        )
        .bind(username.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(store_error)?;
        row.map(account).transpose()
    }

    async fn list(&self) -> Result<Vec<Account>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select username, password_hash, roles, enabled, created_at
             from accounts order by username",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(account).collect()
    }

    async fn insert(&self, account: &Account) -> Result<(), InsertError> {
        let added = sqlx::query(
            "insert into accounts (username, password_hash, roles, enabled, created_at)
             values ($1, $2, $3, $4, $5) on conflict (username) do nothing",
        )
        .bind(account.username.as_str())
        .bind(whole(&account.password_hash, "a password hash", HASH_MAX)?)
        .bind(names_column(&account.roles, ROLES)?)
        .bind(account.enabled)
        .bind(from_time(account.created_at))
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        if added.rows_affected() == 0 {
            return Err(InsertError::Exists);
        }
        Ok(())
    }

    async fn update(
        &self,
        username: &Username,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError> {
        update(&self.writer, username, &change).await
    }

    async fn update_but_last(
        &self,
        username: &Username,
        change: AccountChange,
        role: &str,
    ) -> Result<Option<Account>, UpdateError> {
        // The write lock is taken before the others are counted; what is dropped is undone.
        let mut transaction = self.begin().await.map_err(store_error)?;
        let before = is_held(&mut *transaction, role).await?;
        let updated = update(&mut *transaction, username, &change).await?;
        if before && !is_held(&mut *transaction, role).await? {
            transaction.rollback().await.map_err(store_error)?;
            return Err(UpdateError::Last);
        }
        transaction.commit().await.map_err(store_error)?;
        Ok(updated)
    }
}

/// Whether there is an enabled account with `role`.
async fn is_held(executor: impl SqliteExecutor<'_>, role: &str) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(
        "select 1 from accounts
         where enabled and exists (select 1 from json_each(roles) where value = $1) limit 1",
    )
    .bind(role)
    .fetch_optional(executor)
    .await
    .map_err(store_error)?;
    Ok(found.is_some())
}

async fn update(
    executor: impl SqliteExecutor<'_>,
    username: &Username,
    change: &AccountChange,
) -> Result<Option<Account>, StoreError> {
    let hash = change.password_hash.as_deref();
    let row: Option<Row> = sqlx::query_as(
        "update accounts set
             roles = coalesce($2, roles),
             enabled = coalesce($3, enabled),
             password_hash = coalesce($4, password_hash)
         where username = $1
         returning username, password_hash, roles, enabled, created_at",
    )
    .bind(username.as_str())
    .bind(change.roles.as_ref().map(|roles| names_column(roles, ROLES)).transpose()?)
    .bind(change.enabled)
    .bind(hash.map(|hash| whole(hash, "a password hash", HASH_MAX)).transpose()?)
    .fetch_optional(executor)
    .await
    .map_err(store_error)?;
    row.map(account).transpose()
}

fn account(
    (username, password_hash, roles, enabled, created_at): Row,
) -> Result<Account, StoreError> {
    Ok(Account {
        username: Username::parse(&username).map_err(|_| unreadable("a user name"))?,
        password_hash,
        roles: Roles::new(names(&roles, "roles")?),
        enabled,
        created_at: to_time(created_at)?,
    })
}

const ROLES: &str = "a list of roles";
/// Ten times the PHC string of argon2id with a long salt and output.
const HASH_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use gabion_clock::UnixTime;

    use super::*;
    use crate::scratch::Scratch;

    fn ada() -> Account {
        Account {
            username: Username::parse("ada").unwrap(),
            password_hash: "$argon2id$v=19$x".into(),
            roles: Roles::new(["admin", "say \"hi\""]),
            enabled: true,
            created_at: UnixTime::from_secs(7),
        }
    }

    #[tokio::test]
    async fn accounts_keep_the_contract() {
        gabion_auth::conformance::users(&Scratch::new().await.sql).await;
    }

    #[tokio::test]
    async fn an_account_reads_back_as_it_was_written() {
        let scratch = Scratch::new().await;
        scratch.sql.insert(&ada()).await.unwrap();
        assert_eq!(scratch.sql.find(&ada().username).await.unwrap(), Some(ada()));
    }

    #[tokio::test]
    async fn a_change_is_on_disk_when_it_is_acknowledged() {
        let scratch = Scratch::new().await;
        scratch.sql.insert(&ada()).await.unwrap();
        let change = AccountChange { enabled: Some(false), ..AccountChange::default() };
        scratch.sql.update(&ada().username, change).await.unwrap();
        let after_kill = scratch.as_after_a_kill().await;
        let found = after_kill.sql.find(&ada().username).await.unwrap();
        assert_eq!(found, Some(Account { enabled: false, ..ada() }));
    }

    #[tokio::test]
    async fn an_endless_hash_is_refused() {
        let scratch = Scratch::new().await;
        let account = Account { password_hash: "x".repeat(HASH_MAX + 1), ..ada() };
        assert!(matches!(scratch.sql.insert(&account).await, Err(InsertError::Store(_))));
        assert_eq!(scratch.sql.list().await.unwrap(), []);
    }
}
