"""A death ends a relationship when the GP's record says so, and not on anybody else's word."""

import pytest

from gateway import records
from gateway.fhir.parse import parse
from gateway.nhs.codesets import CodeSets
from gateway.records import open_door
from tests.records.test_leaks import GREEN, A, observation, patient, registered
from tests.toy import deliver, row, says


@pytest.mark.hazard("HZ-ACCESS-13")
@pytest.mark.parametrize("who, seen", [("nobody", {3, 33}), ("hospital", {3, 33}), ("gp", {3})])
def test_a_death_that_only_the_hospital_reports_takes_no_record_away(store, who, seen):
    died = {"deceasedDateTime": "2026-01-01"}
    deliver(store, [
        says("P1", 1, ods=GREEN.organisation),
        row("ann", patient(1, A, "Ames", "Ann", **(died if who == "gp" else {})), registered(2, 1), observation(3, 1)),
    ])  # fmt: skip
    deliver(store, [
        says("T", 1, ods="RZZ"), row("ann", patient(31, A, "Ames", "Ann", **(died if who == "hospital" else {})), observation(33, 31), publisher="T"),
    ], name="trust", kind="hospital")  # fmt: skip
    door = open_door(store, CodeSets())
    asked = [("patient.identifier", f"https://fhir.nhs.uk/Id/nhs-number|{A}")]
    found = records.search(door, GREEN, parse("Observation", asked), "r").matches
    door.audit.close()
    assert {int(one.id[:8]) for one in found} == seen
