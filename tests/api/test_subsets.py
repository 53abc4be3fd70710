"""Parts of resources: what ``_summary`` and ``_elements`` leave, on reads, searches and histories."""

import json

import pytest

from gateway.fhir import build, model, subset
from gateway.fhir.r4 import table
from tests.api.people import EVERYTHING, uid

OBS = f"/fhir/Observation/{uid(105)}"
ALWAYS = {"resourceType", "id", "meta"}
PARTS = [
    ({"_summary": "true"}, {"status", "code", "subject", "encounter", "effectiveDateTime", "performer", "identifier"}),
    ({"_summary": "text"}, {"status", "code"}),
    ({"_summary": "data"}, {"status", "category", "code", "subject", "encounter", "effectiveDateTime", "performer", "identifier"}),
    ({"_elements": "subject,effective"}, {"status", "code", "subject", "effectiveDateTime"}),
    ({"_elements": "Observation.category"}, {"status", "code", "category"}),
]  # fmt: skip
"""What is asked for → the elements of an observation that are left, beside those that always are."""


@pytest.mark.hazard("HZ-API-12")
@pytest.mark.parametrize("asked, left", PARTS, ids=[*map(str, range(len(PARTS)))])
def test_a_part_says_that_it_is_one_and_keeps_what_changes_its_meaning(everything, asked, left):
    answers = [
        everything.get(OBS, **asked).json(),
        everything.get(f"{OBS}/_history/1", **asked).json(),
        everything.get(f"{OBS}/_history", **asked).json()["entry"][0]["resource"],
        everything.get("/fhir/Observation", _id=uid(105), **asked).json()["entry"][0]["resource"],
    ]
    for resource in answers:
        assert resource.keys() == ALWAYS | left
        assert resource["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert resource["meta"]["versionId"] == "1" and model.check(json.dumps(resource).encode()) == []


WRONG = [
    ("_elements", "9990009990", "parameter _elements"), ("_elements", "id,valueOf", "parameter _elements"), ("_elements", "Patient.name", "parameter _elements"),
    ("_summary", "some", "parameter _summary"),
]  # fmt: skip


def test_a_part_that_cannot_be_is_refused_by_name(everything):
    for name, value, words in WRONG:
        for path, more in ((OBS, {}), (f"{OBS}/_history", {}), ("/fhir/Observation", {"patient": uid(1)})):
            answer = everything.get(path, **{name: value}, **more)
            assert (answer.status_code, answer.json()["issue"][0]["diagnostics"]) == (400, words), path
    assert everything.get(OBS, _summary="count").status_code == 400
    assert everything.get(OBS, _summary="true", _elements="id").status_code == 400
    mixed = {"patient": uid(1), "_summary": "text", "_include": "Observation:patient"}
    assert everything.get("/fhir/Observation", **mixed).status_code == 400
    assert everything.get(f"{OBS}/_history", _summary="count").json().keys() == {
        "resourceType",
        "type",
        "total",
        "link",
    }


def test_pages_keep_their_part_and_what_is_included_is_whole_unless_a_summary_is_asked_for(everything):
    asked = {"patient": uid(1), "_elements": "code", "_count": "2", "_include": "Observation:patient"}
    page = everything.get("/fhir/Observation", **asked).json()
    (link,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
    following = everything.get("/fhir/" + link.partition("/fhir/")[2]).json()
    for entry in [*page["entry"], *following["entry"]]:
        assert ("tag" in entry["resource"]["meta"]) == (entry["search"]["mode"] == "match")
    summary = everything.get("/fhir/Observation", **(asked | {"_summary": "true", "_elements": ""}))
    assert summary.status_code == 400
    del asked["_elements"]
    entries = everything.get("/fhir/Observation", **asked, _summary="true").json()["entry"]
    assert all("tag" in entry["resource"]["meta"] for entry in entries) and len(entries) == 3


@pytest.mark.parametrize("kind", ["true", "text", "data"])
def test_a_part_of_each_type_is_valid_and_loses_no_modifier(kind):
    for type_, resource in EVERYTHING.items():
        part = build.decode(subset.subset(type_, [("_summary", kind)]).part(build.encode(resource), type_))
        needed = {
            name for element in table.types()[type_].elements if element.is_modifier or element.is_required
            for name in element.names if name in resource
        }  # fmt: skip
        assert needed <= part.keys(), type_
        faults = model.check(
            build.encode(part)
        )  # what is mandatory may need what is not: of a text no more is promised
        assert [fault for fault in faults if kind != "text" or fault.code != "invariant"] == [], type_


def test_a_summary_goes_into_its_elements_and_keeps_what_is_contained_and_referred_to():
    document = {
        "resourceType": "DocumentReference", "id": "a", "status": "current", "contained": [{"resourceType": "Practitioner", "id": "p"}],
        "author": [{"reference": "#p"}], "description": "x", "securityLabel": [{"text": "secret"}],
        "content": [{"attachment": {"contentType": "text/plain", "data": "QQ==", "title": "t"}, "format": {"code": "f"}}],
        "context": {"period": {"start": "2020"}, "facilityType": {"text": "ward"}},
    }  # fmt: skip
    part = build.decode(
        subset.subset("DocumentReference", [("_summary", "true")]).part(build.encode(document), "DocumentReference")
    )
    assert part["content"] == [{"attachment": {"contentType": "text/plain", "title": "t"}, "format": {"code": "f"}}]
    assert "contained" in part and part["context"] == {"period": {"start": "2020"}}
