//! Users, sessions and audit on SQLite, with migrations and backups that are proved to restore.
