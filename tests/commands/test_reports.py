"""What the operator is told of a load, in words, and what the audit holds of a list that was refused."""

import io
import json
from collections import Counter

import pytest

from gateway import composition, config, console
from gateway.commands import main
from gateway.intake.report import Report
from gateway.nhs import identifiers
from gateway.store import rejected
from gateway.store.sent import Rejected
from tests import toy


def told(monkeypatch, **changes) -> str:
    """A report as it is printed, on one line."""
    report, out = {**Report("emis").as_dict(), **changes}, io.StringIO()
    monkeypatch.setattr(console, "out", console._Console(file=out, width=400, highlight=False))
    console.load_report(report)
    return " ".join(out.getvalue().split())


ROWS = {"read": 12, "new": 3, "changed": 1, "unchanged": 7, "older": 1}
TOLD = {
    "rows": ({"files": 2, "rows": ROWS}, "12 rows read from 2 files (3 new, 1 changed, 7 unchanged, 1 older), 0 "),
    "no row": ({"files": 1, "rows": {"read": 0}}, "emis: 0 rows read from 1 files, 0 resources written"),
    "no file": ({"files": 0, "rows": {}}, "emis: 0 resources written"),
    "nothing absent": ({"replaced": True}, "--replace deleted nothing: all that is held is in this delivery"),
    "deleted": ({"replaced": True, "absent": {"Patient": 4}, "rows": {"gone": 4}}, "--replace deleted 4 rows"),
    "to confirm": ({"replaced": False, "absent": {"Patient": 4}}, "--replace --confirm-gone 4"),
    "rejected": ({"replaced": False, "rejects": {"x": 1}}, "deleted nothing: rows of this delivery were rejected"),
    "no bytes": ({"rejects": {"x": 3}, "rejectsWithoutBytes": 2}, "cannot be replayed: 2, their bytes are not kept"),
    "coded": ({"publishers": {"A1": {"concepts": 8, "coded": 6}, "A2": {"concepts": 0}}}, "code: A1 75% of 8"),
    "lag": ({"extracted": "2026-03-01T00:00:00Z", "lagSeconds": 7200}, "all of it visible 2 hours later"),
    "system": ({"unmappedCodes": {"urn:lab": 3}}, "codes without a standard code, by their system: urn:lab (3)"),
    "not gathered": ({"people": {"notGathered": 5}}, "`gateway mismatches` lists them"),
}


@pytest.mark.parametrize("changes, words", TOLD.values(), ids=TOLD)
def test_a_load_is_told_as_it_was(monkeypatch, changes, words):
    assert words in told(monkeypatch, **changes)


def test_without_a_mismatch_no_command_is_named(monkeypatch):
    assert "mismatches" not in told(monkeypatch, people={"patients": 2, "persons": 2})
    assert "--replace" not in told(monkeypatch)


@pytest.mark.hazard("HZ-FEED-20")
def test_a_report_names_systems_and_no_code_that_a_supplier_wrote(store):
    concept = {"coding": [{"system": "urn:lab", "code": "HARTLEY ROSE"}], "text": "x"}
    made = toy.resource("Observation", "00000001-0000-5000-8000-000000000000", status="final", code=concept)
    words = toy.resource("Observation", "00000002-0000-5000-8000-000000000000", status="final", code={"text": "x"})
    report = toy.deliver(store, [toy.row("a", made), toy.row("b", words)]).as_dict()
    assert report["unmappedCodes"] == {"urn:lab": 1} and "HARTLEY" not in json.dumps(report)
    assert report["publishers"] == {"publisher 1": {"concepts": 2, "coded": 0}} and report["lagSeconds"] is None


def test_rejects_without_bytes_are_counted(store):
    sent = [Rejected("line 1", "x", payload=b"a"), Rejected("line 2", "x")]
    with store.write() as session:
        assert rejected.keep(session, "emis", "default", 1, sent) == Counter({"kept": 1, "without bytes": 1})
        assert rejected.keep(session, "emis", "default", 1, sent[1:]) == {"without bytes": 1}


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    with composition.create_gateway(config.read(), "sandbox") as gateway:
        yield gateway


@pytest.mark.parametrize("text, why", [("9990000019,\n", "line 1"), ("", "empty"), (None, "cannot be read")])
def test_a_list_that_is_refused_is_in_the_audit_and_sealed(data, tmp_path, capsys, text, why):
    if text is not None:
        (tmp_path / "list.csv").write_text(text)
    assert main(["optout", "load", str(tmp_path / "list.csv")]) == 2
    (event,) = [event for event in data.audit().events() if event["act"] == "optout.load"]
    assert event["outcome"] == "refused" and why in event["why"] and event["account"] and "999" not in event["why"]
    assert data.audit().unsealed(9)["write"] == (0, None)


def test_who_shares_a_number_and_was_not_gathered_is_listed_without_it(data, capsys):
    number = identifiers.synthetic(77)
    system = "https://fhir.nhs.uk/Id/nhs-number"
    people = [
        toy.row(f"p{n}", toy.resource("Patient", f"{n:08x}-0000-5000-8000-000000000000", birthDate=born, gender=sex,
                name=[{"family": name}], identifier=[{"system": system, "value": number}]))
        for n, born, sex, name in ((1, "1950-01-01", "male", "Ash"), (2, "1991-07-08", "female", "Birch"))
    ]  # fmt: skip
    toy.deliver(data.store, people)
    assert main(["mismatches", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["patient"][:8] for row in listed} == {"00000001", "00000002"} and {row["number"] for row in listed} == {
        1
    }
    assert all(row["why"] and (row["source"], row["publisher"]) == ("toy", "P1") for row in listed)
    assert main(["mismatches"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Patient/") == 2 and number not in printed and "Ash" not in printed
