"""Resources and kept rows at rest, for SQLite and PostgreSQL alike. The only home of SQL about people."""
