"""The code tables of this source. A table is ``codes_<name>.csv``: what the sender writes, what we write, and a label
for people."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import without_empty
from gateway.fhir.codes import SNOMED
from mappings import Feed, Look
from mappings.hl7v2.message import Encoding, Repetition, Segment
from mappings.vocabulary import CONDITION_VERIFICATION, ETHNIC_CATEGORY, HL7, UK_CORE_CODES, UNKNOWN, code_table

CODED = frozenset({"CE", "CWE", "CNE"})
"""The types (OBX-2) of a value that is a code."""
SYSTEMS = {
    "admission_method": UK_CORE_CODES + "AdmissionMethodEngland",
    "discharge_method": UK_CORE_CODES + "DischargeMethodEngland",
    "admit_source": UK_CORE_CODES + "SourceOfAdmissionEngland",
    "discharge_destination": UK_CORE_CODES + "DischargeDestinationEngland",
    "ethnicity": ETHNIC_CATEGORY,
    "marital_status": UK_CORE_CODES + "PersonMaritalStatusEngland",
    "relationship": HL7 + "v3-RoleCode",
    "interpretation": HL7 + "v3-ObservationInterpretation",
    "diagnosis_type": CONDITION_VERIFICATION,
}


@lru_cache
def table(name: str) -> dict[str, tuple[str, str]]:
    """Return code → (target, label) of ``codes_<name>.csv``; lines beginning with ``#`` tell the origin."""
    return {row["code"]: (row["target"], row["label"]) for row in code_table(__package__, f"codes_{name}")}


def target(name: str, code: str) -> str:
    """Return what we write for ``code``, or "" when the table has no row."""
    return table(name).get(code.strip().upper(), ("", ""))[0]


def label(name: str, code: str) -> str:
    """Return what ``code`` means, in words, or "" when the table has no row."""
    return table(name).get(code.strip().upper(), ("", ""))[1]


def concept(name: str, field: Repetition, look: Look, publisher: str) -> dict[str, Any]:
    """Return a CodeableConcept for a code of table ``name``: the table's coding, or the sender's own when no row maps
    it."""
    code, words = field.text(1).strip(), field.text(2)
    if not code and not words:
        return {}
    mapped, label = table(name).get(code.upper(), ("", ""))
    if mapped:
        system = HL7 + "v2-0131" if (name, mapped) == ("relationship", "N") else SYSTEMS[name]
        return {"coding": [{"system": system, "code": mapped}], "text": words or label}
    return {
        "coding": [{"system": local(publisher, name), "code": code}] if coded(code) else [],
        "text": words or label or code,
    }


def codeable(field: Repetition, look: Look, publisher: str, default: str = "") -> dict[str, Any]:
    """Return a CodeableConcept for a CE or CWE: the coding and its alternate (components 1–3 and 4–6), and the words
    seen; {} for none, and nothing empty in it.

    ``default`` names the coding system where the sender names none. The answer is shared between calls: build with it,
    do not change it.
    """
    systems = tuple(settings(look.feed, "systems").items()) if "systems" in look.feed.settings else ()
    return _codeable(field.raw, field.encoding, publisher, default, systems)


def required(segment: Segment, number: int, look: Look, publisher: str) -> dict[str, Any]:
    """Return a CodeableConcept for a field that FHIR requires: the field's, else that it is unknown."""
    concept = first(segment, number, look, publisher)
    return concept if concept.get("text") else UNKNOWN


def first(segment: Segment, number: int, look: Look, publisher: str) -> dict[str, Any]:
    """Return a CodeableConcept for the first repetition of a field; {} for none."""
    fields = segment.repetitions(number)
    return codeable(fields[0], look, publisher) if fields else {}


@lru_cache(maxsize=16384)
def _codeable(
    raw: str, encoding: Encoding, publisher: str, default: str, systems: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    field, codings = Repetition(raw, encoding), []
    for first in (1, 4):
        code, words, name = field.text(first), field.text(first + 1), field.text(first + 2)
        if coded(code):
            uri = system(name or (default if first == 1 else ""), dict(systems), publisher)
            if uri == SNOMED and not re.fullmatch(r"\d{6,18}", code):
                uri = local(publisher, name)  # an axis code of the old SNOMED, or a slip: not a concept
            codings.append({"system": uri, "code": code, "display": words})
    words = field.text(9) or field.text(2) or field.text(5) or (codings[0]["code"] if codings else field.text(1))
    concept: dict[str, Any] = without_empty({"coding": codings, "text": words})
    return concept


@lru_cache(maxsize=8192)
def coded(code: str) -> bool:
    """Whether FHIR can carry ``code`` as a code: no space at the ends, none doubled, no line break."""
    return bool(re.fullmatch(r"\S+( \S+)*", code))


def system(name: str, named: dict[str, Any], publisher: str) -> str:
    """Return the URI of a coding system's HL7 name; what the feed has ``named`` comes first, a name nobody knows is
    the sender's own."""
    return str(named[name]) if name in named else target("code_system", name) or local(publisher, name or "local")


@lru_cache(maxsize=4096)
def local(publisher: str, name: str, kind: str = "CodeSystem") -> str:
    """Return the URI of something only this publisher defines, in the shape NHS England's integration engine uses."""
    return f"https://fhir.nhs.uk/{slug(publisher)}/{kind}/{slug(name)}"


def identifiers_of(publisher: str, authority: str, kind: str) -> str:
    """Return the URI of the identifiers that ``authority`` gives to things of ``kind``; the publisher's own where it
    names none."""
    return local(publisher, kind if authority in ("", publisher) else f"{authority}-{kind}", "Id")


def settings(feed: Feed, name: str) -> dict[str, Any]:
    """Return a table of the feed's settings, empty if it is not set."""
    table = feed.settings.get(name) or {}
    if not isinstance(table, dict):
        raise Invalid(f"setting {name}")
    return table


def slug(name: str) -> str:
    """Return a name fit for a URI."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "local"


def text_of(segment: Segment, field: int) -> str:
    """Return the words of a CE field, else its code."""
    return segment.text(field, 2) or segment.text(field, 1)
