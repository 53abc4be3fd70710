"""A search that is refused only once the record was looked at is in the audit like any other."""

import pytest

from gateway.records import by_system, reading
from tests.api.people import uid


@pytest.mark.parametrize(
    "query, status", [("code=http://loinc.org|", 413), ("encounter=Encounter/1&_summary=count", 400)]
)
def test_a_search_that_is_too_much_or_would_tell_is_in_the_audit(everything, monkeypatch, query, status):
    monkeypatch.setattr(by_system, "MOST_READ", 0)
    monkeypatch.setattr(reading, "_asks_of_blanked", lambda query: "encounter" in dict(query.parameters))
    before = len(everything.audit())
    answer = everything.get(f"/fhir/Observation?patient=Patient/{uid(1)}&{query}")
    assert answer.status_code == status, answer.text
    (event,) = everything.audit()[before:]
    assert (event["act"], event["outcome"], event["count"]) == ("search", "refused", 0)
    assert event["parameters"] == sorted({pair.split("=")[0] for pair in query.split("&")} | {"patient"})
