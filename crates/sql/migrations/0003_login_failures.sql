-- Times are milliseconds since the Unix epoch.

-- Failed logins, so that a restart forgets none. Without rowid: rows are few, small and rewritten.
create table login_failures (
    key         blob    not null primary key check (length(key) = 16), -- a keyed hash, never a name
    scope       integer not null check (scope in (0, 1)), -- of an account, of an address
    consecutive integer not null,
    recent      integer not null,
    window_ends integer not null,
    waits       integer not null,
    wait_ends   integer not null,
    paid_by     integer not null,
    changed_at  integer not null,
    kept_until  integer not null
) strict, without rowid;

create index login_failures_by_worth on login_failures (kept_until, consecutive);

pragma user_version = 3;
