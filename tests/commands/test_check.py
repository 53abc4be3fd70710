"""``gateway check`` finds nothing in a whole store, and names each kind of damage without a value."""

import json
import shutil
from datetime import date

import pysqlite3.dbapi2 as sqlite
import pytest

from gateway import composition, config
from gateway.commands import main
from gateway.intake import load
from gateway.store import checking
from gateway.synth import world
from mappings import Feed, sources


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> config.Settings:
    """A loaded store, to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    sent = world.write(folder / "sent", 10, 1, date(2026, 3, 1))
    settings = config.Settings(data_dir=folder / "data", sandbox=True)
    with composition.create_gateway(settings, "sandbox") as gateway:
        for name in ("emis", "cld"):
            load.load(gateway.store, sources()[name], sent.path(name), Feed(), gateway.code_sets(), workers=0)
        gateway.seal()
    return settings


@pytest.fixture
def database(whole, tmp_path, monkeypatch):
    """A copy of the store, that the commands use."""
    shutil.copytree(whole.data_dir, tmp_path / "data")
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    return tmp_path / "data" / "gateway.db"


def checked(capsys) -> tuple[int, list[str]]:
    capsys.readouterr()
    code = main(["check", "--json"])
    return code, [fault["what"] for fault in json.loads(capsys.readouterr().out)["damage"]]


def test_a_whole_store_has_no_damage(database, capsys):
    assert checked(capsys) == (0, [])
    assert main(["check"]) == 0 and capsys.readouterr().out == "whole\n"


DAMAGE = {
    "heads without a body": "UPDATE head SET body = 99999999 WHERE key = (SELECT min(key) FROM head)",
    "heads with another resource's body": "UPDATE head SET body = (SELECT max(body) FROM head) WHERE key = (SELECT min(key) FROM head)",
    "heads of no publisher": "UPDATE head SET publisher = 77 WHERE key = (SELECT min(key) FROM head)",
    "versions of no delivery": "DELETE FROM delivery WHERE key = 1",
    "kept rows of no publisher": "UPDATE kept SET publisher = 77 WHERE key = (SELECT min(key) FROM kept)",
    "index entries of no resource": "UPDATE entry SET head = 99999999 WHERE head = (SELECT min(head) FROM entry)",
    "resources without any index entry": "DELETE FROM entry; DELETE FROM entry_global",
    "patients of no person": "DELETE FROM person WHERE patient = (SELECT min(patient) FROM claim)",
    "bodies of resources that cannot be read": "UPDATE version SET body = x'7bff' WHERE key = (SELECT min(key) FROM version)",
    "rows of deliveries that cannot be read": "UPDATE kept SET body = x'ff00' WHERE key = (SELECT min(key) FROM kept)",
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_each_kind_of_damage_is_told_by_its_name(database, capsys, what):
    with sqlite.connect(str(database)) as connection:
        connection.executescript(DAMAGE[what])
    code, faults = checked(capsys)
    assert code == 1 and what in faults


def test_damaged_pages_are_told_as_what_they_are(database, capsys):
    data = bytearray(database.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = b"\xa5" * 8192
    database.write_bytes(data)
    assert checked(capsys) == (1, ["pages of the database"])


def pages_of(path, table: str) -> list[int]:
    """The first page of a table, whole in the file."""
    with sqlite.connect(str(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return [connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]]


def overwrite(path, page: int) -> None:
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(data)


@pytest.mark.parametrize("table", ["head", "store", "version", ""])
def test_a_damaged_page_of_any_table_is_damage(database, capsys, table):
    overwrite(database, *(pages_of(database, table) if table else [1]))
    code, faults = checked(capsys)
    assert code == 1 and "pages of the database" in faults


@pytest.mark.parametrize("table", ["audit", ""])
def test_a_damaged_page_of_the_audits_file_is_not_the_databases(database, capsys, table):
    file = database.with_name("audit.db")
    overwrite(file, *(pages_of(file, table) if table else [1]))
    assert checked(capsys) == (1, ["audit: audit.db is damaged: an operator must restore it"])


def test_a_damaged_audit_is_told_as_what_it_is(database, capsys):
    with sqlite.connect(str(database)) as connection:
        connection.execute("DROP TRIGGER seal_is_append_only")
        connection.execute("UPDATE seal SET hash = 'x'")
    code, faults = checked(capsys)
    assert code == 1 and all(fault.startswith("audit: ") for fault in faults)
    database.with_name("audit.db").unlink()
    code, faults = checked(capsys)
    assert code == 1 and any("audit.db is missing" in fault for fault in faults)


def test_the_checks_are_sql_of_both_databases(store):
    with store.read() as session:
        assert list(checking.damage(session, lambda *_: None)) == []
