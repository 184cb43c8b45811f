-- Times are milliseconds since the Unix epoch.

create table api_keys (
    id           text    not null primary key, -- 32 hexadecimal digits
    name         text    not null,
    username     text    not null,
    scopes       text    not null, -- a JSON array
    secret_hash  text    not null, -- SHA-256, 64 hexadecimal digits
    created_at   integer not null,
    expires_at   integer not null,
    last_used_at integer
) strict;

-- Who did it, where that is not whom it is about; and by which request.
alter table audit add column actor text;
alter table audit add column request_id text;

create index audit_by_subject on audit (subject, id);
create index audit_by_action on audit (action, id);

pragma user_version = 2;
