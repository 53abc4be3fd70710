"""Reads an answer of GP Connect to rows: one row a resource, and beside them what its Lists say.

The answer is a Bundle, or Parameters that hold one. Publisher, time and areas are read of the whole Bundle first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Invalid, Refused
from gateway.fhir import files, structure
from gateway.fhir.build import decode, encode
from gateway.fhir.model import RESOURCE_TYPES, UNREADABLE
from gateway.nhs.identifiers import is_valid
from mappings import Feed, Reject, Row, Values
from mappings.fhir.bundles import Bundle, entries, read_bundle
from mappings.fhir.references import Locality, local
from mappings.gp_connect.answered import Answer, answer_of, asked_whole, beside, publisher_of_feed
from mappings.gp_connect.lists import area_of, kind_of
from mappings.gp_connect.stu3 import LOOKED_UP, TYPES, is_id, is_named, many, plain, referred
from mappings.readers.files import File, delivered

SUFFIXES = (".json",)
TIMELESS = ("meta.lastUpdated", "the answer tells no time: what arrives last counts")
TWICE = "id: stands twice in the Bundle and says two things"
SUBJECTS = {
    "AllergyIntolerance": "patient", "Immunization": "patient", "Condition": "subject", "DiagnosticReport": "subject", "Encounter": "subject",
    "MedicationRequest": "subject", "MedicationStatement": "subject", "Observation": "subject", "Specimen": "subject",
    "ProcedureRequest": "subject", "ReferralRequest": "subject", "DocumentReference": "subject", "List": "subject",
    "QuestionnaireResponse": "subject",
}  # fmt: skip
"""The element that says whose a resource is. Other types are of the directory."""
TYPES_SENT = frozenset((*RESOURCE_TYPES, "ProcedureRequest", "ReferralRequest"))
"""Types that an entry may be of: those of R4, and those of STU3 that GP Connect uses."""
SKIPPED = frozenset({"OperationOutcome"})
"""What a server says of its answer: no part of a record."""
LENIENT = frozenset({"List", "QuestionnaireResponse"})
"""Types that are not mapped by themselves: one that does not say whose it is costs nothing."""


class _Parameter(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Parameters(msgspec.Struct, tag_field="resourceType", tag="Parameters"):
    parameter: list[_Parameter] = []


_parameters = msgspec.json.Decoder(_Parameters)


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of the delivery. Raises ``Refused`` where there are none, and for a setting that is wrong."""
    publisher_of_feed(feed)
    asked_whole(feed)
    answers = delivered(path, SUFFIXES, (feed.encoding,))
    if not answers:
        raise Refused("the delivery: no .json file")
    return answers


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://developer.nhs.uk/apis/gpconnect-1-5-1/accessrecord_structured_development_bundle.html

    Yield a row for each resource of a file, or what cannot be taken, by its line."""
    with file.open() as stream:
        for line, body in files.read(stream, is_lines=False):
            bundle = read_bundle(body) or _within(body)
            try:
                if bundle is None:
                    raise Invalid("no Bundle of an answer")
                yield from _rows(bundle, line, body, file.name, feed)
            except Invalid as fault:
                yield Reject(f"line {line}", str(fault), payload=body)


def _within(body: bytes) -> Bundle | None:
    """Return the Bundle that an answer of Parameters holds, None for none."""
    try:
        parameters = _parameters.decode(body).parameter
    except UNREADABLE:
        return None
    return next((bundle for part in parameters if (bundle := read_bundle(bytes(part.resource)))), None)


def _rows(bundle: Bundle, line: int, body: bytes, name: str, feed: Feed) -> Iterator[Row | Reject]:
    sent = [(entry.line, _object(entry.body), entry.full_url) for entry in entries(bundle, line, body)]
    names = {
        url: f"{resource['resourceType']}/{resource['id']}"
        for _, resource, url in sent
        if url and isinstance(resource, dict) and is_named(resource)
    }
    within = Locality("", names)
    resources = [
        (at, item if isinstance(item, Invalid) or not names else local(item, within))
        for at, item, _ in sent
        if not (isinstance(item, dict) and item["resourceType"] in SKIPPED)
    ]
    answer = answer_of([item for _, item in resources if isinstance(item, dict)], _meta(bundle), name, feed)
    yield from _read_items(resources, answer)
    yield from beside(answer, feed)


def _object(body: bytes) -> dict[str, Any] | Invalid:
    try:
        resource = decode(body)
    except UNREADABLE:
        return Invalid("an entry without a resource")
    if not isinstance(resource, dict) or str(resource.get("resourceType")) not in TYPES_SENT:
        return Invalid("resourceType")
    if structure.duplicates(body):
        return Invalid("a name that stands twice in one object")
    return resource


def _meta(bundle: Bundle) -> dict[str, Any]:
    """Return the ``meta`` of the Bundle, {} for none that can be read."""
    try:
        return plain(decode(bytes(bundle.meta)))
    except UNREADABLE:
        return {}


def _read_items(resources: list[tuple[int, dict[str, Any] | Invalid]], answer: Answer) -> Iterator[Row | Reject]:
    """Yield the row of each resource, and of what a List contains. One that is at fault is a reject by itself."""
    bodies: dict[tuple[str, str], bytes] = {}
    for line, resource in resources:
        try:
            if isinstance(resource, Invalid):
                raise resource
            yield from _item(line, resource, answer, bodies)
        except Invalid as fault:
            answer.has_rejects = True
            yield Reject(f"line {line}", str(fault))


def _item(line: int, resource: dict[str, Any], answer: Answer, bodies: dict[tuple[str, str], bytes]) -> Iterator[Row]:
    type_ = resource["resourceType"]
    key = _key(resource)
    patient = _patient(resource, type_, key, answer)
    area = area_of(answer.lists, type_, key, resource)
    yield _row(line, type_, key, patient, area, resource, answer, bodies)
    for inner in many(resource.get("contained")) if type_ == "List" else ():
        if not isinstance(inner, dict) or str(inner.get("resourceType")) not in SUBJECTS:
            continue
        inner_type = inner["resourceType"]
        whose = _patient(inner, inner_type, "", answer) or patient
        area = kind_of(resource).get("area", "")
        yield _row(line, inner_type, _contained_key(inner), whose, area, inner, answer, bodies)


def _row(
    line: int, type_: str, key: str, patient: str, area: str, resource: dict[str, Any], answer: Answer,
    bodies: dict[tuple[str, str], bytes],
) -> Row:  # fmt: skip
    body = encode(resource)
    if bodies.setdefault((type_, key), body) != body:
        if type_ in TYPES:
            raise Invalid(TWICE)
        key = f"{key}~{len(bodies)}"
        bodies[type_, key] = body
    return Row(
        type_,
        key,
        answer.publisher,
        answer.order,
        Values(resource=body.decode(), area=area) if area else Values(resource=body.decode()),
        patient=patient,
        groups=() if type_ in LOOKED_UP else (f"{type_}:{key}",),
        line=line,
        warnings=() if answer.order else (TIMELESS,),
        by_content=not answer.order,
    )


def _key(resource: dict[str, Any]) -> str:
    """Return the id of a resource; a List of an area has none, and is called by what it is of."""
    if is_named(resource):
        key = str(resource["id"]).strip()
        if is_valid(key):
            raise Invalid("id: an NHS number is no id")
        return key
    if resource["resourceType"] == "List" and (kind := kind_of(resource)):
        return f"{referred(resource.get('subject'))[1]}|{kind['code']}"
    raise Invalid(f"{resource['resourceType']}.id")


def _contained_key(resource: dict[str, Any]) -> str:
    """Return what a contained resource is called: its id, where it has one that can be the practice's own and not only
    its place in the List; else its identifier."""
    key = str(resource.get("id", "")).strip().removeprefix("#")
    if len(key) >= 16 and is_id(key):
        return key
    for item in many(resource.get("identifier")):
        if isinstance(item, dict) and item.get("value") and not is_valid(str(item["value"])):
            return f"contained|{item.get('system', '')}|{item['value']}"
    return f"contained|{key}"


def _patient(resource: dict[str, Any], type_: str, key: str, answer: Answer) -> str:
    """Return the id of the patient whom a resource is about, "" for the directory's. Raises ``Invalid`` where it does
    not say whose it is, or is another's than the answer's."""
    if type_ == "Patient":
        return key
    if type_ not in SUBJECTS:
        return ""
    element = SUBJECTS[type_]
    name, patient = referred(resource.get(element))
    if name == "Patient" and (not answer.patients or patient in answer.patients):
        return patient
    if type_ in LENIENT or not key:
        return answer.patient if name != "Patient" else ""
    raise Invalid(f"{type_}.{element}: not the patient of the answer")
