"""Maps a person of a council to Patient, support reasons and social circumstances, as in the latest snapshot.

If the snapshot contradicts itself, a single-valued element is left out and a multi-valued one gets all values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from gateway.fhir.codes import NHS_NUMBER, ODS
from gateway.nhs.identifiers import is_practice_code, is_valid, normalise
from mappings import Group, Look, Row
from mappings.cld import codes, snapshots
from mappings.cld.event import PROFILE, said
from mappings.cld.snapshots import Silence, Snapshot
from mappings.cld.times import iso
from mappings.cld.whose import received_as
from mappings.vocabulary import CONDITION_CLINICAL, HL7, UK_CORE_EXTENSION, WRONG_NUMBER, can_be

REASON = "Primary Support Reason"
REFUGE = "Refuge"

CIRCUMSTANCES = {
    "Accommodation Status": "Accommodation status",
    "Employment Status": "Employment status",
    "Has Unpaid Carer": "Has an unpaid carer",
    "Autism Spectrum Disorder (ASD)": "Autism recorded by the council (not a diagnosis)",
    "Visual Impairment": "Visual impairment recorded by the council",
    "Hearing Impairment": "Hearing impairment recorded by the council",
    "Dementia": "Dementia recorded by the council (not a diagnosis)",
}
"""Columns that become Observations, with the words a clinician sees. None has a SNOMED CT code: they are
administrative flags."""


def to_person(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Patient, Conditions and Observations of a person group, or nothing when it has no rows."""
    rows = group.of("Person")
    if not rows:
        return []
    key = group.key.removeprefix("person:")
    stated_in, lines = snapshots.last(rows)
    snapshot = snapshots.as_known(stated_in, look)
    gone = snapshots.without_person(snapshot, look)
    for column, text in {pair for row in lines for pair in codes.unlisted(row.values)}:
        look.unlisted("Person", column, text)
    return [
        patient(key, lines, snapshot, group.publisher, look),
        *reasons(key, rows, snapshot, gone, look),
        *circumstances(key, lines, snapshot, gone.since, group.publisher, look),
    ]


def patient(key: str, lines: list[Row], snapshot: Snapshot, council: str, look: Look) -> dict[str, Any]:
    """Return the Patient. Postcode and GP of someone in a refuge are left out: they would give the place away."""
    births = only(iso(text, "Date of Birth") for text in stated(lines, "Date of Birth"))
    deaths = possible_deaths(lines, "".join(births), snapshot, look)
    ethnicities = known_first("Ethnicity", stated(lines, "Ethnicity"))
    shielded = in_refuge(lines)
    return resource(
        "Patient",
        look.id("Patient", key),
        PROFILE + "Patient",
        extension=[
            {"url": UK_CORE_EXTENSION + "EthnicCategory", "valueCodeableConcept": codes.ethnicity(text)}
            for text in only(ethnicities)
        ],
        identifier=[
            *(nhs_number(text) for text in stated(lines, "NHS Number") if any(map(str.isdigit, text))),
            {"system": f"{codes.URN}{council}:person", "value": key},
        ],
        name=names(lines),
        gender="".join(only(codes.gender(text) for text in stated(lines, "Gender"))),
        birthDate="".join(births),
        deceasedDateTime=deaths[0] if len(deaths) == 1 else "",
        deceasedBoolean=True if len(deaths) > 1 else None,
        address=[] if shielded else [{"postalCode": text} for text in stated(lines, "Postcode")],
        generalPractitioner=[] if shielded else practices(lines),
        managingOrganization=look.reference("Organization", council),
    )


def possible_deaths(lines: list[Row], born: str, snapshot: Snapshot, look: Look) -> list[str]:
    """Return the dates of death that can be: not before birth, nor after the submission. Others are counted in the load
    report, and say nothing of the person."""
    dates = distinct(iso(text, "Date of Death") for text in stated(lines, "Date of Death"))
    possible = [day for day in dates if can_be(day, born, snapshot.submitted)]
    for _ in range(len(dates) - len(possible)):
        look.warn("Date of Death", "before birth or after the submission")
    return possible


def nhs_number(text: str) -> dict[str, Any]:
    """Return the identifier, without a verification status: CLD does not tell one. An invalid number is kept as
    text."""
    number = normalise(text)
    if is_valid(number):
        return {"system": NHS_NUMBER, "value": number}
    return {"type": WRONG_NUMBER, "value": text}


def names(lines: list[Row]) -> list[dict[str, Any]]:
    stated_names = {(row.values["Last Name"], row.values["First Name"]) for row in lines}
    return [
        {"family": family, "given": [given_name] if given_name else []}
        for family, given_name in sorted(stated_names)
        if family or given_name
    ]


def practices(lines: list[Row]) -> list[dict[str, Any]]:
    stated_practices = {(row.values["GP Practice Code"], row.values["GP Practice Name"]) for row in lines}
    return [
        {
            "type": "Organization",
            "identifier": {"system": ODS, "value": code} if is_practice_code(code) else {},
            "display": name or code,
        }
        for code, name in sorted(stated_practices)
        if code or name
    ]


def in_refuge(lines: list[Row]) -> bool:
    return any(codes.clean("Accommodation Status", text) == REFUGE for text in stated(lines, "Accommodation Status"))


def reasons(key: str, rows: list[Row], latest: Snapshot, gone: Silence, look: Look) -> list[dict[str, Any]]:
    """Return a Condition for each support reason ever stated: why a council supports someone, never an entry of the
    problem list. It is active while the person's latest snapshot states it and no later one that is whole is without
    the person."""
    newest: dict[str, tuple[Snapshot, str]] = {}
    for row in rows:
        text = row.values[REASON]
        name = codes.word(REASON, text)
        if name and name != codes.UNKNOWN:
            newest[name] = max(newest.get(name, (snapshots.of(row), text)), (snapshots.of(row), text))
    return [
        resource(
            "Condition",
            look.id("Condition", f"{key}|{name}"),
            PROFILE + "Condition",
            extension=[
                said("as-at", "valueDate", snapshots.as_known(snapshot, look).until),
                said("received-as", "valueCodeableConcept", received_as({REASON: text})),
                said("not-reported-since", "valueDate", gone.since),
            ],
            clinicalStatus={
                "coding": [
                    {
                        "system": CONDITION_CLINICAL,
                        "code": "active" if snapshot == latest and not gone.whole else "inactive",
                    }
                ]
            },
            category=[
                {
                    "coding": [{"system": codes.system("condition-category"), "code": "social-care-support-reason"}],
                    "text": REASON,
                }
            ],
            code=codes.concept(REASON, text),
            subject=look.reference("Patient", key),
        )
        for name, (snapshot, text) in sorted(newest.items())
    ]


def circumstances(
    key: str, lines: list[Row], snapshot: Snapshot, since: str, council: str, look: Look
) -> list[dict[str, Any]]:
    """Return an Observation for each circumstance the snapshot states; where it states two, both are shown."""
    observations = []
    for column, label in CIRCUMSTANCES.items():
        for number, text in enumerate(known_first(column, stated(lines, column))):
            value = codes.concept(column, text)
            is_unknown = codes.clean(column, text) == codes.UNKNOWN
            observations.append(
                resource(
                    "Observation",
                    look.id("Observation", f"{key}|{column}" + (f"|{number}" if number else "")),
                    PROFILE + "Observation",
                    ("R",) if codes.clean(column, text) == REFUGE else (),
                    extension=[said("not-reported-since", "valueDate", since)],
                    status="final",
                    category=[{"coding": [{"system": HL7 + "observation-category", "code": "social-history"}]}],
                    code={"coding": [{"system": codes.system("column"), "code": column}], "text": label},
                    subject=look.reference("Patient", key),
                    effectivePeriod={"start": snapshot.start, "end": snapshot.until},
                    performer=[look.reference("Organization", council)],
                    valueCodeableConcept={} if is_unknown else value,
                    dataAbsentReason={"coding": [{"system": HL7 + "data-absent-reason", "code": "unknown"}]}
                    if is_unknown
                    else {},
                )
            )
    return observations


def stated(lines: list[Row], column: str) -> list[str]:
    """Return what the lines say in a column, each spelling once, in order."""
    return distinct(row.values[column] for row in lines)


def distinct(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text})


def known_first(column: str, texts: list[str]) -> list[str]:
    """Return one spelling of each value: those of the column's list, else those that are "Unknown", else words no list
    has."""
    spellings = {codes.word(column, text): text for text in reversed(texts)}
    known = [name for name in spellings if codes.clean(column, name)]
    names = [name for name in known if name != codes.UNKNOWN] or known or list(spellings)
    return [spellings[name] for name in sorted(names)]


def only(texts: Iterable[str]) -> list[str]:
    """Return the one value that is stated, or none: of two that contradict each other neither is taken."""
    values = distinct(texts)
    return values if len(values) == 1 else []


def council(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Organization of a council. Its name is the feed's to tell (``councils``); the file has only the
    code."""
    code = group.publisher
    councils = look.feed.settings.get("councils") or {}
    if not isinstance(councils, dict):
        raise Invalid("setting councils")
    if not group.of("Authority"):
        return []
    identifier = [{"system": codes.URN + "la-code", "value": code}]
    name = str(councils.get(code) or f"Council {code}")
    return [
        resource(
            "Organization", look.id("Organization", code), PROFILE + "Organization", identifier=identifier, name=name
        )
    ]
