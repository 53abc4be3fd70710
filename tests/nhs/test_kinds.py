"""Kinds of publisher: a new one is one row, and what it sends is met in access, summary, completeness and export."""

from dataclasses import replace

import pytest

from gateway import records
from gateway.care import Statement, permit
from gateway.errors import Forbidden
from gateway.export import approval, asking, national_list, running
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.parse import parse
from gateway.nhs import kinds, roles, sandbox
from gateway.nhs.codesets import CodeSets
from gateway.nhs.kinds import CARE, Kind
from gateway.nhs.summary import SECTIONS, completeness, sections
from gateway.records import open_door
from gateway.store import numbers
from gateway.store.database import open_store
from tests.api.people import ANN, coded, observation, patient, registered, to, uid
from tests.export.conftest import NOW, ROOT, document
from tests.nhs.records import COUNCIL, TRUST, condition, held, record, titles
from tests.schema import sqlite_url
from tests.toy import deliver, resource, row, says

HOSPICE = Kind(
    "hospice", 99, "hospice", kinds.SECTIONS, "all", CARE, diagnosis="hospice diagnosis", relationship_days=30
)
GREEN, WARD = (roles.caller_from_claims(sandbox.claims(user)) for user in ("dr-green", "dr-ward"))
DAY = 86_400_000_000
OF_ANN = [("patient.identifier", f"{NHS_NUMBER}|{ANN}")]


class Clock:
    """A clock that a test can move."""

    def __init__(self):
        self.now = NOW

    def __call__(self) -> int:
        self.now += 1000
        return self.now


@pytest.fixture
def hospice(monkeypatch):
    """The row of an invented kind, and its number in the store."""
    monkeypatch.setitem(kinds.KINDS, HOSPICE.name, HOSPICE)
    monkeypatch.setitem(numbers.KINDS, HOSPICE.number, HOSPICE.name)
    monkeypatch.setitem(numbers.KIND_NUMBER, HOSPICE.name, HOSPICE.number)


@pytest.fixture
def door(hospice, tmp_path):
    """Ann at her practice and cared for by a hospice, whose ODS code is that of the ward's users."""
    store = open_store(sqlite_url(tmp_path / "gateway.db"), create="sandbox", clock=Clock())
    at_home = [patient(1, ANN, "Ames", "Ann"), registered(2, 1), observation(3, 1)]
    deliver(store, [says("P1", 1, ods="A99001", name="Quillbank Surgery"), row("ann", *at_home)])
    care = resource("EpisodeOfCare", uid(32), status="active", patient=to("Patient", 31))
    of_hospice = [
        patient(31, ANN, "Ames", "Ann"), care, observation(33, 31, valueString="comfortable"),
        resource("Condition", uid(34), clinicalStatus=coded("active", "http://terminology.hl7.org/CodeSystem/condition-clinical"),
                 code={"text": "Breathlessness"}, subject=to("Patient", 31)),
    ]  # fmt: skip
    named = says("H", 1, ods="RZZ", name="Stillwater Hospice")
    deliver(store, [named, row("ann", *of_hospice, publisher="H")], name="hospice-notes", kind="hospice")
    opened = open_door(store, CodeSets())
    yield opened
    opened.audit.close()
    store.close()


def found(door, caller, type_="Observation") -> set[str]:
    return {match.id for match in records.search(door, caller, parse(type_, OF_ANN), "r").matches}


def test_a_new_kind_is_a_relationship_where_its_row_says_so(door):
    assert found(door, WARD) == {uid(33)}
    with pytest.raises(Forbidden):
        records.person(door, WARD, "r", number=ANN)
    permit(door, WARD, Statement(ANN, "permission-extended", "seen every week"), "r")
    assert found(door, WARD) == {uid(3), uid(33)}
    door.store.clock.now += (HOSPICE.relationship_days + 1) * DAY
    assert found(door, WARD) == {uid(33)}, "what it told of its care is too old to be a relationship"


def test_a_new_kind_is_in_the_summary_and_in_the_grid(door):
    assert found(door, GREEN) == {uid(3), uid(33)}
    seen = records.person(door, GREEN, "r", number=ANN)
    (problem,) = next(section.rows for section in sections(seen) if section.id == "problems")
    assert (problem.title, problem.flags, problem.source) == (
        "Breathlessness",
        ("hospice diagnosis",),
        "Stillwater Hospice",
    )
    lines = {line.name: line for line in completeness.completeness(seen, sections(seen))}
    states = dict(zip((section.id for section in completeness.GRID), lines["Stillwater Hospice"].cells))
    assert (states["problems"], states["results"], states["allergies"], states["social-care"]) == (
        "received", "received", "nothing received", "does not send this",
    )  # fmt: skip
    assert kinds.of(lines["Stillwater Hospice"].kind).title == "hospice"


def test_a_new_kind_leaves_in_an_export_as_every_publisher_does(door, tmp_path):
    contributors = [
        {"ods": ods, "agreement": f"DSA-{ods}", "from": "2026-01-01", "to": "2026-12-31"} for ods in ("A99001", "RZZ")
    ]
    approval.add(door.store, document(contributors=contributors), "asker")
    for approver in ("guardian", "controller"):
        approval.approve(door.store, "study", approver)
    nobody = tmp_path / "optouts.csv"
    nobody.write_text("9999999468,\n")
    national_list.load(door.store, nobody)
    job = asking.start(door.store, "study", "tester", optout_days=7)
    running.run(door.store, job, tmp_path / "out", ROOT, workers=1)
    lines = [line for path in (tmp_path / "out").glob("Observation.*.ndjson") for line in path.read_text().splitlines()]
    assert len(lines) == 2
    assert len([*(tmp_path / "out").glob("Condition.*.ndjson")]) == 1


def test_without_its_row_the_same_publisher_is_no_relationship(door, monkeypatch):
    permit(door, WARD, Statement(ANN, "permission"), "r")
    monkeypatch.delitem(kinds.KINDS, HOSPICE.name)
    assert uid(3) not in found(door, WARD)


# The table


def test_policy_and_store_have_the_same_numbers():
    assert {0: "", **{kind.number: kind.name for kind in kinds.ROWS}} == numbers.KINDS
    assert {name: number for number, name in numbers.KINDS.items()} == numbers.KIND_NUMBER


def test_a_kind_names_sections_that_there_are_and_every_section_has_a_kind():
    there_are = {section.id for section in SECTIONS}
    assert {name for kind in kinds.ROWS for name in kind.sections} == there_are
    assert there_are == kinds.SECTIONS | kinds.SOCIAL


def test_only_a_kind_that_registers_patients_treats_an_episode_as_a_registration():
    for kind in kinds.ROWS:
        assert not (kind.registers and "EpisodeOfCare" in kind.attends), kind.name


@pytest.mark.hazard("HZ-SUMMARY-24")
@pytest.mark.parametrize(
    "kind", [*(kind.name for kind in kinds.ROWS if not kind.is_social), "a kind of which nobody told"]
)
def test_no_condition_of_any_clinical_kind_vanishes(kind):
    sent = [condition("c1", "Asthma"), condition("c2", "Fall", category="encounter-diagnosis")]
    whole = record(*(replace(held(each, TRUST), kind=kind) for each in sent))
    shown = [title for section in ("problems", "problems-past", "diagnoses") for title in titles(whole, section)]
    assert sorted(shown) == ["Asthma", "Fall"]


def test_a_support_reason_is_in_the_social_care_section_alone():
    whole = record(held(condition("c1", "Physical support"), COUNCIL))
    assert titles(whole, "social-care") and not titles(whole, "problems") and not titles(whole, "diagnoses")


@pytest.mark.parametrize("kind", kinds.ROWS, ids=lambda kind: kind.name)
def test_a_source_is_stale_the_day_after_its_kind_may_be_silent(kind):
    whole = record(held(condition("c1", "Asthma"), TRUST))
    (contribution,) = (each for each in whole.contributions if each.name == TRUST)
    for days, is_stale in ((kind.silent_days, False), (kind.silent_days + 1, True)):
        last = whole.now.fromtimestamp(whole.now.timestamp() - days * 86_400, whole.now.tzinfo)
        source = replace(contribution, kind=kind.name, last_received=last)
        assert completeness.is_stale(whole, source) is is_stale
