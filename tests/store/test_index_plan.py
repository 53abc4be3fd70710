"""The fingerprint of the index plan: what changes entries changes it, and nothing else does."""

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from gateway.fhir import build, index, params

PLAN = "d9b2ab7731a69c23"
ENTRIES = "d68d4d88ef58cff4"
BODIES = json.loads((Path(__file__).parent / "version_0_1.json").read_text())["tables"]["version"]["rows"]
AGAIN = "from gateway.fhir import index; print(index.fingerprint())"


@pytest.fixture
def plan_of(monkeypatch):
    """The fingerprint when these rows stand in the table in place of those of one name."""

    def fingerprint(name: str, *rows: params.Param) -> str:
        table = [*(row for row in params.PARAMS if row.name != name), *rows]
        by_type = {type_: {row.name: row for row in table if type_ in row.paths} for type_ in params.SEARCHABLE}
        monkeypatch.setattr(params, "_BY_TYPE", by_type)
        index._compiled.cache_clear()
        return index.fingerprint()

    yield fingerprint
    monkeypatch.undo()
    index._compiled.cache_clear()


def row(name: str) -> params.Param:
    return next(row for row in params.PARAMS if row.name == name)


DATE, STATUS = row("date"), row("status")


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (STATUS, replace(STATUS, number=99, name="state")),
        (replace(STATUS, number=99),),
        (replace(STATUS, is_global=True),),
        (replace(STATUS, paths={**STATUS.paths, "Observation": "state"}),),
        (replace(STATUS, paths={**STATUS.paths, "Location": "status.code"}),),
        (replace(STATUS, paths={**STATUS.paths, "Patient": "active"}),),
    ],
    ids=["gone", "added", "number", "global", "path", "depth", "type"],
)
def test_another_row_is_another_plan(plan_of, rows):
    assert plan_of("status", *rows) != PLAN


def test_another_main_date_subject_or_revision_is_another_plan(plan_of, monkeypatch):
    assert plan_of("date", replace(DATE, main=DATE.main - {"Flag"})) != PLAN
    assert plan_of("date", DATE) == PLAN
    monkeypatch.setattr(params, "SUBJECT", {**params.SUBJECT, "Flag": "patient"})
    assert index.fingerprint() != PLAN
    monkeypatch.undo()
    monkeypatch.setattr(index, "REVISION", index.REVISION + 1)
    assert index.fingerprint() != PLAN


def test_the_order_of_rows_changes_nothing(plan_of):
    assert plan_of("status", STATUS) == PLAN


def test_every_process_computes_the_same():
    command = [sys.executable, "-c", AGAIN]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == PLAN


def test_code_that_writes_other_entries_raises_the_revision():
    """The entries of resources that version 0.1 stored. A change here asks every operator for `gateway remap`: say so
    in the changelog, then write both values anew."""
    entries = [index.entries(build.decode(body["text"].encode())) for *_, body in BODIES if body.get("text")]
    digest = blake2b(repr(entries).encode(), digest_size=8).hexdigest()
    assert len(entries) > 30
    if digest != ENTRIES:
        assert index.fingerprint() != PLAN, "entries changed and the plan did not: raise index.REVISION"
    assert (index.fingerprint(), digest) == (PLAN, ENTRIES)
