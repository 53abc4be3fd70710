"""The second pass looks only at the nodes that can be wrong: those that look harmless are still told when they are
not."""

import pytest

from gateway.fhir import rules

SOUND = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}], "text": "A test"},
    "subject": {"reference": "Patient/p"},
    "valueQuantity": {"value": 1, "unit": "g"},
}
FAULTS = (
    ("an empty coding", {"code": {"coding": [{}]}}, "Observation.code.coding[0]"),
    ("a coding of an id alone", {"code": {"coding": [{"id": "x"}]}}, "Observation.code.coding[0]"),
    ("an empty quantity", {"valueQuantity": {}}, "Observation.valueQuantity"),
    ("an empty extension of a coding's element", {"code": {"coding": [{"code": "1", "_code": {}}]}}, "Observation.code.coding[0]._code"),
    ("an extension without a value", {"code": {"coding": [{"extension": [{"url": "u"}]}]}}, "Observation.code.coding[0].extension[0]"),
    ("a reference to a type that is not allowed", {"subject": {"reference": "Medication/p"}}, "Observation.subject"),
    ("a reference that leads nowhere", {"subject": {"reference": "#p"}}, "Observation.subject"),
    ("an empty reference beside a good one", {"performer": [{"reference": "Practitioner/a"}, {}]}, "Observation.performer[1]"),
    ("two values of one choice", {"valueString": "x"}, "Observation.value[x]"),
    ("a value and the element of another", {"_valueString": {"extension": [{"url": "u", "valueString": "x"}]}}, "Observation.value[x]"),
)  # fmt: skip


def test_a_sound_resource_has_no_faults():
    assert rules.check(SOUND) == []


@pytest.mark.parametrize(("change", "place"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_node_that_is_wrong_is_told_with_its_place(change, place):
    assert place in [issue.location for issue in rules.check({**SOUND, **change})]
