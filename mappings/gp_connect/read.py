"""Reads an answer of GP Connect to rows: one row a resource, and beside them what its Lists say.

The answer is a Bundle, or Parameters that hold one. Publisher, time and areas are read of the whole Bundle first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Invalid, Refused
from gateway.fhir import files, structure
from gateway.fhir.build import decode, encode
from gateway.fhir.codes import ODS
from gateway.fhir.dates import interval, with_offset
from gateway.fhir.model import RESOURCE_TYPES, UNREADABLE
from gateway.nhs.identifiers import is_ods_code, is_valid
from mappings import Feed, Reject, Row, Values
from mappings.fhir.bundles import Bundle, entries, read_bundle
from mappings.fhir.read import publisher_of
from mappings.fhir.references import Locality, local
from mappings.gp_connect import lists as of_lists
from mappings.gp_connect.lists import AREAS, ISSUES, NOTHING, Lists, area_of, read_lists
from mappings.gp_connect.repair import repaired_time
from mappings.gp_connect.stu3 import FILED, HEADING, LOOKED_UP, TYPES, many, referred
from mappings.readers.files import File, delivered

SUFFIXES = (".json",)
SEEN, WHOLE, STATEMENT = "Seen", "Whole", "Statement"
"""Tables of what is made beside the resources: that an area was answered, that it was answered wholly, and what its
List says."""
ALWAYS_WHOLE = frozenset({"allergies", "ended-allergies", "immunisations"})
"""The areas whose request takes no period, no number and no filter, so that every answer has all of them."""
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
_ID = re.compile(r"[^\s/|#?]{1,128}")
_IN_A_NAME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?:[T_ -]?(\d\d)[:.-]?(\d\d)(?:[:.-]?(\d\d))?)?(?!\d)")


class _Parameter(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Parameters(msgspec.Struct, tag_field="resourceType", tag="Parameters"):
    parameter: list[_Parameter] = []


_parameters = msgspec.json.Decoder(_Parameters)


@dataclass
class Answer:
    """One Bundle as it is read. ``time`` is when it was given, as the ``order`` of its rows says it, "" and 0 where it
    does not say. ``has_issues``: it holds issues of medicines, which may be left out."""

    publisher: str
    order: int
    time: str
    lists: Lists
    patients: frozenset[str] = frozenset()
    has_issues: bool = False
    has_rejects: bool = False

    @property
    def patient(self) -> str:
        """The one patient of the answer, "" where it has none or several."""
        return next(iter(self.patients)) if len(self.patients) == 1 else ""


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of the delivery. Raises ``Refused`` where there are none, and for a setting that is wrong."""
    publisher_of_feed(feed)
    asked_whole(feed)
    answers = delivered(path, SUFFIXES, (feed.encoding,))
    if not answers:
        raise Refused("the delivery: no .json file")
    return answers


def publisher_of_feed(feed: Feed) -> str:
    """Return the practice that a feed is of, "" where its table does not say. Raises ``Refused``."""
    return "" if feed.settings.get("publisher", "") == "" else publisher_of(feed, "an ODS code")


def asked_whole(feed: Feed) -> frozenset[str]:
    """Return the areas that a feed asks for wholly: only there is gone what an answer no longer has. Raises
    ``Refused``."""
    areas = feed.settings.get("whole", sorted(ALWAYS_WHOLE))
    if not isinstance(areas, list) or not all(isinstance(area, str) and area in AREAS for area in areas):
        raise Refused(f"GATEWAY_FEEDS: {feed.name}: whole: a list of clinical areas ({', '.join(sorted(AREAS))})")
    return frozenset(areas)


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
    sent: list[tuple[int, dict[str, Any] | Invalid, str]] = []
    for entry in entries(bundle, line, body):
        sent.append((entry.line, _object(entry.body), entry.full_url))
    names = {
        url: f"{resource['resourceType']}/{resource['id']}"
        for _, resource, url in sent
        if url and isinstance(resource, dict) and _is_named(resource)
    }
    within = Locality("", names)
    resources = [
        (at, item if isinstance(item, Invalid) or not names else local(item, within))
        for at, item, _ in sent
        if not (isinstance(item, dict) and item["resourceType"] in SKIPPED)
    ]
    answer = _answer([item for _, item in resources if isinstance(item, dict)], _meta(body), name, feed)
    yield from _read_items(resources, answer)
    yield from _beside(answer, feed)


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


def _is_named(resource: dict[str, Any]) -> bool:
    key = resource.get("id")
    return isinstance(key, str) and bool(_ID.fullmatch(key.strip()))


def _meta(body: bytes) -> dict[str, Any]:
    """Return the ``meta`` of the Bundle, or of the one that Parameters hold."""
    document = decode(body)
    for part in many(document.get("parameter")) if isinstance(document, dict) else ():
        if isinstance(part, dict) and isinstance(part.get("resource"), dict):
            document = part["resource"]
            break
    meta = document.get("meta")
    return meta if isinstance(meta, dict) else {}


def _answer(resources: list[dict[str, Any]], meta: dict[str, Any], name: str, feed: Feed) -> Answer:
    """Return what is to be known of the whole answer before its rows. Raises ``Invalid`` where nothing says whose
    record it is."""
    by_name = {(item["resourceType"], item["id"].strip()): item for item in resources if _is_named(item)}
    publisher = publisher_of_feed(feed) or _publisher(by_name)
    if not publisher:
        raise Invalid("the practice: no Organization with an ODS code says which (or set publisher for the feed)")
    sent_lists = [item for item in resources if item["resourceType"] == "List"]
    lists = read_lists(by_name, sent_lists)
    order, time = _time(lists, meta, name)
    patients = frozenset(key for type_, key in by_name if type_ == "Patient")
    has_issues = any(item.get("intent") == "order" for item in resources)
    answer = Answer(publisher, order, time, lists, patients, has_issues)
    lists.statements = [replace(part, patient=_whose(part.patient, answer)) for part in lists.statements]
    return answer


def _whose(patient: str, answer: Answer) -> str:
    """Return whose a List is, as its subject says it: "" for another patient than the answer's, the answer's where it
    says none."""
    if not patient:
        return answer.patient
    return patient if not answer.patients or patient in answer.patients else ""


def _publisher(by_name: dict[tuple[str, str], dict[str, Any]]) -> str:
    """Return the ODS code of the practice: of the Patient's managing organisation, else of the general practitioner's
    organisation, else of the only organisation that has one."""
    patients = [item for (type_, _), item in by_name.items() if type_ == "Patient"]
    for element in ("managingOrganization", "generalPractitioner"):
        for patient in patients:
            value = patient.get(element)
            for reference in value if isinstance(value, list) else [value]:
                if code := ods_of(by_name.get(referred(reference), {})):
                    return code
    codes = {ods_of(item) for (type_, _), item in by_name.items() if type_ == "Organization"} - {""}
    return codes.pop() if len(codes) == 1 else ""


def ods_of(organisation: dict[str, Any]) -> str:
    """Return the ODS code of an Organization, "" for none."""
    identifiers = organisation.get("identifier", ())
    for item in identifiers if isinstance(identifiers, list) else [identifiers]:
        code = str(item.get("value", "")).strip().upper() if isinstance(item, dict) else ""
        if code and item.get("system") == ODS and is_ods_code(code):
            return code
    return ""


def _time(lists: Lists, meta: dict[str, Any], name: str) -> tuple[int, str]:
    """Return when an answer was given: as its ``meta`` says, else the latest date of the Lists that answer what was
    asked, else the date in the name of its file; (0, "") for none of them."""
    dates = [statement.date for statement in lists.statements if statement.is_primary]
    for texts in ([str(meta.get("lastUpdated", ""))], dates, [_in_a_name(name)]):
        orders = [(_order(text), text) for text in map(repaired_time, texts)]
        if known := [pair for pair in orders if pair[0]]:
            return max(known)
    return 0, ""


def _order(text: str) -> int:
    """Return a time in µs, 0 for none. A day is its beginning."""
    try:
        return interval(text)[0] if text else 0
    except Invalid:
        return 0


def _in_a_name(name: str) -> str:
    """Return the date or time that the name of a file holds, as local time.

    >>> _in_a_name("A99001_20240701T093000.json"), _in_a_name("9990000018.json")
    ('2024-07-01T09:30:00+01:00', '')
    """
    match = _IN_A_NAME.search(name)
    if match is None:
        return ""
    year, month, day, hour, minute, second = match.groups(default="")
    try:
        date = f"{year}-{month}-{day}"
        interval(date)
        return with_offset(date, f"{hour}:{minute}:{second or '00'}")[0] if hour else date
    except Invalid:
        return ""


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
        area = of_lists.kind_of(resource).get("area", "")
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
    if _is_named(resource):
        key = str(resource["id"]).strip()
        if is_valid(key):
            raise Invalid("id: an NHS number is no id")
        return key
    if resource["resourceType"] == "List" and (kind := of_lists.kind_of(resource)):
        return f"{referred(resource.get('subject'))[1]}|{kind['code']}"
    raise Invalid(f"{resource['resourceType']}.id")


def _contained_key(resource: dict[str, Any]) -> str:
    """Return what a contained resource is called: its id, where it has one that can be the practice's own and not only
    its place in the List; else its identifier."""
    key = str(resource.get("id", "")).strip().removeprefix("#")
    if len(key) >= 16 and _ID.fullmatch(key):
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


def _beside(answer: Answer, feed: Feed) -> Iterator[Row]:
    """Yield what is known beside the resources: where items stand, and of which areas the answer tells how wholly."""
    for (type_, key), heading in answer.lists.headings.items():
        values = Values(encounter=heading.encounter, title=heading.title, problem=heading.problem)
        yield _aside(HEADING, f"{type_}/{key}", values, answer, answer.patient)
    for (type_, key), problems in answer.lists.problems.items():
        values = Values(problems=" ".join(sorted(set(problems))))
        yield _aside(FILED, f"{type_}/{key}", values, answer, answer.patient)
    statements: dict[tuple[str, str], list[of_lists.Statement]] = {}
    for statement in answer.lists.statements:
        if statement.patient:
            statements.setdefault((statement.patient, statement.code), []).append(statement)
    for same in statements.values():
        yield _statement(same, answer)
    yield from _areas(answer, asked_whole(feed))


def _statement(same: list[of_lists.Statement], answer: Answer) -> Row:
    """Return what all Lists of one code say of a patient: each warning, and nothing recorded only where all are
    empty."""
    statement = same[0]
    reasons = {part.empty for part in same if part.is_primary}
    reasons -= {"", NOTHING} if "" in reasons else set()
    values = Values(
        area=statement.area,
        title=statement.title,
        kind="primary" if statement.is_primary else "secondary",
        warnings=" ".join(dict.fromkeys(code for part in same for code in part.warnings)),
        empty=" ".join(sorted(reasons)),
        time=answer.time,
    )
    row = _aside(STATEMENT, f"{statement.patient}|{statement.code}", values, answer)
    return Row(
        row.table, row.key, row.publisher, row.order, row.values, statement.patient,
        groups=(f"Patient:{statement.patient}",), aside=True, by_content=row.by_content,
    )  # fmt: skip


def _areas(answer: Answer, asked: frozenset[str]) -> Iterator[Row]:
    """Yield that an answer tells of an area, so that its items are mapped again, and that it tells of it wholly. One
    with a warning, a List that is not whole, a part that cannot be read or no time never does."""
    statements = answer.lists.statements
    areas = {(statement.patient, statement.area) for statement in statements if statement.patient}
    wholes = {(statement.patient, statement.area) for statement in statements if statement.is_whole}
    for statement in statements:
        if statement.warnings or (statement.is_primary and not statement.is_whole):
            wholes.discard((statement.patient, statement.area))
    areas |= {(patient, ISSUES) for patient, area in areas if area == "medications"}
    wholes |= {(patient, ISSUES) for patient, area in wholes if area == "medications" and answer.has_issues}
    for patient, area in sorted(areas):
        yield _aside(SEEN, f"{patient}|{area}", Values(time=answer.time), answer, patient)
    if answer.has_rejects or not answer.order:
        return
    for patient, area in sorted(wholes):
        if area in asked or (area == ISSUES and "medications" in asked):
            yield _aside(WHOLE, f"{patient}|{area}", Values(time=answer.time), answer, patient)


def _aside(table: str, key: str, values: Values, answer: Answer, patient: str = "") -> Row:
    return Row(
        table, key, answer.publisher, answer.order, values, patient=patient, aside=True, by_content=not answer.order
    )
