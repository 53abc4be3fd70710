"""A row that cannot be mapped but says that it is to be hidden hides what its group made before; mended, it is itself
again."""

import dataclasses
import sqlite3

import pytest

from gateway.errors import Unavailable
from gateway.intake import load
from gateway.intake import take as taking
from gateway.intake.producers import AtHand
from gateway.nhs import labels
from gateway.nhs.codesets import CodeSets
from gateway.store import labelling
from mappings import Feed, Group, Row, Values, sources
from tests import toy
from tests.mappings import harness_emis as emis
from tests.mappings import harness_hl7v2 as hl7

PATIENT = {
    "PatientGuid": "{P1}", "OrganisationGuid": emis.PRACTICE, "Sex": "F", "DateOfBirth": "1960-01-15", "GivenName": "Ann", "Surname": "Marsh",
    "NhsNumber": "9990000018", "DateOfRegistration": "2001-05-05", "PatientTypeDescription": " Regular",
}  # fmt: skip


def labelled(store) -> dict[str, int]:
    with store.read() as session:
        return dict(session.rows("SELECT id, labels FROM head WHERE deleted = 0"))


def take(store, source: str, path, code_sets):
    return load.load(store, sources()[source], path, Feed(), code_sets, workers=0)


@pytest.mark.hazard("HZ-LOAD-05")
def test_a_restriction_does_not_wait_for_a_fault_beside_it_to_be_mended(store, tmp_path, code_sets):
    def send(day: int, **values: str):
        path = emis.write(tmp_path / str(day), [("Admin_Patient", {**PATIENT, **values})], time=f"202403{day}010000")
        return take(store, "emis", path, code_sets)

    assert not send(11).rejects
    assert not any(bits & labels.RESTRICTED for bits in labelled(store).values())
    with store.read() as session:
        before = labelling.label_seq(session)
    assert send(12, IsConfidential="true", DateOfBirth="1960-13-45").rejects
    assert labelled(store) and all(bits & labels.RESTRICTED for bits in labelled(store).values())
    with store.read() as session:
        assert labelling.label_seq(session) > before, "parts of exports cut before are cut again"
    assert not send(13).rejects
    assert not any(bits & labels.RESTRICTED for bits in labelled(store).values())


@pytest.mark.hazard("HZ-LOAD-05")
def test_a_fault_that_asks_for_nothing_hides_nothing(store, tmp_path, code_sets):
    for day, born in (("11", "1960-01-15"), ("12", "1960-13-45")):
        take(
            store,
            "emis",
            emis.write(
                tmp_path / day, [("Admin_Patient", {**PATIENT, "DateOfBirth": born})], time=f"202403{day}010000"
            ),
            code_sets,
        )
    assert not any(labelled(store).values())


@pytest.mark.parametrize(
    "source, table, values, expected",
    [
        ("emis", "CareRecord_Observation", {"IsConfidential": "True"}, True),
        ("emis", "CareRecord_Observation", {"IsConfidential": "false"}, False),
        ("emis", "Admin_Patient", {"SpineSensitive": "1"}, True),
        ("hl7v2", "ADT", {"message": hl7.adt("A08", "20250601", "ZU8||||1")}, True),
        ("hl7v2", "ADT", {"message": hl7.adt("A08", "20250601", "ZU8||||0")}, False),
        ("hl7v2", "ADT", {"message": hl7.adt("A08", "20250601")}, False),
        ("cld", "Person", {"Accommodation Status": "Refuge"}, True),
        ("cld", "Person", {"Accommodation Status": "Tenant"}, False),
    ],
)
def test_every_source_can_say_what_asks_to_be_hidden_without_mapping_it(source, table, values, expected):
    group = Group("g", "P", (Row(table, "k", "P", 1, Values(values)),))
    assert sources()[source].hides(group) is expected


@pytest.mark.parametrize("bug", [TypeError, KeyError, ValueError, RecursionError])
def test_a_bug_of_a_mapping_costs_its_group_alone_and_is_logged_without_what_was_sent(store, caplog, bug):
    given = toy.source(())

    def to_fhir(group, look):
        if group.key == "b":
            raise bug("Sample")
        return given.to_fhir(group, look)

    broken = dataclasses.replace(given, to_fhir=to_fhir, hides=lambda group: {}["no"])
    ids = [f"{number}0000000-0000-5000-8000-00000000000a" for number in (1, 2)]
    rows = [toy.row(key, toy.resource("Patient", id_)) for key, id_ in zip("ab", ids)]
    report = taking.take(store, broken, AtHand(rows), toy.NOBODY, CodeSets(), workers=0)
    assert report.state == "done" and report.exit_code == 1 and report.resources["Patient", "created"] == 1
    assert "a bug of the mapping" in report.places[0] and "Sample" not in str(report.as_dict()) + caplog.text
    assert bug.__name__ in caplog.text


def test_an_error_of_the_database_is_no_fault_of_a_group(store):
    given = toy.source(())

    def to_fhir(group, look):
        raise sqlite3.OperationalError("disk I/O error")

    broken = dataclasses.replace(given, to_fhir=to_fhir)
    with pytest.raises((sqlite3.OperationalError, Unavailable)):
        taking.take(store, broken, AtHand([toy.row("a")]), toy.NOBODY, CodeSets(), workers=0)
