"""What is known of a whole answer: whose it is and when it was given, and what its Lists say beside its resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.fhir.codes import ODS
from gateway.fhir.dates import interval, with_offset
from gateway.nhs.identifiers import is_ods_code
from mappings import Feed, Row, Values
from mappings.fhir.read import publisher_of
from mappings.gp_connect.lists import AREAS, ISSUES, NOTHING, Lists, Statement, read_lists
from mappings.gp_connect.repair import repaired_time
from mappings.gp_connect.stu3 import FILED, HEADING, is_named, referred

SEEN, WHOLE, STATEMENT = "Seen", "Whole", "Statement"
"""Tables of what is made beside the resources: that an area was answered, that it was answered wholly, and what its
List says."""
ALWAYS_WHOLE = frozenset({"allergies", "ended-allergies", "immunisations"})
"""The areas whose request takes no period, no number and no filter, so that every answer has all of them."""
_IN_A_NAME = re.compile(r"(?<!\d)(20\d\d)-?(\d\d)-?(\d\d)(?:[T_ -]?(\d\d)[:.-]?(\d\d)(?:[:.-]?(\d\d))?)?(?!\d)")


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


def answer_of(resources: list[dict[str, Any]], meta: dict[str, Any], name: str, feed: Feed) -> Answer:
    """Return what is to be known of the whole answer before its rows. Raises ``Invalid`` where nothing says whose
    record it is."""
    by_name = {(item["resourceType"], item["id"].strip()): item for item in resources if is_named(item)}
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


def beside(answer: Answer, feed: Feed) -> Iterator[Row]:
    """Yield what is known beside the resources: where items stand, and of which areas the answer tells how wholly."""
    for (type_, key), heading in answer.lists.headings.items():
        values = Values(encounter=heading.encounter, title=heading.title, problem=heading.problem)
        yield _aside(HEADING, f"{type_}/{key}", values, answer, answer.patient)
    for (type_, key), problems in answer.lists.problems.items():
        values = Values(problems=" ".join(sorted(set(problems))))
        yield _aside(FILED, f"{type_}/{key}", values, answer, answer.patient)
    statements: dict[tuple[str, str], list[Statement]] = {}
    for statement in answer.lists.statements:
        if statement.patient:
            statements.setdefault((statement.patient, statement.code), []).append(statement)
    for same in statements.values():
        yield _statement(same, answer)
    yield from _areas(answer, asked_whole(feed))


def _statement(same: list[Statement], answer: Answer) -> Row:
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
    patient = statement.patient
    return _aside(STATEMENT, f"{patient}|{statement.code}", values, answer, patient, (f"Patient:{patient}",))


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


def _aside(table: str, key: str, values: Values, answer: Answer, patient: str, groups: tuple[str, ...] = ()) -> Row:
    return Row(
        table, key, answer.publisher, answer.order, values, patient, groups, aside=True, by_content=not answer.order
    )
