"""The schema comes up whole or not at all, and holds what ``tables.py`` says."""

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from gateway.errors import Refused
from gateway.store import migrations
from gateway.store.database import open_store
from gateway.store.tables import StoreInfo  # noqa: F401  the tables must be known to be compared


def test_the_migrations_make_exactly_the_tables(store):
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_a_migration_that_fails_half_way_leaves_nothing_and_can_be_tried_again(tmp_path, monkeypatch, postgres_url):
    from alembic import op

    made = op.create_table

    def fails(name, *args, **options):
        if name == "head":
            raise RuntimeError
        return made(name, *args, **options)

    for url in (f"sqlite:///{tmp_path / 'gateway.db'}", postgres_url):
        with monkeypatch.context() as patch:
            patch.setattr(op, "create_table", fails)
            with pytest.raises(RuntimeError):
                open_store(url, create="sandbox")
        store = open_store(url, create="sandbox")
        assert store.mode == "sandbox"
        store.close()


def test_the_files_are_named_in_the_order_that_alembic_walks_them():
    walked = ScriptDirectory.from_config(migrations.config()).walk_revisions()
    assert migrations.revisions() == [each.revision for each in walked][::-1]


def test_a_schema_from_the_future_is_refused(store):
    with store.engine.connect() as connection, connection.begin():
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused):
        migrations.upgrade(store.engine)


def test_a_store_stays_what_it_was_born_as(tmp_path):
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    first = open_store(url, create="sandbox")
    with pytest.raises(Refused):
        open_store(url, create="live")
    assert open_store(url).namespace == first.namespace


@pytest.mark.parametrize("folder", [".", "nowhere"])
def test_there_is_no_store_until_one_is_made(tmp_path, folder):
    with pytest.raises(Refused, match="`gateway init`"):
        open_store(f"sqlite:///{tmp_path / folder / 'gateway.db'}")
