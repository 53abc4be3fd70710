"""What a code says by itself of a patient (a resuscitation decision, frailty, a carer) is shown, unless somebody denied
it."""

import pytest

from gateway.fhir.codes import SNOMED
from mappings.vocabulary import code_table
from tests.mappings import harness_tpp as tpp
from tests.mappings.harness_emis import code, mapped, observation, qualifier

STATEMENTS = [(row["code"], row["label"]) for row in code_table("mappings.emis", "codes_statement")]
SOCIAL = "Personal Health and Social"


@pytest.mark.hazard("HZ-EMIS-60")
@pytest.mark.parametrize("snomed, words", STATEMENTS)
def test_a_statement_is_an_observation_that_says_so(snomed, words):
    (seen,) = mapped(code("1", words, SOCIAL, "", snomed), observation("O1", "1")).resources()
    if seen["resourceType"] == "Observation":
        assert seen["valueBoolean"] is True and seen["code"]["coding"][-1] == {"system": SNOMED, "code": snomed}
    else:
        assert seen["resourceType"] == "Condition", "shown among the diagnoses"


@pytest.mark.hazard("HZ-EMIS-60")
@pytest.mark.parametrize("changed", [
    {"Qualifiers": qualifier("Presence", "Absent")},
    {"Qualifiers": qualifier("Certainty", "Suspected")},
    {"Value": "20", "NumericUnit": "/day"},
], ids=["denied", "suspected", "with a value"])  # fmt: skip
def test_a_statement_that_is_denied_or_doubted_or_has_a_value_is_not_said_to_be_so(changed):
    for made in mapped(code("1", "Smoker", SOCIAL, "", "77176002"), observation("O1", "1", **changed)).resources():
        assert "valueBoolean" not in made


def test_another_code_without_a_value_says_nothing_more_than_its_code():
    (seen,) = mapped(code("1", "Lives alone", SOCIAL, "", "105529008"), observation("O1", "1")).resources()
    assert seen["resourceType"] == "Observation" and not [name for name in seen if name.startswith("value")]


def test_a_statement_of_systmone_is_read_alike():
    (seen,) = tpp.map_rows(tpp.SOURCE, [tpp.code("Not for resuscitation", snomed="304253006")]).resources("Observation")
    assert seen["valueBoolean"] is True
