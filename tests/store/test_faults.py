"""Outages of the database have names; everything else stays a bug."""

import errno

import psycopg
import pysqlite3.dbapi2 as sqlite
import pytest
import sqlalchemy.exc

from gateway.errors import Unavailable
from gateway.store import faults
from gateway.store.database import open_store


def of_sqlite(code: int) -> Exception:
    error = sqlite.OperationalError("words")
    error.sqlite_errorcode = code
    return error


MEANINGS = [
    (of_sqlite(5), faults.BUSY), (of_sqlite(13), faults.FULL), (of_sqlite(14), faults.HANDLES), (of_sqlite(11), faults.DAMAGED),
    (of_sqlite(26), faults.DAMAGED), (of_sqlite(10 | 9 << 8), faults.DISK), (of_sqlite(1), None),
    (psycopg.OperationalError("closed"), faults.AWAY), (psycopg.errors.AdminShutdown(), faults.AWAY), (psycopg.errors.DiskFull(), faults.FULL),
    (psycopg.errors.TooManyConnections(), faults.HANDLES), (psycopg.errors.LockNotAvailable(), faults.BUSY),
    (psycopg.errors.DataCorrupted(), faults.DAMAGED), (psycopg.errors.UndefinedTable(), None), (psycopg.errors.UniqueViolation(), None),
    (OSError(errno.ENOSPC, ""), faults.FULL), (OSError(errno.EMFILE, ""), faults.HANDLES), (OSError(errno.ENOENT, ""), None),
    (sqlalchemy.exc.TimeoutError(), faults.BUSY), (KeyError("x"), None), (UnicodeDecodeError("utf-8", b"\xff", 0, 1, ""), None),
]  # fmt: skip


@pytest.mark.parametrize("error, meaning", MEANINGS, ids=lambda value: type(value).__name__)
def test_an_outage_has_a_name_and_a_bug_has_none(error, meaning):
    assert faults.meaning(error) == meaning
    wrapped = sqlalchemy.exc.DBAPIError("sql", None, error)
    assert faults.meaning(wrapped) == meaning


@pytest.mark.hazard("HZ-API-01")
def test_damage_is_told_as_damage_and_remembered(tmp_path):
    """Never as "nothing found": that reads like a record without allergies."""
    path = tmp_path / "gateway.db"
    store = open_store(f"sqlite:///{path}", create="sandbox")
    with store.write() as session:
        session.run("UPDATE store SET mode = CAST(x'ff' AS TEXT)")
    assert not store.is_damaged
    with pytest.raises(Unavailable) as told, store.read() as session:
        session.rows("SELECT mode FROM store")
    assert told.value.code == faults.DAMAGED and store.is_damaged
    store.close()


def test_a_file_that_is_no_database_is_damage(tmp_path):
    path = tmp_path / "gateway.db"
    open_store(f"sqlite:///{path}", create="sandbox").close()
    for beside in tmp_path.glob("gateway.db-*"):
        beside.unlink()
    path.write_bytes(b"nonsense" * 2000)
    with pytest.raises(Unavailable, match="damaged"):
        open_store(f"sqlite:///{path}")
