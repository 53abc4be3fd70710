"""Commissioning data sets in a real store: any order ends the same, what is withheld or protected is held back, and bad
input tells nothing."""

import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.intake import load
from gateway.nhs import labels
from gateway.store import registry
from gateway.store.database import open_store
from gateway.store.numbers import KINDS, TYPE_NUMBER
from mappings import Feed, sources
from mappings.cds.columns import columns
from tests.intake.conftest import state
from tests.mappings.harness_cds import CAME, HEADER, PERSON, SAMPLES, SEEN, STAY, WAITS, one_line, piped, several_lines

NET = {**HEADER, **PERSON}


@pytest.fixture
def take(code_sets):
    def load_one(store, path: Path):
        return load.load(store, sources()["cds"], path, Feed(), code_sets, workers=0)

    return load_one


def write(folder: Path, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sent.txt").write_text("\n".join(lines) + "\n")
    return folder


def part(folder: Path, sample: str, *names: str) -> Path:
    """Some files of a sample, as a delivery of their own."""
    folder.mkdir()
    for name in names:
        shutil.copy(SAMPLES / sample / name, folder / name)
    return folder


def pieces(folder: Path) -> dict[str, Path]:
    """The samples in three deliveries, and one that takes back and corrects what they say."""
    names = sorted(path.name for path in (SAMPLES / "first").glob("*.*"))
    return {
        "fixed": part(folder / "fixed", "first", *[name for name in names if name.endswith(".txt")]),
        "sus": part(folder / "sus", "first", *[name for name in names if name.endswith(".csv")]),
        "second": SAMPLES / "second",
        "corrected": write(
            folder / "corrected",
            several_lines("1", **{**NET, **STAY, "ApplicableDate": "20240601", "Diagnosis1": "I10X", "SpellNumber": "S99"}),
            several_lines("2", **HEADER | {"Type": "011", "UniqueId": "BRZZ00X1", "UpdateType": "1", "ApplicableDate": "20240601"}),
            several_lines("3", **{**NET, **SEEN, "ApplicableDate": "20240101", "UniqueId": "BRZZ00A2", "AppointmentDate": "20231218"}),
        ),
    }  # fmt: skip


@pytest.mark.hazard("HZ-CDS-24")
def test_deliveries_in_any_order_and_sent_twice_end_in_the_same_store(new_store, take, tmp_path):
    deliveries = pieces(tmp_path)
    ends = []
    for number, order in enumerate(itertools.permutations(deliveries)):
        if number % 4:
            continue  # six of the orders, each delivery first at least once
        store = new_store(f"s{number}")
        for name in (*order, order[0]):
            take(store, deliveries[name])
        ends.append(state(store))
    assert all(end == ends[0] for end in ends[1:])
    assert ends[0]["resources"] and not ends[0]["quarantine"]


@pytest.mark.hazard("HZ-CDS-24")
def test_the_same_on_postgresql(postgres_url, take, tmp_path, new_store):
    deliveries = pieces(tmp_path)
    store, other = open_store(postgres_url, create="sandbox"), new_store()
    for name in ("corrected", "second", "sus", "fixed", "second"):
        assert not take(store, deliveries[name]).rejects
    for name in deliveries:
        take(other, deliveries[name])
    count = "SELECT type, count(*) FROM head WHERE deleted = 0 GROUP BY type ORDER BY type"
    with store.read() as session, other.read() as beside:
        assert session.rows(count) == beside.rows(count)
    store.close()


@pytest.mark.hazard("HZ-CDS-18")
def test_a_bulk_replacement_ends_as_its_last_extract_alone(new_store, take, tmp_path):
    header = {
        **NET,
        "Protocol": "020",
        "UpdateType": "",
        "ApplicableDate": "",
        "ApplicableTime": "",
        "BulkGroup": "060",
    }
    period = {"PeriodStart": "20240301", "PeriodEnd": "20240331"}

    def extract(day: str, *numbers: str) -> Path:
        lines = [
            one_line("outpatient", **{**header, **SEEN, **period, "ExtractDate": day, "UniqueId": number})
            for number in numbers
        ]
        return write(tmp_path / f"{day}{len(numbers)}", *lines)

    steps, alone = new_store("steps"), new_store("alone")
    early, late = extract("20240402", "K1", "K2"), extract("20240502", "K2", "K3")
    for path in (early, late, early):
        take(steps, path)
    take(alone, late)
    ours, theirs = state(steps), state(alone)
    assert [row[:3] for row in ours["resources"]] == [row[:3] for row in theirs["resources"]]
    with steps.read() as session:
        assert session.value("SELECT count(*) FROM head WHERE deleted = 1") > 0


def labelled(store, name: str) -> list[int]:
    with store.read() as session:
        rows = session.rows("SELECT labels FROM head WHERE deleted = 0 AND type = ?", TYPE_NUMBER[name])
    return [bits for (bits,) in rows]


@pytest.mark.hazard("HZ-CDS-10")
@pytest.mark.parametrize("code", ["B24X", "Z21X", "A510", "O049", "N979", "F640", "Z312"])
def test_a_diagnosis_of_something_protected_is_held_back(new_store, take, tmp_path, code):
    store = new_store()
    take(store, write(tmp_path / "sent", one_line("inpatient", **{**NET, **STAY, "Diagnosis1": code})))
    (bits,) = labelled(store, "Condition")
    assert bits & labels.HIDDEN_FROM_OTHERS


@pytest.mark.hazard("HZ-CDS-10")
@pytest.mark.parametrize("code", ["Q131", "Q145", "Q111", "Y961", "X151"])
def test_an_operation_that_is_protected_is_held_back(new_store, take, tmp_path, code):
    store = new_store()
    take(store, write(tmp_path / "sent", one_line("inpatient", **{**NET, **STAY, "Procedure1": code})))
    (bits,) = labelled(store, "Procedure")
    assert bits & labels.HIDDEN_FROM_OTHERS


def test_an_ordinary_diagnosis_is_not_held_back(new_store, take, tmp_path):
    store = new_store()
    take(store, write(tmp_path / "sent", one_line("inpatient", **{**NET, **STAY, "Diagnosis1": "I10X"})))
    assert labelled(store, "Condition") == [0]


@pytest.mark.hazard("HZ-CDS-13")
def test_a_record_whose_identity_is_withheld_is_of_nobody_and_restricted(new_store, take, tmp_path):
    store = new_store()
    lines = [
        one_line("inpatient", **{**NET, **STAY}),
        one_line("inpatient", **{**NET, **STAY, "UniqueId": "H1", "WithheldReason": "01", "Diagnosis1": "I10X"}),
    ]
    take(store, write(tmp_path / "sent", *lines))
    with store.read() as session:
        persons = session.rows("SELECT person, grade FROM person ORDER BY grade")
        bodies = session.rows("SELECT body FROM kept WHERE body LIKE '%\"H1\"%'")
    assert len({person for person, _ in persons}) == 2 and len(bodies) == 1
    assert "9990000018" not in str(bodies) and "900001" not in str(bodies)
    assert [bits & labels.RESTRICTED for bits in labelled(store, "Condition")] == [labels.RESTRICTED]
    assert sorted(bits & labels.RESTRICTED for bits in labelled(store, "Patient")) == [0, labels.RESTRICTED]


@pytest.mark.hazard("HZ-CDS-14")
@pytest.mark.parametrize(("status", "grade"), [("01", "verified"), ("02", "claimed"), ("", "claimed")])
def test_only_status_01_is_evidence_of_a_verified_number(new_store, take, tmp_path, status, grade):
    store = new_store()
    take(store, write(tmp_path / "sent", one_line("outpatient", **{**NET, **SEEN, "NumberStatus": status})))
    with store.read() as session:
        assert session.rows("SELECT grade FROM person") == [(grade,)]


def test_a_live_store_has_to_know_the_provider(tmp_path, take):
    store = open_store(f"sqlite:///{tmp_path / 'live.db'}", create="live")
    path = write(tmp_path / "sent", one_line("outpatient", **{**NET, **SEEN}))
    with pytest.raises(Refused, match="a publisher that this store does not know"):
        take(store, path)
    with store.write() as session:
        registry.ensure_publisher(session, "cds", "RZZ", "hospital")
    assert not take(store, path).rejects
    with store.read() as session:
        kinds = session.rows("SELECT DISTINCT kind FROM head")
    assert [KINDS[kind] for (kind,) in kinds] == ["hospital"]
    store.close()


WORDS = ("(Zq 9990000034", "9" * 8, "\u00a0", "=1+1")


@pytest.mark.hazard("HZ-CDS-25")
@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_a_column_that_holds_anything_crashes_nothing_and_is_told_by_its_place(new_store, take, tmp_path, caplog, word):
    """Each column of each kind of record in turn holds what it should not."""
    places = {"LocalId", "LocalIdOrganisation", "UniqueId", "Provider", "Sender", "Version", "Type"}
    for form, items, as_line in (
        ("inpatient", {**NET, **STAY}, one_line),
        ("outpatient", {**NET, **SEEN}, one_line),
        ("emergency", {**NET, **CAME, "Type": "010"}, one_line),
        ("ecds", {**NET, **CAME}, lambda form, **filled: piped(**filled)),
    ):
        lines = []
        for number, column in enumerate(columns(form)):
            if column.kept_as in places or re.search(r"([3-9]|[1-5]\d)$", column.name):
                continue
            cell = word[: column.length] if column.length else word
            lines.append(
                as_line(form, **{**items, "UniqueId": f"U{number}", "SpellNumber": f"S{number}", column.kept_as: cell})
            )
        write(tmp_path / form, *lines)
    write(tmp_path / "lines", several_lines("1", **{**NET, **WAITS}))
    store = new_store()
    reports = [take(store, tmp_path / form) for form in ("inpatient", "outpatient", "emergency", "ecds", "lines")]
    with store.read() as session:
        waiting = session.rows("SELECT place, reason FROM quarantine")
        held = session.value("SELECT count(*) FROM head WHERE deleted = 0")
    told_of = f"{json.dumps([report.as_dict() for report in reports])} {waiting} {caplog.text}"
    assert held > 300
    assert "Zq" not in told_of and "9990000034" not in told_of and "=1+1" not in told_of
    assert not [reason for _, reason in waiting if not re.fullmatch(r"column \w+|[A-Z]\w+.*", reason)]
