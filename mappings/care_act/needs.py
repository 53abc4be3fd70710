"""Assessments to Task, plans to CarePlan, people to Patient, and the council to Organization."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import decode, resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import interval
from gateway.nhs.identifiers import is_valid, normalise
from mappings import Group, Look, Row
from mappings.care_act.documents import (
    AHEAD,
    ALIAS,
    ASSESSMENT,
    COUNCIL,
    PERSON,
    PLAN,
    SUBJECT,
    identifier,
    listed,
    local,
    objects,
    texts,
)
from mappings.care_act.questions import URN, concept, output
from mappings.cld.codes import URN as CLD
from mappings.vocabulary import LOCAL_NUMBER, UK_CORE, WRONG_NUMBER, code_table

GENDERS = {"1": "male", "2": "female", "9": "other", "0": "unknown"}
_ACCURACY = re.compile(r"[AEU]{3}")
FLAGS = {
    "capacityToCompleteAssessment": "Has the capacity to complete the assessment",
    "advocateRequired": "Requires an advocate",
}


@lru_cache
def _statuses() -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in code_table(__package__, "codes_status")}


def said_of(row: Row) -> dict[str, Any]:
    return decode(row.values["document"].encode())


def state(said: dict[str, Any], name: str) -> str:
    """Return the status in FHIR. Raises ``Invalid("status")`` for one that the standard does not have."""
    word = said.get("status")
    if not isinstance(word, str) or word not in _statuses():
        raise Invalid("status")
    return _statuses()[word][name]


def moment(said: dict[str, Any], name: str) -> str:
    """Return a dateTime as it was sent, "" for none. Raises ``Invalid`` naming the property."""
    value = said.get(name)
    if value in (None, ""):
        return ""
    try:
        interval(str(value))
    except Invalid:
        raise Invalid(name) from None
    return str(value)


def completed_on(row: Row, said: dict[str, Any], look: Look) -> str:
    """Return when a document was completed, "" where nobody says it or the time had not come when it was sent."""
    when = moment(said, "dateCompleted")
    if when and AHEAD in row.values:
        look.warn("dateCompleted", "a day of completion that lies ahead of its file")
        return ""
    return when


def labels(said: dict[str, Any]) -> tuple[str, ...]:
    """Return the flag of a document about somebody who has not agreed that it is shared: what is not said is no
    consent."""
    return () if said.get("consentToInformationSharing") is True else ("R",)


def of_person(row: Row, look: Look) -> dict[str, Any]:
    """Return the patient of a document: the person whose identifier it names, or the identifier alone."""
    alias = look.row(ALIAS, row.patient)
    return look.reference("Patient", alias.values["person"] if alias else row.patient)


def document(resource_type: str, item: Any, look: Look) -> dict[str, Any]:
    """Return a reference to another document by its identifier, {} for none."""
    name = identifier(item)
    return look.reference(resource_type, local(name, look.feed)) if name else {}


def named(item: Any) -> dict[str, Any]:
    return {"system": item.get("system"), "value": item["value"]} if identifier(item) else {}


def to_assessment(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Task of an assessment, with the answers to the statutory questions as its outputs."""
    row = next(iter(group.of(ASSESSMENT)), None)
    if row is None:
        return []
    said = said_of(row)
    reviews = [item for item in objects(said, "review") if item.get("isReview") is True]
    when, status = completed_on(row, said, look), state(said, "task")
    is_open = status == "completed" and not when
    word = "Care Act needs assessment" + (" (review)" if reviews else "")
    return [
        resource(
            "Task",
            look.id("Task", row.key),
            UK_CORE + "UKCore-Task",
            labels(said),
            identifier=[named(said["identifier"])],
            basedOn=[document("Task", item, look) for review in reviews for item in listed(review, "previousId")],
            status="in-progress" if is_open else status,
            businessStatus={"text": f"{said['status']}, not said to be completed"} if is_open else {},
            intent="plan",
            code={"coding": [{"system": URN + "document", "code": ASSESSMENT}], "text": word},
            focus=document("CarePlan", said.get("planId"), look),
            for_=of_person(row, look),
            executionPeriod={"end": when},
            authoredOn=when,
            owner=look.reference("Organization", row.publisher),
            input=[
                {
                    "type": {"coding": [{"system": URN + "property", "code": name}], "text": text},
                    "valueBoolean": said[name],
                }
                for name, text in FLAGS.items()
                if isinstance(said.get(name), bool)
            ],
            output=[output(question, look) for question in listed(said, "assessmentQuestion")],
        )
    ]


def to_plan(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the CarePlan, with an activity for each component: what is done, by whom, how often, for which outcome."""
    row = next(iter(group.of(PLAN)), None)
    if row is None:
        return []
    said = said_of(row)
    status = state(said, "plan")
    components = objects(said, "careComponent")
    times = [time if isinstance(time := item.get("time"), dict) else {} for item in components]
    starts = [start for time in times if (start := moment(time, "startDateTime"))]
    ends = [moment(time, "endDateTime") for time in times]
    return [
        resource(
            "CarePlan",
            look.id("CarePlan", row.key),
            UK_CORE + "UKCore-CarePlan",
            labels(said),
            identifier=[named(said["identifier"])],
            status=status,
            intent="plan",
            category=[{"coding": [{"system": URN + "document", "code": PLAN}], "text": "Care and support plan"}],
            subject=of_person(row, look),
            period={"start": min(starts, default=""), "end": max(ends) if ends and all(ends) else ""},
            created=completed_on(row, said, look),
            author=look.reference("Organization", row.publisher),
            supportingInfo=[document("Task", said.get("assessmentId"), look)],
            activity=[activity(item, time, status, look) for item, time in zip(components, times)],
        )
    ]


def activity(component: dict[str, Any], time: dict[str, Any], status: str, look: Look) -> dict[str, Any]:
    """Return a care component. Whether it takes place nobody says: it is in progress while the plan is active."""
    what = component.get("activity")
    what = what if isinstance(what, dict) else {}
    start, end = moment(time, "startDateTime")[:10], moment(time, "endDateTime")[:10]
    frequency = time.get("frequency")
    words = [
        frequency if isinstance(frequency, str) else "",
        f"from {start}" if start else "",
        f"until {end}" if end else "",
    ]
    payment = " (paid for by direct payment)" if what.get("directPayment") is True else ""
    outcome = what.get("outcome")
    return {
        "detail": {
            "code": concept("outcome", outcome, look) if isinstance(outcome, str) and outcome else {},
            "status": "in-progress" if status == "active" else "unknown",
            "scheduledString": " ".join(filter(None, words)),
            "performer": [
                {"identifier": named(actor.get("actorId")), "display": str(actor.get("actorType") or "Somebody")}
                for actor in objects(component, "actor")
            ],
            "description": f"{what.get('activityDescription') or ''}{payment}".strip(),
        }
    }


def to_person(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient of a person, or of an identifier alone where no document says who it is."""
    row = next(iter(group.of(PERSON)), None)
    if row is not None:
        return [patient(row, said_of(row), look)]
    subject = next(iter(group.of(SUBJECT)), None)
    if subject is None or look.row(ALIAS, subject.key) is not None:
        return []
    return [patient(subject, decode(subject.values["identifier"].encode()), look)]


def patient(row: Row, said: dict[str, Any], look: Look) -> dict[str, Any]:
    died = partial(said.get("deceasedDate"), "deceasedDate")
    is_dead = said.get("isDeceased")
    return resource(
        "Patient",
        look.id("Patient", row.key),
        UK_CORE + "UKCore-Patient",
        identifier=[numbered(item) for item in listed(said, "identifier") if identifier(item)],
        name=[name_of(item) for item in objects(said, "name")],
        telecom=[
            {"system": system, "value": value}
            for item in objects(said, "contact")
            for system, place in (("phone", "telephone"), ("email", "email"))
            for value in texts(item, place)
        ],
        gender=GENDERS.get(str(said.get("genderCode", "")), ""),
        birthDate=partial(said.get("dateOfBirth"), "dateOfBirth"),
        deceasedDateTime=died if is_dead is not False else "",
        deceasedBoolean=True if is_dead is True and not died else None,
        address=[address_of(item) for item in objects(said, "address")],
        communication=[
            {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language["languageCode"]}]}}
            for item in objects(said, "communication")
            for language in objects(item, "language")
            if isinstance(language.get("languageCode"), str)
        ],
        managingOrganization=look.reference("Organization", row.publisher),
    )


def numbered(item: dict[str, Any]) -> dict[str, Any]:
    """Return an identifier. An NHS number has no status here, and one whose check digit is wrong identifies nobody."""
    if item.get("system") != NHS_NUMBER:
        return {"system": item.get("system") or LOCAL_NUMBER, "value": item["value"]}
    number = normalise(item["value"])
    if is_valid(number):
        return {"system": NHS_NUMBER, "value": number}
    return {"type": WRONG_NUMBER, "value": item["value"]}


def name_of(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "use": "official" if item.get("use") == "official" else "",
        "family": " ".join(texts(item, "familyName")),
        "given": texts(item, "givenName"),
    }


def address_of(item: dict[str, Any]) -> dict[str, Any]:
    lines = [item[name] for name in ("line1", "line2", "line3") if isinstance(item.get(name), str)]
    use = item.get("use")
    return {
        "use": use if use in ("home", "work", "temp", "old", "billing") else "",
        "line": lines,
        "city": item["city"] if isinstance(item.get("city"), str) else "",
        "postalCode": item["postcode"] if isinstance(item.get("postcode"), str) else "",
    }


def partial(item: Any, name: str) -> str:
    """Return a PartialDate in the precision that its accuracy indicator allows: a letter each for day, month and year;
    one that is estimated or unknown is not said.

    >>> partial({"date": "1972-01-15", "accuracyIndicator": "UAA"}, "dateOfBirth")
    '1972-01'
    """
    if not isinstance(item, dict):
        return ""
    date = moment(item, "date")[:10]
    accuracy = item.get("accuracyIndicator", "AAA")
    if not date or not isinstance(accuracy, str) or not _ACCURACY.fullmatch(accuracy):
        return date if not accuracy else ""
    day, month, year = (letter == "A" for letter in accuracy)
    return date if day and month and year else date[:7] if month and year else date[:4] if year else ""


def to_council(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Organization of the council, by its social-care code."""
    if not group.of(COUNCIL):
        return []
    code = group.publisher
    return [
        resource(
            "Organization",
            look.id("Organization", code),
            UK_CORE + "UKCore-Organization",
            identifier=[{"system": CLD + "la-code", "value": code}],
            name=f"Council {code}",
        )
    ]
