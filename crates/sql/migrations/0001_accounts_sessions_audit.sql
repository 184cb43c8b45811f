-- Times are milliseconds since the Unix epoch.

create table accounts (
    username      text    not null primary key,
    password_hash text    not null,
    roles         text    not null, -- a JSON array
    enabled       integer not null check (enabled in (0, 1)),
    created_at    integer not null
) strict;

-- No reference to accounts: a service may keep those elsewhere.
create table sessions (
    id           text    not null primary key, -- 32 hexadecimal digits
    username     text    not null,
    generation   integer not null,
    created_at   integer not null,
    refreshed_at integer not null,
    expires_at   integer not null,
    ended_at     integer,
    address      text    not null
) strict;

create index sessions_by_username on sessions (username);
create index sessions_by_expiry on sessions (expires_at);
create index sessions_by_end on sessions (ended_at) where ended_at is not null;

-- Autoincrement: an id that was pruned never comes back, so pages stay in order.
create table audit (
    id      integer not null primary key autoincrement,
    at      integer not null,
    action  text    not null,
    outcome text    not null,
    subject text,
    session text,
    address text,
    detail  text
) strict;

create index audit_by_time on audit (at);

pragma application_id = 1197564521; -- "Gabi"
pragma user_version = 1;
