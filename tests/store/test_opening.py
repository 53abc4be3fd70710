"""A store that cannot be opened leaves nothing open."""

import psycopg
import pytest
from alembic import op

from gateway.store.database import open_store


def test_a_store_that_cannot_be_opened_leaves_no_connection_behind(postgres_url, monkeypatch):
    def fails(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr(op, "create_table", fails)
    with pytest.raises(RuntimeError) as error:
        open_store(postgres_url, create="sandbox")
    with psycopg.connect(postgres_url) as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(sql).fetchone() == (0,), error
