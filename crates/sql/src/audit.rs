use gabion_auth::StoreError;
use gabion_clock::UnixTime;

use crate::{
    Sql,
    column::{beginning, from_time, to_time},
    sql::store_error,
};

/// Who did what, when, and what became of it.
///
/// Text longer than a few kilobytes is cut when it is stored: a long record must not be lost, nor
/// fill the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditRecord {
    /// Its place in the order of records, given by the store; ignored when appending.
    pub id: Option<i64>,
    /// When it happened.
    pub at: UnixTime,
    /// What was tried, as `login`; to 128 bytes.
    pub action: String,
    /// What became of it, as `success`; to 128 bytes.
    pub outcome: String,
    /// Who it was about, as a user name; to 256 bytes.
    pub subject: Option<String>,
    /// Who did it, where that is somebody else; to 256 bytes.
    pub actor: Option<String>,
    /// In which session; to 64 bytes.
    pub session: Option<String>,
    /// From which address; to 256 bytes.
    pub address: Option<String>,
    /// By which request; to 128 bytes.
    pub request_id: Option<String>,
    /// What else is worth knowing; to 4096 bytes.
    pub detail: Option<String>,
}

/// Which records a [page](Sql::audit) is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditQuery {
    /// Those before this id; without it, the newest.
    pub before_id: Option<i64>,
    /// Those about this account.
    pub subject: Option<String>,
    /// Those of this action, as `login`.
    pub action: Option<String>,
}

type Row = (
    i64,
    i64,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

impl Sql {
    /// Most records of one [page](Self::audit).
    pub const AUDIT_PAGE: u32 = 1000;

    /// Adds records in their order, all or none, with one write to the disk.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn append_audit(&self, records: &[AuditRecord]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await.map_err(store_error)?;
        for record in records {
            let optional = |text: &Option<String>, max| {
                text.as_deref().map(|text| beginning(text, max).to_owned())
            };
            sqlx::query(
                "insert into audit
                     (at, action, outcome, subject, actor, session, address, request_id, detail)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(from_time(record.at))
            .bind(beginning(&record.action, WORD_MAX))
            .bind(beginning(&record.outcome, WORD_MAX))
            .bind(optional(&record.subject, NAME_MAX))
            .bind(optional(&record.actor, NAME_MAX))
            .bind(optional(&record.session, SESSION_MAX))
            .bind(optional(&record.address, NAME_MAX))
            .bind(optional(&record.request_id, WORD_MAX))
            .bind(optional(&record.detail, DETAIL_MAX))
            .execute(&mut *transaction)
            .await
            .map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }

    /// A page of the records that `query` asks for, newest first.
    ///
    /// `limit` above [`AUDIT_PAGE`](Self::AUDIT_PAGE) counts as that. The next page begins before
    /// the last record's id.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn audit(
        &self,
        query: &AuditQuery,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let mut page = sqlx::query_as::<_, Row>(page(query))
            .bind(query.before_id.unwrap_or(i64::MAX))
            .bind(i64::from(limit.min(Self::AUDIT_PAGE)));
        for filter in [&query.subject, &query.action].into_iter().flatten() {
            page = page.bind(filter);
        }
        let rows = page.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.into_iter().map(record).collect()
    }

    /// Forgets records of what happened before `before`; returns how many.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn prune_audit(&self, before: UnixTime) -> Result<u64, StoreError> {
        let pruned = sqlx::query("delete from audit where at < $1")
            .bind(from_time(before))
            .execute(&self.writer)
            .await
            .map_err(store_error)?;
        Ok(pruned.rows_affected())
    }
}

/// A text for each combination of filters: one text for all of them would use no index.
fn page(query: &AuditQuery) -> &'static str {
    macro_rules! page {
        ($filters:literal) => {
            concat!(
                "select id, at, action, outcome, subject, actor, session, address, request_id,
                        detail
                 from audit where id < $1 ",
                $filters,
                " order by id desc limit $2"
            )
        };
    }
    match (&query.subject, &query.action) {
        (None, None) => page!(""),
        (Some(_), None) => page!("and subject = $3"),
        (None, Some(_)) => page!("and action = $3"),
        // An account has fewer records than an action: the function keeps the other index out.
        (Some(_), Some(_)) => page!("and subject = $3 and coalesce(action, '') = $4"),
    }
}

fn record(
    (id, at, action, outcome, subject, actor, session, address, request_id, detail): Row,
) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        id: Some(id),
        at: to_time(at)?,
        action,
        outcome,
        subject,
        actor,
        session,
        address,
        request_id,
        detail,
    })
}

const WORD_MAX: usize = 128;
const NAME_MAX: usize = 256;
const SESSION_MAX: usize = 64;
const DETAIL_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{result_code, scratch::Scratch};

    fn login(second: u64) -> AuditRecord {
        AuditRecord {
            at: UnixTime::from_secs(second),
            action: "login".into(),
            outcome: "success".into(),
            subject: Some(format!("user-{second}")),
            ..AuditRecord::default()
        }
    }

    fn seconds(page: &[AuditRecord]) -> Vec<u64> {
        page.iter().map(|record| record.at.as_secs()).collect()
    }

    fn newest() -> AuditQuery {
        AuditQuery::default()
    }

    fn before(id: Option<i64>) -> AuditQuery {
        AuditQuery { before_id: id, ..newest() }
    }

    #[tokio::test]
    async fn a_page_is_of_whom_and_what_is_asked_for() {
        let scratch = Scratch::new().await;
        let refresh = AuditRecord { action: "refresh".into(), ..login(2) };
        scratch.sql.append_audit(&[login(1), login(2), refresh, login(3)]).await.unwrap();
        let subject = Some("user-2".to_owned());
        let of_one = AuditQuery { subject: subject.clone(), ..newest() };
        assert_eq!(scratch.sql.audit(&of_one, 9).await.unwrap().len(), 2);
        let action = Some("login".to_owned());
        let of_both = AuditQuery { subject, action, ..newest() };
        let found = scratch.sql.audit(&of_both, 9).await.unwrap();
        assert_eq!((found.len(), found[0].id), (1, Some(2)));
        let before = AuditQuery { before_id: Some(2), ..of_both };
        assert_eq!(scratch.sql.audit(&before, 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_page_reads_no_more_than_it_is_of() {
        let scratch = Scratch::new().await;
        let some = Some("x".to_owned());
        let by_subject = "SEARCH audit USING INDEX audit_by_subject (subject=? AND id<?)";
        let by_action = "SEARCH audit USING INDEX audit_by_action (action=? AND id<?)";
        for (subject, action, plan) in [
            (None, None, "SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)"),
            (some.clone(), None, by_subject),
            (None, some.clone(), by_action),
            (some.clone(), some, by_subject),
        ] {
            let query = AuditQuery { subject, action, ..newest() };
            let explain = sqlx::AssertSqlSafe(format!("explain query plan {}", page(&query)));
            let steps: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explain).fetch_all(&scratch.sql.readers).await.unwrap();
            let steps: Vec<_> = steps.iter().map(|(.., step)| step.as_str()).collect();
            assert_eq!(steps, [plan], "{query:?}");
        }
    }

    #[tokio::test]
    async fn pages_follow_each_other_newest_first_without_gap_or_repeat() {
        let scratch = Scratch::new().await;
        let records: Vec<_> = (0..7).map(login).collect();
        scratch.sql.append_audit(&records[..4]).await.unwrap();
        scratch.sql.append_audit(&records[4..]).await.unwrap();

        let first = scratch.sql.audit(&newest(), 3).await.unwrap();
        assert_eq!(seconds(&first), [6, 5, 4]);
        // What comes in between does not shift the pages.
        scratch.sql.append_audit(&[login(7)]).await.unwrap();
        let second = scratch.sql.audit(&before(first[2].id), 3).await.unwrap();
        assert_eq!(seconds(&second), [3, 2, 1]);
        let third = scratch.sql.audit(&before(second[2].id), 3).await.unwrap();
        assert_eq!(seconds(&third), [0]);
        assert_eq!(third[0].subject.as_deref(), Some("user-0"));
    }

    #[tokio::test]
    async fn a_page_is_never_longer_than_a_thousand() {
        let scratch = Scratch::new().await;
        let records: Vec<_> = (0..1001).map(login).collect();
        scratch.sql.append_audit(&records).await.unwrap();
        assert_eq!(scratch.sql.audit(&newest(), u32::MAX).await.unwrap().len(), 1000);
    }

    #[tokio::test]
    async fn pruning_forgets_the_old_and_no_id_comes_back() {
        let scratch = Scratch::new().await;
        scratch.sql.append_audit(&[login(1), login(2)]).await.unwrap();
        assert_eq!(scratch.sql.prune_audit(UnixTime::from_secs(2)).await.unwrap(), 1);
        assert_eq!(seconds(&scratch.sql.audit(&newest(), 9).await.unwrap()), [2]);

        assert_eq!(scratch.sql.prune_audit(UnixTime::from_secs(9)).await.unwrap(), 1);
        scratch.sql.append_audit(&[login(9)]).await.unwrap();
        assert_eq!(scratch.sql.audit(&newest(), 9).await.unwrap()[0].id, Some(3));
    }

    async fn limit_pages(sql: &Sql, pages: i64) {
        let statement = sqlx::AssertSqlSafe(format!("pragma max_page_count = {pages}"));
        sqlx::raw_sql(statement).execute(&sql.writer).await.unwrap();
    }

    #[tokio::test]
    async fn a_disk_that_was_full_takes_records_again_once_there_is_room() {
        let scratch = Scratch::new().await;
        // Not a page more than there are.
        limit_pages(&scratch.sql, 1).await;
        let long = AuditRecord { detail: Some("x".repeat(DETAIL_MAX)), ..login(1) };
        let records = vec![long; 100];
        let error = scratch.sql.append_audit(&records).await.unwrap_err();
        let code = error.0.downcast_ref::<sqlx::Error>().and_then(result_code::of);
        assert_eq!(code, Some(result_code::FULL), "{error:?}");
        assert_eq!(scratch.sql.audit(&newest(), 9).await.unwrap(), []);

        limit_pages(&scratch.sql, 1_000_000).await;
        scratch.sql.append_audit(&records).await.unwrap();
        assert_eq!(scratch.sql.audit(&newest(), 1000).await.unwrap().len(), 100);
    }

    #[tokio::test]
    async fn an_endless_detail_is_cut_and_the_record_kept() {
        let scratch = Scratch::new().await;
        let record = AuditRecord { detail: Some("é".repeat(1 << 20)), ..login(1) };
        scratch.sql.append_audit(&[record]).await.unwrap();
        let stored = scratch.sql.audit(&newest(), 1).await.unwrap().remove(0);
        assert_eq!(stored.detail.unwrap().len(), DETAIL_MAX);
    }
}
