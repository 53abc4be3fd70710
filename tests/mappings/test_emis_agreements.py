"""A practice in several sharing agreements is one practice, and a patient who registers again has two episodes."""

import itertools

import pytest
from msgspec.structs import replace

from gateway.intake import take
from gateway.intake.producers import AtHand
from gateway.store.database import open_store
from gateway.terminology import sets
from mappings import Feed, sources
from mappings.emis import SOURCE
from tests.mappings.harness import map_rows, read_all
from tests.mappings.harness_emis import AGREEMENT, PRACTICE, owned, patient, sent, write
from tests.schema import sqlite_url

OTHER = AGREEMENT.replace("aa", "bb")
GUID = PRACTICE.strip("{}").lower()


def agreement(order: int, under: str = AGREEMENT, **values: str):
    told = {"OrganisationGuid": PRACTICE, "IsActivated": "true", **values}
    row = sent("Agreements_SharingOrganisation", order, **told)
    return replace(row, key=f"{GUID}|{under}", directory=under)


def surgery(order: int, under: str = AGREEMENT):
    told = {"OrganisationGuid": PRACTICE, "OrganisationName": "Low Mill Surgery", "ODSCode": "A99001"}
    return replace(sent("Admin_Organisation", order, **told), publisher=under, directory=under)


BOTH = (agreement(1), surgery(2), patient(order=3), agreement(4, OTHER), surgery(5, OTHER))
STATES = [
    ([(1, AGREEMENT, {}), (2, OTHER, {"Disabled": "true"})], "active"),
    ([(1, AGREEMENT, {"Deleted": "true"}), (2, OTHER, {})], "active"),
    ([(1, AGREEMENT, {"Disabled": "true"}), (2, OTHER, {"Disabled": "true"})], "withheld"),
    ([(1, AGREEMENT, {"Deleted": "true"}), (2, OTHER, {"Disabled": "true"})], "withheld"),
    ([(1, AGREEMENT, {"Deleted": "true"}), (2, OTHER, {"Deleted": "true"})], "withdrawn"),
    ([(1, AGREEMENT, {}), (3, AGREEMENT, {"Disabled": "true"}), (2, OTHER, {"Disabled": "true"})], "withheld"),
    ([(1, AGREEMENT, {"Disabled": "true"}), (3, AGREEMENT, {}), (2, OTHER, {"Disabled": "true"})], "active"),
]


@pytest.mark.hazard("HZ-EMIS-46")
@pytest.mark.parametrize(("told", "state"), STATES)
def test_a_practice_shares_while_one_agreement_does(tmp_path, told, state):
    """Whatever the order of arrival."""
    for number, order in enumerate(itertools.permutations(told)):
        store = open_store(sqlite_url(tmp_path / f"{number}.db"), create="sandbox")
        for at, under, values in order:
            rows = AtHand([agreement(at, under, **values)])
            take.take(store, sources()["emis"], rows, Feed(), sets.load(sandbox=True), workers=0)
        with store.read() as session:
            assert session.value("SELECT state FROM publisher WHERE code = ?", GUID) == state
        store.close()


@pytest.mark.hazard("HZ-EMIS-46")
def test_a_practice_of_two_agreements_is_one_organisation_and_nothing_flips():
    first = map_rows(SOURCE, BOTH)
    later = replace(patient(order=9), directory=OTHER)
    second = map_rows(SOURCE, (*BOTH, later))
    assert not first.faults and first.one("Organization") == second.one("Organization")
    for kind in ("Patient", "EpisodeOfCare"):
        assert first.one(kind) == second.one(kind)
        reference = {"reference": f"Organization/{first.one('Organization')['id']}"}
        assert first.one(kind)["managingOrganization"] == reference


def test_a_practice_that_no_agreement_names_is_its_directorys():
    found = map_rows(SOURCE, (surgery(2), patient(order=3)))
    reference = {"reference": f"Organization/{found.one('Organization')['id']}"}
    assert found.one("Patient")["managingOrganization"] == reference


def registered(folder, *told: tuple[str, str, str]):
    """The patient as deliveries of these registrations (start, end, type) left them."""
    for number, (start, end, kind) in enumerate(told, 1):
        values = {"DateOfRegistration": start, "DateofDeactivation": end, "PatientTypeDescription": kind}
        row = owned(PatientGuid="{P1}", Surname="Marsh", DateOfBirth="1960-01-15", **values)
        write(folder / str(number), [("Admin_Patient", row)], time=f"202404{number:02d}010000")
    return map_rows(SOURCE, read_all(SOURCE, folder))


HISTORY = [
    (
        [("2001-05-05", "", "Regular"), ("2001-05-05", "2024-01-10", "Regular"), ("2024-04-02", "", "Regular")],
        [("2001-05-05", "2024-01-10", "finished"), ("2024-04-02", None, "active")],
    ),
    (
        [("2024-01-05", "", "Temporary"), ("2024-03-02", "", "Regular")],
        [("2024-01-05", "2024-03-01", "finished"), ("2024-03-02", None, "active")],
    ),
    ([("2001-05-05", "", "Regular"), ("2001-05-06", "", "Regular")], [("2001-05-06", None, "active")]),
    (
        [("2020-02-02", "", "Regular"), ("2024-03-01", "", "Temporary"), ("2024-03-20", "", "Regular")],
        [
            ("2020-02-02", "2024-02-29", "finished"),
            ("2024-03-01", "2024-03-19", "finished"),
            ("2024-03-20", None, "active"),
        ],
    ),
    (
        [
            ("2001-05-05", "2010-01-01", "Regular"),
            ("2011-05-05", "2020-01-01", "Regular"),
            ("2022-01-01", "", "Regular"),
        ],
        [
            ("2001-05-05", "2010-01-01", "finished"),
            ("2011-05-05", "2020-01-01", "finished"),
            ("2022-01-01", None, "active"),
        ],
    ),
]


@pytest.mark.hazard("HZ-EMIS-47")
@pytest.mark.parametrize(("told", "episodes"), HISTORY, ids=["again", "another type", "corrected", "back", "twice"])
def test_a_registration_that_ended_stays_when_the_patient_comes_back(tmp_path, told, episodes):
    found = registered(tmp_path, *told)
    periods = [
        (e["period"].get("start"), e["period"].get("end"), e["status"]) for e in found.resources("EpisodeOfCare")
    ]
    assert sorted(periods, key=str) == sorted(episodes, key=str)


def test_both_episodes_of_a_sensitive_patient_are_restricted(tmp_path):
    for number, (start, end) in enumerate((("2001-05-05", "2024-01-10"), ("2024-04-02", "")), 1):
        row = {
            "PatientGuid": "{P1}",
            "DateOfBirth": "1960-01-15",
            "SpineSensitive": "true",
            "DateOfRegistration": start,
        }
        rows = [("Admin_Patient", owned(**row, DateofDeactivation=end))]
        write(tmp_path / str(number), rows, time=f"202404{number:02d}010000")
    found = map_rows(SOURCE, read_all(SOURCE, tmp_path))
    assert [each["meta"]["security"] for each in found.resources("EpisodeOfCare")] == [["R"], ["R"]]
