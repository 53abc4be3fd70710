"""The schema comes up whole or not at all, holds what ``tables.py`` says, and takes a store of version 0.1 along."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.script import ScriptDirectory

from gateway import records
from gateway.errors import Conflict, Refused
from gateway.export import running
from gateway.fhir.parse import parse
from gateway.intake import load
from gateway.intake.producers import AtHand
from gateway.intake.take import take
from gateway.nhs import roles, sandbox
from gateway.nhs.codesets import CodeSets
from gateway.records import open_door
from gateway.store import columns, jobs, ledger, migrations, permissions, projects, registry, sharing, tables
from gateway.store.audit import Audit
from gateway.store.database import Store, open_store
from gateway.store.find import ANYBODY, find
from gateway.store.migrations import drafting
from gateway.store.numbers import KINDS, TYPE_NUMBER
from gateway.terminology import sets
from mappings import Feed, sources
from tests.index_plans import ADDED_SINCE_0_1, without
from tests.mappings import harness_emis as emis

METADATA = tables.StoreInfo.metadata
LANDED = json.loads((Path(__file__).parent / "version_0_1.json").read_text())
NOW = 1777719700_000000
"""Minutes after the last row of that store."""
FIRST = "cd553421fe957c7a9f73d89f3d1fedbc"
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"


def test_the_migrations_make_exactly_the_tables(store):
    with store.engine.connect() as connection:
        assert compare_metadata(drafting.comparison(connection), METADATA) == []
        found = sqlalchemy.inspect(connection)
        for name, table in METADATA.tables.items():
            assert found.get_pk_constraint(name)["constrained_columns"] == table.primary_key.columns.keys(), name
            assert {column["name"]: column["nullable"] for column in found.get_columns(name)} == {
                column.name: column.nullable for column in table.columns
            }
        assert set(found.get_table_names()) == {*METADATA.tables, "alembic_version"}


def test_tables_without_row_numbers_are_made_so(store):
    """SQLite alone: Alembic compares no such option."""
    if store.postgres:
        return
    with store.read() as session:
        made = {name for (name,) in session.rows("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'")}
    assert made == {
        name for name, table in METADATA.tables.items() if table.dialect_kwargs.get("sqlite_with_rowid") is False
    }


def test_the_append_only_tables_have_their_triggers_and_no_other_table_has_any(store):
    with store.read() as session:
        if store.postgres:
            made = session.rows("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal")
        else:
            made = session.rows("SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger'")
    changes = ("is_append_only",) if store.postgres else ("is_append_only", "is_kept")
    assert set(made) == {(table, f"{table}_{change}") for table in ("audit", "seal", "ledger") for change in changes}


def test_the_column_lists_are_those_of_the_tables():
    assert Path(columns.__file__).read_text(encoding="utf-8") == drafting.columns(METADATA)
    assert columns.SEAL.all == "stream, last, rows, hash"
    with pytest.raises(KeyError, match="head has no column nonsense"):
        columns.HEAD.only("key nonsense")


def test_a_migration_is_generated_from_the_tables(store):
    changed = sqlalchemy.MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(changed)
    sqlalchemy.Table("consent", changed, sqlalchemy.Column("key", sqlalchemy.BigInteger, primary_key=True))
    with store.engine.connect() as connection:
        assert drafting.migration(connection, METADATA, "Nothing", "0009", "0008") == ""
        text = drafting.migration(connection, changed, "Add consents", "0009", "0008")
    compile(text, "migration", "exec")
    assert "op.create_table('consent'" in text and 'down_revision = "0008"' in text


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
    assert migrations.revisions() == [script.revision for script in walked][::-1]


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


# A store of version 0.1


def test_the_first_migration_is_as_it_landed():
    """Stores have run it: a change of the schema is a migration of its own."""
    text = (migrations.HERE / "versions" / "0001_first.py").read_bytes()
    assert hashlib.blake2b(text, digest_size=16).hexdigest() == FIRST


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """The URL of an empty database."""
    return (
        f"sqlite:///{tmp_path / 'gateway.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )


@pytest.fixture
def landed_url(url) -> str:
    """A store as version 0.1 left it: the first migration's schema, with rows that version wrote."""
    is_sqlite = url.startswith("sqlite")
    empty = url if is_sqlite else url.replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(empty)
    settings = migrations.config()
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
        for name, table in LANDED["tables"].items():
            marks = ", ".join(f":{column}" for column in table["columns"])
            statement = sqlalchemy.text(f"INSERT INTO {name} ({', '.join(table['columns'])}) VALUES ({marks})")
            for row in table["rows"]:
                connection.execute(statement, dict(zip(table["columns"], map(_value, row))))
        if not is_sqlite:
            for table in ("audit", "ledger"):
                connection.execute(sqlalchemy.text(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'seq'), (SELECT max(seq) FROM {table}))"
                ))  # fmt: skip
    engine.dispose()
    return url


@pytest.fixture
def landed(landed_url) -> Store:
    """A store of version 0.1, opened by this version."""
    opened = open_store(landed_url, clock=lambda: NOW)
    yield opened
    opened.close()


def _value(value: object) -> object:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"]) if "hex" in value else value["text"].encode()
    return value


def test_the_rows_of_version_0_1_cover_its_tables():
    assert set(LANDED["tables"]) == METADATA.tables.keys() - {
        "gathered", "rejected", "sharing", "ruling", "trace", "proposal", "client", "spent", "shown", "subscription",
        "notice", "handle", "alert", "alert_step",
    }  # fmt: skip
    assert not [name for name, table in LANDED["tables"].items() if not table["rows"]]


def test_a_store_of_version_0_1_is_brought_up_and_holds_the_tables(landed):
    with landed.engine.connect() as connection:
        assert (
            connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == migrations.revisions()[-1]
        )
        assert compare_metadata(drafting.comparison(connection), METADATA) == []
    with landed.read() as session:
        for name, table in LANDED["tables"].items():
            assert session.value(f"SELECT count(*) FROM {name}") == len(table["rows"]), name


def remap_all(store: Store, code_sets: CodeSets) -> None:
    with store.read() as session:
        names = [name for (name,) in session.rows("SELECT DISTINCT source FROM delivery")]
    for name in names:
        load.remap(store, sources()[name], Feed(), code_sets, workers=0)


def test_a_store_of_version_0_1_is_read_through_the_front_door_once_it_is_mapped_again(landed):
    caller = replace(roles.caller_from_claims(sandbox.claims("dr-green")), organisation="RXQ01")
    code_sets = sets.load(sandbox=True)
    with pytest.raises(Refused, match="other search parameters: run `gateway remap` for cld, hl7v2$"):
        records.require_sets(landed, code_sets)
    remap_all(landed, code_sets)
    records.require_sets(landed, code_sets)
    door = open_door(landed, code_sets)
    recorded = LANDED["tables"]["permission"]["rows"][0][1]
    with landed.read() as session:
        assert len(permissions.in_force(session, [recorded], "A99001", NOW)) == 1
        number = session.value(
            "SELECT min(c.number) FROM claim c JOIN head h ON h.patient = c.patient WHERE h.type = ? AND h.publisher = 1 "
            "AND h.labels = 0 AND h.deleted = 0 AND c.number LIKE '999%'", TYPE_NUMBER["Encounter"],
        )  # fmt: skip
    query = parse("Encounter", [("patient.identifier", f"https://fhir.nhs.uk/Id/nhs-number|{number}")])
    page = records.search(door, caller, query, "1")
    assert [json.loads(match.body)["resourceType"] for match in page.matches] == ["Encounter"]
    door.audit.close()


@pytest.mark.parametrize(
    ("resource_type", "name", "value"),
    [
        ("FamilyMemberHistory", "relationship", f"{ROLE_CODE}|FAMMEMB"),
        ("FamilyMemberHistory", "date", "2024-03-11"),
        ("Specimen", "type", "http://snomed.info/sct|258524007"),
    ],
)
def test_what_version_0_1_could_not_search_is_found_once_it_is_mapped_again(landed, resource_type, name, value):
    """The rows of version 0.1 hold neither type. So a practice's are loaded by the plan that version indexed by."""
    code_sets = sets.load(sandbox=True)
    with without(*ADDED_SINCE_0_1):
        rows = [
            emis.patient(), emis.code("1", "FH: Asthma", "Family history"),
            emis.code("2", "Cervical swab", "Pathology specimen", snomed="258524007"),
            emis.observation("O1", "1"), emis.observation("O2", "2"),
        ]  # fmt: skip
        take(landed, sources()["emis"], AtHand(rows), Feed(), code_sets, workers=0)
    with landed.read() as session:
        patient = session.value("SELECT id FROM head WHERE type = ? ORDER BY key DESC", TYPE_NUMBER["Patient"])
        before = session.rows("SELECT id, number, updated FROM head WHERE publisher > 2 ORDER BY id")
    query = parse(resource_type, [("patient", patient), (name, value)])
    with pytest.raises(Refused, match="for cld, emis, hl7v2$"):
        records.require_sets(landed, code_sets)
    with landed.read() as session:
        assert find(session, query, ANYBODY) == []
    remap_all(landed, code_sets)
    records.require_sets(landed, code_sets)
    with landed.read() as session:
        assert [stored.type for stored in find(session, query, ANYBODY)] == [resource_type]
        assert session.rows("SELECT id, number, updated FROM head WHERE publisher > 2 ORDER BY id") == before


def test_what_version_0_1_sealed_and_released_still_holds(landed):
    audit = Audit(landed)
    verdict = audit.verify()
    assert verdict.sealed == verdict.rows == len(LANDED["tables"]["audit"]["rows"]) and not verdict.broken
    with landed.read() as session:
        assert ledger.is_whole(session)
        assert projects.newest(session, "study")[:2] == (3, "approved")
    audit.close()


def test_an_export_that_waited_in_version_0_1_has_to_be_asked_for_again(landed, tmp_path):
    """Its people were gathered in the order of the store, by which two releases could be matched."""
    with landed.read() as session:
        assert jobs.get(session, LANDED["waiting"]).state == "gathered"
    with landed.write() as session:
        assert jobs.claim(session, "export").id == LANDED["waiting"]
    with pytest.raises(Conflict, match="start the export again"):
        running.run(landed, LANDED["waiting"], tmp_path / "out", bytes(range(32)), workers=1)
    assert not list((tmp_path / "out").glob("*.ndjson"))


SAID_SINCE = {
    "an older statement": ([("A", "active", 50)], "withdrawn"),
    "the same once more": ([("A", "withdrawn", 100)], "withdrawn"),
    "another at that moment": ([("A", "active", 100)], "withdrawn"),
    "a newer one": ([("A", "active", 101)], "active"),
    "a newer one of another agreement": ([("A", "active", 50), ("B", "withheld", 120)], "withheld"),
    "two newer ones": ([("A", "active", 130), ("B", "withdrawn", 120)], "active"),
    "an older one after a newer one": ([("B", "withheld", 120), ("A", "active", 50)], "withheld"),
}


@pytest.mark.hazard("HZ-EMIS-48")
@pytest.mark.parametrize(("said", "state"), SAID_SINCE.values(), ids=SAID_SINCE)
def test_a_practice_that_withdrew_in_version_0_1_shares_again_by_a_newer_statement_only(landed, said, state):
    """That version kept one state of a practice, and not the agreement that it was under."""
    with landed.write() as session:
        session.run("UPDATE publisher SET state = 'withdrawn', ord = 100 WHERE key = 1")
    for agreement, stated, order in said:
        with landed.write() as session:
            sharing.describe(session, 1, ods="", name="", state=stated, order=order, agreement=agreement)
    with landed.read() as session:
        assert registry.publishers(session)[1].state == state


def test_kinds_of_publisher_keep_the_numbers_that_version_0_1_wrote():
    assert [KINDS[number] for number in range(4)] == ["", "gp", "hospital", "social-care"]


# Several processes at once

OPEN = """
import sys
from alembic import command
from gateway.store.database import open_store
print("ready", flush=True)
sys.stdin.readline()
store = open_store(sys.argv[1], create=sys.argv[2] or None)
print(store.id)
"""


def opened_by_several(url: str, create: str) -> set[str]:
    """Open the store in four processes at one moment; return the ids of the store that they saw."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, url, create],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, error[-300:]) for process, (_, error) in zip(processes, ends)] == [(0, "")] * 4
    return {out.strip() for out, _ in ends}


def test_processes_that_create_one_store_at_once_create_one(url):
    [created] = opened_by_several(url, "sandbox")
    store = open_store(url)
    assert store.id == created
    store.close()


def test_processes_that_open_a_store_of_version_0_1_at_once_bring_it_up_once(landed_url):
    assert opened_by_several(landed_url, "") == {LANDED["tables"]["store"]["rows"][0][0]}
    store = open_store(landed_url)
    with store.read() as session:
        assert session.rows("SELECT version_num FROM alembic_version") == [(migrations.revisions()[-1],)]
    store.close()
