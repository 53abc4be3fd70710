"""A store on SQLite alone, where the database does not matter."""

import pytest

from gateway.store.database import open_store


@pytest.fixture
def sandbox_store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="sandbox")
    yield opened
    opened.close()
