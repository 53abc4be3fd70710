"""SystmOne in a real store: any order ends the same, units are of their own kind, and the record page shows the
person."""

import datetime
import html
import itertools
import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gateway import config
from gateway.api.app import create_app
from gateway.commands import main
from gateway.composition import create_gateway, open_service
from gateway.errors import Refused
from gateway.fhir.codes import NHS_NUMBER
from gateway.intake import load
from gateway.nhs import labels
from gateway.nhs.identifiers import synthetic
from gateway.store import registry
from gateway.store.database import open_store
from gateway.store.numbers import KINDS, TYPE_NUMBER
from mappings import Feed, sources
from mappings.tpp.tables import CENTRAL
from tests.intake.conftest import state
from tests.mappings.harness_tpp import NURSES, PRACTICE, SAMPLES, sample_rows, write

OURS = "A99001"
"""The practice of the sandbox's users."""


@pytest.fixture
def take(code_sets):
    def one(store, path: Path):
        return load.load(store, sources()["tpp"], path, Feed(), code_sets, workers=0)

    return one


def part(folder: Path, tables: set[str], sample: str = "bulk", time: str = "20240312_0100") -> Path:
    """A sample's rows of some tables, as a delivery of its own."""
    rows = [(table, values) for table, values in sample_rows(SAMPLES / sample) if table in tables]
    return write(folder, rows, time, sorted(tables))


ALL = {path.stem for path in (SAMPLES / "bulk").glob("SR*.csv")} - {"SRManifest"}
CODES = {"SRMapping", "SRConfiguredListOption", "SRCtv3", "SRImmunisationContent", "SRMedicationReadCodeDetails"}


@pytest.mark.hazard("HZ-TPP-29")
def test_deliveries_in_any_order_and_sent_twice_end_in_the_same_store(new_store, take, tmp_path):
    pieces = {
        "codes": part(tmp_path / "codes", CODES),
        "rest": part(tmp_path / "rest", ALL - CODES),
        "delta": SAMPLES / "delta",
    }
    ends = []
    for number, order in enumerate(itertools.permutations(pieces)):
        store = new_store(f"s{number}")
        for name in (*order, order[0]):
            take(store, pieces[name])
        ends.append(state(store))
    assert all(end == ends[0] for end in ends[1:])
    assert ends[0]["resources"] and not ends[0]["quarantine"]


@pytest.mark.hazard("HZ-TPP-29")
def test_a_bulk_and_its_delta_end_as_the_whole_extract_of_that_day(new_store, take, tmp_path):
    store = new_store("steps")
    for sample in ("bulk", "delta"):
        take(store, SAMPLES / sample)
    changed = {key(table, values): values for table, values in sample_rows(SAMPLES / "delta")}
    rows = [(table, changed.pop(key(table, values), values)) for table, values in sample_rows()]
    rows += [(table, values) for (table, *_), values in changed.items()]
    rows = [(table, values) for table, values in rows if values.get("RemovedData") != "1"]
    whole = new_store("whole")
    take(whole, write(tmp_path / "whole", rows, "20240313_0100"))
    assert state(whole) == state(store)
    take(store, tmp_path / "whole")
    assert state(whole) == state(store), "and the bulk of that day changes nothing"


@pytest.mark.hazard("HZ-TPP-07")
def test_a_whole_extract_deletes_what_it_lacks_where_that_is_asked_for(new_store, take, code_sets, tmp_path):
    store = new_store()
    take(store, SAMPLES / "bulk")
    rows = [(table, values) for table, values in sample_rows() if key(table, values) != ("SRCode", PRACTICE, "1001")]
    whole = write(tmp_path / "whole", rows, "20240314_0100")
    assert take(store, whole).as_dict()["absent"], "without the wish it is only counted"
    report = load.load(
        store, sources()["tpp"], write(tmp_path / "again", rows, "20240315_0100"), Feed(), code_sets, workers=0,
        replace=load.Replace(0),
    )  # fmt: skip
    assert report.as_dict()["replaced"] and report.as_dict()["absent"]
    with store.read() as session:
        gone = session.rows("SELECT deleted FROM kept WHERE body LIKE ?", '["SRCode","1001",%')
        left = session.value("SELECT count(*) FROM kept WHERE deleted = 1")
    assert gone == [(1,)] and left == 1


def key(table: str, values: dict[str, str]) -> tuple[str, ...]:
    return table, values.get("IDOrganisationVisibleTo", ""), values["RowIdentifier"]


@pytest.mark.hazard("HZ-TPP-25")
def test_each_unit_is_of_its_own_kind(new_store, take):
    store = new_store()
    take(store, SAMPLES / "bulk")
    with store.read() as session:
        kinds = {publisher.code: publisher.kind for publisher in registry.publishers(session).values()}
        held = session.rows(
            "SELECT DISTINCT p.code, h.kind FROM head h JOIN publisher p ON p.key = h.publisher ORDER BY 1, 2"
        )
        names = {publisher.code: publisher.name for publisher in registry.publishers(session).values()}
    assert {kinds[PRACTICE], kinds[CENTRAL]} == {"gp"} and kinds[NURSES] == "community"
    assert [(code, KINDS[kind]) for code, kind in held] == [(PRACTICE, "gp"), (CENTRAL, "gp"), (NURSES, "community")]
    assert names[PRACTICE] == "Riverside Test Surgery"


@pytest.mark.hazard("HZ-TPP-18")
def test_what_depends_on_a_deleted_patient_is_withheld_until_the_patient_is_there_again(new_store, take, tmp_path):
    store = new_store()
    take(store, SAMPLES / "bulk")
    gone = {"RowIdentifier": "1", "IDOrganisationVisibleTo": PRACTICE, "RemovedData": "1"}
    take(store, write(tmp_path / "gone", [("SRPatient", gone)], "20240314_0100", ["SRPatient"]))
    count = "SELECT count(*) FROM head h JOIN publisher p ON p.key = h.publisher WHERE p.code = ? AND h.patient <> 0"
    with store.read() as session:
        everything = session.value(count, PRACTICE)
        withheld = session.value(f"{count} AND (h.labels & ?) <> 0", PRACTICE, labels.WITHHELD)
        others = session.value(f"{count} AND (h.labels & ?) <> 0", NURSES, labels.WITHHELD)
    assert 30 < withheld < everything and others == 0
    back = next(values for table, values in sample_rows() if table == "SRPatient")
    take(store, write(tmp_path / "back", [("SRPatient", back)], "20240315_0100", ["SRPatient"]))
    with store.read() as session:
        assert session.value(f"{count} AND (h.labels & ?) <> 0", PRACTICE, labels.WITHHELD) == 0


@pytest.mark.hazard("HZ-TPP-16")
def test_a_patient_of_two_units_is_one_person_and_registered_with_the_practice(new_store, take):
    store = new_store()
    take(store, SAMPLES / "bulk")
    with store.read() as session:
        persons = session.rows("SELECT person, grade FROM person ORDER BY 1")
    assert len(persons) == 3 and len({person for person, _ in persons}) == 2


def test_a_live_store_has_to_know_the_units_and_the_directory(tmp_path, take):
    store = open_store(f"sqlite:///{tmp_path / 'live.db'}", create="live")
    with store.write() as session:
        registry.ensure_publisher(session, "tpp", PRACTICE, "gp")
        registry.ensure_publisher(session, "tpp", NURSES, "mental-health")
    with pytest.raises(Refused, match="a publisher that this store does not know"):
        take(store, SAMPLES / "bulk")
    with store.write() as session:
        registry.ensure_publisher(session, "tpp", CENTRAL, "gp")
    report = take(store, SAMPLES / "bulk")
    with store.read() as session:
        kinds = dict(
            session.rows("SELECT p.code, max(h.kind) FROM head h JOIN publisher p ON p.key = h.publisher GROUP BY 1")
        )
    assert KINDS[kinds[NURSES]] == "mental-health", "as the operator says"
    assert not report.rejects
    store.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tpp:RY3", "community"),
        ("tpp:A99001", "gp"),
        ("tpp:RY3:mental-health", "mental-health"),
        ("hl7v2:RZZ", "hospital"),
    ],
)
def test_a_publisher_of_a_live_store_is_of_the_kind_that_the_source_or_the_operator_says(
    tmp_path, monkeypatch, name, kind
):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GATEWAY_SANDBOX", "0")
    assert main(["init", "live", "--publisher", name]) == 0
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    with store.read() as session:
        assert [publisher.kind for publisher in registry.publishers(session).values()] == [kind]
    store.close()


def test_a_kind_that_is_none_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GATEWAY_SANDBOX", "0")
    assert main(["init", "live", "--publisher", "tpp:RY3:unicorn"]) == 2
    assert "no such kind of publisher" in capsys.readouterr().err


def test_the_same_on_postgresql(postgres_url, take):
    store = open_store(postgres_url, create="sandbox")
    for sample in ("bulk", "delta"):
        assert not take(store, SAMPLES / sample).rejects
    with store.read() as session:
        count = session.value("SELECT count(*) FROM head WHERE deleted = 0 AND type = ?", TYPE_NUMBER["Condition"])
    assert count == 8
    store.close()


# Bad input


WORDS = ("Zanzibarre text 9990000034", "99999999999999999999", "a  b", "\u00a0")


@pytest.mark.hazard("HZ-TPP-31")
@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_a_column_that_holds_anything_crashes_nothing_and_is_told_by_its_place(new_store, take, tmp_path, caplog, word):
    """Each column of each table in turn holds what it should not."""
    rows = []
    for number, (table, values) in enumerate(sample_rows()):
        for place, column in enumerate(values):
            if column not in ("RowIdentifier", "IDOrganisationVisibleTo", "IDPatient"):
                rows.append((table, {**values, "RowIdentifier": f"{number}{place:02}", column: word}))
    store = new_store()
    report = take(store, write(tmp_path / "bad", rows, encoding="utf-8"))
    with store.read() as session:
        waiting = session.rows("SELECT place, reason FROM quarantine")
        held = session.value("SELECT count(*) FROM head WHERE deleted = 0")
    told = f"{json.dumps(report.as_dict())} {waiting} {caplog.text}"
    assert held > 200 and report.rows["read"] > 500
    assert "Zanzibarre" not in told and "9990000034" not in told
    assert not [reason for _, reason in waiting if not re.fullmatch(r"column \w+|[A-Z]\w+", reason)]


# The record as it is shown


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The samples as an extract of the sandbox's own practice, the day after; and how its users ask."""
    folder = tmp_path_factory.mktemp("tpp")
    for sample, time in (("bulk", "20240312_0100"), ("delta", "20240313_0100")):
        rows = [
            (table, {name: OURS if text == PRACTICE else text for name, text in values.items()})
            for table, values in sample_rows(SAMPLES / sample)
        ]
        tables = sorted({table for table, _ in rows})
        write(folder / "sent" / sample, rows, time, tables)
    now = int(datetime.datetime(2024, 3, 14, 12, tzinfo=datetime.UTC).timestamp()) * 1_000_000
    gateway = create_gateway(config.Settings(data_dir=folder / "data", sandbox=True), "sandbox", clock=lambda: now)
    load.load(gateway.store, sources()["tpp"], folder / "sent", Feed(), gateway.code_sets(), workers=0)
    service = open_service(gateway)
    client = TestClient(create_app(service))

    def ask(user: str, path: str, accept: str = "application/fhir+json", **parameters):
        headers = {"Authorization": f"Bearer {gateway.sandbox_token(user)}", "Accept": accept}
        return client.get(path, params=parameters, headers=headers)

    yield ask
    service.close()
    gateway.close()


def shown(page: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


@pytest.mark.hazard("HZ-TPP-30")
def test_the_record_page_shows_a_person_of_systmone(served):
    answer = served("dr-green", "/fhir/Patient/$summary", "text/html", identifier=f"{NHS_NUMBER}|{synthetic(40001)}")
    assert answer.status_code == 200
    page = shown(answer.text)
    words = (
        "NEWNAME, Zoë", "Allergy to penicillin", "Flucloxacillin", "Asthma", "Amoxicillin 500mg capsules",
        "one three times a day", "Ramipril 5mg capsules", "Serum potassium level", "4.10", "Test Influenza Vaccine",
        "Appendicectomy", "Essential hypertension", "Hypertension resolved", "Chest pain", "Riverside Test Surgery",
    )  # fmt: skip
    assert [word for word in words if word not in page] == []
    assert "team meeting" not in page, "it was deleted"


@pytest.mark.hazard("HZ-TPP-30")
def test_another_practice_cannot_tell_that_the_person_exists(served):
    answer = served("dr-other", "/fhir/Patient/$summary", "text/html", identifier=f"{NHS_NUMBER}|{synthetic(40001)}")
    assert answer.status_code == 403 and "Testerton" not in answer.text and "Newname" not in answer.text


@pytest.mark.hazard("HZ-TPP-21")
def test_safeguarding_flags_are_confidential_and_shown_to_nobody_beyond_the_unit(new_store, take, served):
    store = new_store()
    take(store, SAMPLES / "bulk")
    with store.read() as session:
        flags = session.rows(
            "SELECT labels FROM head WHERE type = ? ORDER BY labels & ?", TYPE_NUMBER["Flag"], labels.CONFIDENTIAL
        )
    assert [bool(bits & labels.CONFIDENTIAL) for (bits,) in flags] == [False, True, True]
    for user in ("dr-other", "receptionist", "dr-ward"):
        answer = served(user, "/fhir/Flag", **{"patient.identifier": f"{NHS_NUMBER}|{synthetic(40002)}"})
        assert "protection plan" not in answer.text and "Neglect" not in answer.text
