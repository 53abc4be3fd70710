"""What the sections read of a resource that was decoded in part: the same rows as of the whole, on the records of a
loaded world and on Observations with every element of R4."""

from dataclasses import replace

from gateway.fhir import build
from gateway.fhir.r4 import table
from gateway.nhs import summary
from gateway.nhs.summary.decoded import UNREAD, decoded
from tests.nhs.records import held, record
from tests.summary.person import person

WORDS = {
    "code": {"text": "Sodium"},
    "category": [{"coding": [{"code": "laboratory"}]}],
    "interpretation": [{"text": "High"}],
    "referenceRange": [{"text": "133-146"}],
    "note": [{"text": "haemolysed"}],
    "component": [{"code": {"text": "part"}, "valueString": "of it"}],
    "effectiveDateTime": "2026-03-01",
    "status": "final",
    "specimen": {"display": "serum"},
    "bodySite": {"text": "left arm"},
    "dataAbsentReason": {"text": "not done"},
}


def parted(resource: dict) -> dict:
    return decoded(resource["resourceType"], build.encode(resource))


def test_a_person_is_shown_alike_from_parts_and_from_the_whole():
    whole = person()
    parts = tuple(held(parted(each.resource), each.publisher) for each in whole.resources)
    assert parted(whole.resources[0].resource) == whole.resources[0].resource
    assert summary.sections(replace(whole, resources=parts)) == summary.sections(whole)


def test_nothing_but_what_no_section_reads_is_skipped():
    every = {
        name: WORDS.get(name, [{"display": name}] if element.is_many else {"display": name})
        for element in table.types()["Observation"].elements
        for name in element.names
        if not name.startswith("value")
    }
    own = {"id": "o", "meta": {"tag": [{"code": "x"}]}, "extension": [{"url": "urn:x", "valueDate": "2026"}]}
    observation = {"resourceType": "Observation", **every, **own, "_status": {"id": "s"}, "valueQuantity": {"value": 5}}
    kept = parted({**observation, "meta": {**own["meta"], "source": "urn:y"}})
    assert kept == {name: value for name, value in observation.items() if name not in UNREAD}
    whole, parts = (summary.sections(record(held(each))) for each in (observation, kept))
    assert parts == whole and any(section.rows for section in whole)
