"""THE TABLE of codes by which a clinical resource says that somebody died: its date is then a date of death.

Many senders of hospital stays do not fill in a date of death (PID-29), but a discharge destination 79.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

_ENGLAND = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
_LOCAL = r"https://fhir\.nhs\.uk/[^/]+/[^/]+/"
"""The code systems of a sender."""
CODES: tuple[tuple[str, str, str], ...] = (
    (_ENGLAND + "DischargeDestination", "79", "NHS Data Dictionary, discharge destination: patient died or stillbirth"),
    (_ENGLAND + "DischargeMethod", "4|5", "NHS Data Dictionary, discharge method: died; stillbirth"),
    ("http://terminology.hl7.org/CodeSystem/discharge-disposition", "exp", "expired"),
    ("http://snomed.info/sct", "419099009|397709008|371828006|16983000|63238001|75004002|399347008", "dead; died"),
    ("http://read.info/", r"22J\S*|949\S*|94B\S*|94E\S*|9495\S*", "Read: dead; patient died; cause of death"),
    ("http://hl7.org/fhir/sid/icd-10", r"R9[5-9]\S*|I46\.?1|P95\S*|O9[567]\S*", "ICD-10: death of unknown cause; stillbirth"),
    ("urn:nhs-record-gateway:cld:event-outcome", "NFA: Deceased", "Client Level Data, event outcome"),
    (_LOCAL + "attendance-disposal", "10", "A&E attendance disposal (ITK HL7 v2 table 0112): died in department"),
    (_LOCAL + "PV1-36", "4|5|10", "PV1-36 of a table that no setting names: it may say died, so it counts"),
)  # fmt: skip
"""(pattern of the beginning of the system, pattern of the code, where it is defined)"""
_TAIL = r"\S*"
_BEGINNINGS = [
    code.removesuffix(_TAIL) if code.endswith(_TAIL) else f'{code}"'
    for _, codes, _ in CODES
    for code in codes.split("|")
]
_ANY = re.compile(rb'code"\s*:\s*"(?:%s)' % "|".join(_BEGINNINGS).encode())
"""What every body has that names such a code, and few others have: a search that starts with a quotation mark, or looks
for where a code ends, takes longer."""
_PATTERNS = tuple((re.compile(system), re.compile(codes)) for system, codes, _ in CODES)
_STATED = ("code", "hospitalization", "extension", "reasonCode", "diagnosis", "type")
"""Elements in which a code says what happened to the patient."""
_DATES = (
    "period", "effectiveDateTime", "effectivePeriod", "onsetDateTime", "onsetPeriod", "performedDateTime", "performedPeriod",
    "occurrenceDateTime", "recordedDate", "authoredOn", "issued",
)  # fmt: skip
_plain = msgspec.json.Decoder().decode


def died_on(body: bytes) -> str | None:
    """The date on which a resource says that the patient died: the end of its period, or its own date. Empty where it
    has none; None for a resource that does not say so.

    >>> died_on(b'{"resourceType":"Condition","recordedDate":"2024-05-06","code":{"coding":[{"system":'
    ...         b'"http://snomed.info/sct","code":"419099009"}]}}')
    '2024-05-06'
    """
    if not _ANY.search(body):
        return None
    resource = _plain(body)
    if resource.get("resourceType") == "FamilyMemberHistory" or not any(map(_says_so, _codings(resource))):
        return None
    for name in _DATES:
        when = resource.get(name)
        when = (when.get("end") or when.get("start")) if isinstance(when, dict) else when
        if isinstance(when, str) and when:
            return when
    return ""


def _says_so(coding: dict[str, Any]) -> bool:
    system, code = str(coding.get("system", "")), str(coding.get("code", ""))
    return any(begin.match(system) and pattern.fullmatch(code) for begin, pattern in _PATTERNS)


def _codings(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [resource.get(name) for name in _STATED]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            if "code" in node and isinstance(node["code"], str):
                yield node
            waiting += node.values()
