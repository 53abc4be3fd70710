"""Every FHIR answer in XML is the answer in JSON, indented where that is asked for, and so is what fails."""

import json

import pytest

from gateway.fhir import as_xml, model
from tests.api.people import ANN, uid

OBS = f"/fhir/Observation/{uid(3)}"
XML = {"Accept": "application/fhir+xml"}
PATHS = [
    OBS, f"{OBS}/_history", f"{OBS}/_history/1", f"/fhir/Observation?patient={uid(1)}", "/fhir/metadata", f"/fhir/Patient/{uid(1)}/$summary",
]  # fmt: skip


def stable(text: bytes) -> object:
    """What two answers to the same request share: not their own ids and times."""
    decoded = json.loads(text)
    for name in ("id", "timestamp", "meta", "date", "identifier"):
        if decoded["resourceType"] in ("Bundle", "CapabilityStatement"):
            decoded.pop(name, None)
    for entry in decoded.get("entry", ()):
        if entry["resource"]["resourceType"] in ("Composition", "Device") or "search" not in entry:
            entry["resource"] = entry["resource"]["resourceType"]
            entry.pop("fullUrl", None)
    return decoded


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_in_xml_is_the_answer_in_json(clinic, path):
    answer = clinic.get(path, headers=XML)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+xml; charset=utf-8")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    read = as_xml.to_json(answer.content)
    assert stable(read) == stable(clinic.get(path).content)
    assert path == "/fhir/metadata" or model.check(read) == []


def test_digits_and_tags_are_those_of_json(clinic):
    answer = clinic.get(OBS, _format="xml")
    assert b'<value value="5.10"/>' in answer.content and answer.headers["etag"] == 'W/"1"'
    assert clinic.get(OBS, headers={**XML, "If-None-Match": 'W/"1"'}).status_code == 304


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_an_answer_is_indented_on_request_and_says_the_same(clinic, kind):
    plain, pretty = (clinic.get(OBS, _format=kind, _pretty=value) for value in ("false", "true"))
    assert plain.content.count(b"\n") == 0 and pretty.content.count(b"\n") > 10
    assert b"5.10" in pretty.content
    one, other = (as_xml.to_json(each.content) if kind == "xml" else each.content for each in (plain, pretty))
    assert json.loads(one) == json.loads(other)
    refused = clinic.get(OBS, _pretty="9990009990")
    assert refused.status_code == 400 and "9990009990" not in refused.text


@pytest.mark.parametrize(
    ("path", "user", "status"),
    [(f"{OBS}9", "dr-green", 404), (OBS, "dr-other", 404), (OBS, "", 401), ("/fhir/Nothing/1", "dr-green", 404),
     ("/none", "dr-green", 404), (f"{OBS}?_elements=x", "dr-green", 400)],
)  # fmt: skip
def test_a_failure_is_told_in_xml_to_who_takes_xml(clinic, path, user, status):
    told, in_json = (clinic.get(path, user, headers=headers) for headers in (XML, {}))
    assert (told.status_code, in_json.status_code) == (status, status)
    assert told.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert json.loads(as_xml.to_json(told.content)) == in_json.json()


def test_a_body_in_xml_asks_as_one_in_json_does(clinic):
    inner = f'<parameter><name value="identifier"/><valueString value="{ANN}"/></parameter>'
    sent = f'<Parameters xmlns="http://hl7.org/fhir">{inner}</Parameters>'
    answer = clinic.ask("POST", "/fhir/Patient/$summary", headers={"Content-Type": "application/fhir+xml"}, content=sent)  # fmt: skip
    in_json = clinic.ask("POST", "/fhir/Patient/$summary", json={"resourceType": "Parameters", "parameter": [{"name": "identifier", "valueString": ANN}]})  # fmt: skip
    assert answer.status_code == in_json.status_code and stable(answer.content) == stable(in_json.content)
    for type_, body, status in (
        ("application/fhir+xml", "<Parameters", 400),
        ("application/fhir+xml", '<!DOCTYPE a [<!ENTITY b "c">]><Parameters xmlns="http://hl7.org/fhir"/>', 400),
        ("text/turtle", sent, 415),
        ("application/fhir+json", sent, 400),
    ):
        refused = clinic.ask("POST", "/fhir/Patient/$summary", headers={"Content-Type": type_}, content=body)
        assert refused.status_code == status, type_
