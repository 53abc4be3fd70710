"""Models are read and written in the transaction of the store's session, and only cold paths pay for their import."""

import ast
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from gateway.errors import Unavailable
from gateway.store import database, permissions, projects, registry
from gateway.store.database import open_store
from gateway.store.models import models
from gateway.store.session import Session, driver_of
from gateway.store.tables import Project


def test_a_model_and_a_plain_statement_see_each_other_in_one_transaction(store):
    with store.write() as session:
        projects.add(session, "study", "draft", {"name": "study"})
        assert session.value("SELECT state FROM project") == "draft"
        session.run("UPDATE project SET state = 'approved'")
        assert projects.newest(session, "study") == (1, "approved", {"name": "study"})
    with store.read() as session:
        assert projects.newest(session, "study") == (1, "approved", {"name": "study"})
        assert projects.names(session) == ["study"]


def test_what_fails_takes_models_and_plain_statements_back_together(store):
    with store.read() as session:
        before = session.stamp()
    with pytest.raises(RuntimeError), store.write() as session:
        projects.add(session, "study", "draft", {})
        registry.ensure_publisher(session, "emis", "A99001", "gp")
        raise RuntimeError
    with store.read() as session:
        assert projects.newest(session, "study") is None and not registry.publishers(session)
        assert session.stamp() == before


def test_a_model_that_the_database_refuses_takes_everything_back(store):
    row = {"name": "study", "version": 1, "state": "draft", "at": 1, "document": "{}"}
    with pytest.raises(Exception, match="(?i)unique"), store.write() as session:
        registry.ensure_publisher(session, "emis", "A99001", "gp")
        with models(session) as rows:
            rows.add(Project(**row))
        with models(session) as rows:
            rows.add(Project(**row))
    with store.read() as session:
        assert projects.newest(session, "study") is None and not registry.publishers(session)


def test_a_reading_transaction_stays_one_snapshot_across_models(store):
    with store.read() as session:
        assert projects.names(session) == []
        with store.write() as writing:
            projects.add(writing, "study", "draft", {})
        assert projects.names(session) == [] and session.value("SELECT count(*) FROM project") == 0
    with store.read() as session:
        assert projects.names(session) == ["study"]


def test_what_a_reading_transaction_adds_is_refused_or_not_kept(store):
    with suppress(DBAPIError, Unavailable), store.read() as session, models(session) as rows:
        rows.add(Project(name="study", version=1, state="draft", at=1, document="{}"))
    with store.read() as session:
        assert projects.names(session) == []


def test_a_permission_is_recorded_and_read(store):
    with store.write() as session:
        permissions.grant(session, "9990000018", "A99001", "dr-green", "permission", "", session.now + 10)
        permissions.grant(session, "9990000018", "A99002", "dr-brown", "permission", "", session.now + 10)
        now = session.now
    with store.read() as session:
        assert permissions.in_force(session, ["9990000018"], "A99001", now) == [
            ("9990000018", "permission", now, now + 10)
        ]
        assert permissions.in_force(session, ["9990000018"], "A99001", now + 10) == []


def test_a_session_of_the_audit_s_own_has_no_models(store):
    with store.engine.connect() as connection, pytest.raises(RuntimeError):
        Session(driver_of(connection), store.postgres).connection()


HOT = ["gateway.store.find", "gateway.store.kept", "gateway.store.outdated", "gateway.store.quarantine", "gateway.store.audit", "gateway.store.members",
       "gateway.store.identities", "gateway.store.registry", "gateway.records", "gateway.intake.engine", "gateway.export.cut"]  # fmt: skip
"""What a request, and each worker of a pool, imports."""


def test_what_runs_often_starts_without_importing_sqlmodel_or_alembic(tmp_path):
    program = (
        "import sys\n"
        f"import {', '.join(HOT)}\n"
        "from gateway.store.database import open_store\n"
        f"open_store('sqlite:///{tmp_path / 'gateway.db'}').close()\n"
        "print([name for name in ('sqlmodel', 'pydantic', 'alembic') if name in sys.modules])"
    )
    open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="sandbox").close()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


HOT_TABLES = {
    "clock", "kept", "member", "depends", "touched", "quarantine", "head", "version", "history", "entry", "entry_global", "word",
    "second_date", "label", "claim", "person", "mismatch", "preference", "audit", "seal", "optout", "part_member", "gathered",
    "ruling", "trace",
}  # fmt: skip
"""Read or written with each resource, person, request or batch: by plain statements. Every other table is cold."""
PLAIN = {
    ("database", "store"): "each process reads it when it opens the store",
    ("registry", "publisher"): "each decision reads the publishers",
    ("touched", "publisher"): "joined with kept rows",
    ("kept", "publisher"): "joined with kept rows",
    ("identities", "publisher"): "joined with the heads of Patients",
    ("reviewed", "publisher"): "joined with the heads of Patients",
    ("proposals", "proposal"): "written some thousands at once",
    ("clients", "client"): "each request of a system reads its own",
    ("clients", "spent"): "each request of a system asks whether its token was taken back",
    ("followers", "shown"): "each answer with changes compares some hundred parts",
    ("subscriptions", "subscription"): "the worker reads those in force each second",
    ("subscriptions", "notice"): "the worker reads the outbox of each, and writes it some thousands at once",
    ("handles", "handle"): "each request of a page reads its session",
    ("alerts", "alert"): "break-glass writes one in its own transaction, and the officer waits for nothing",
    ("alerts", "alert_step"): "written with their alert",
    ("deliveries", "delivery"): "each write over the API asks for the delivery of its day",
    ("outdated", "delivery"): "each process that opens the door reads it",
    ("permissions", "permission"): "each decision reads those in force",
    ("optouts", "optout_list"): "each worker of an export reads the list in force",
    ("members", "job"): "compared with the members",
    ("members", "part"): "written with their members, some thousands at once",
    ("checking", "*"): "compares every table with the others",
    ("vitals", "*"): "each scrape of the metrics reads it",
}
"""Plain statements about cold tables, by (module, table), each with its reason."""


def _named(module: Path, tables: set[str]) -> set[str]:
    """The tables that the plain statements of a module name."""
    texts = (node.value for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Constant))
    words = re.compile(r"(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)")
    plain = {name for text in texts if isinstance(text, str) for name in words.findall(text)}
    calls = (node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))
    inserted = {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("insert", "ignore")
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant)
    }
    return (plain | inserted) & tables


def test_cold_tables_are_read_and_written_as_models():
    tables = set(SQLModel.metadata.tables)
    assert tables >= HOT_TABLES
    modules = sorted(Path(database.__file__).parent.glob("*.py"))
    plain = {(module.stem, table) for module in modules for table in _named(module, tables - HOT_TABLES)}
    assert {(stem, table) for stem, table in plain if (stem, "*") not in PLAIN} <= PLAIN.keys()
    assert {pair for pair in PLAIN if pair[1] != "*"} <= plain, "a reason that nothing needs"
