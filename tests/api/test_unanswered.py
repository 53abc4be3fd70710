"""A search that is refused only once the record was looked at is in the audit like any other."""

import pytest

from gateway.records import hopping, selecting
from tests.api.people import uid


@pytest.mark.parametrize(
    "query", ["code=http://loinc.org|", "_sort=code", "_has:Provenance:target:agent=x", "specimen.type=x"]
)
def test_a_search_that_is_too_much_is_in_the_audit(everything, monkeypatch, query):
    monkeypatch.setattr(hopping, "MOST_READ", 0 if "_sort" not in query else 20_000)
    monkeypatch.setattr(selecting, "MOST_SORTED", 0)
    before = len(everything.audit())
    answer = everything.get(f"/fhir/Observation?patient=Patient/{uid(1)}&{query}")
    assert answer.status_code == 413, answer.text
    (event,) = everything.audit()[before:]
    assert (event["act"], event["outcome"], event["count"]) == ("search", "refused", 0)
    assert event["parameters"] == sorted({query.split("=")[0], "patient"})
