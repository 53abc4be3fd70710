"""Ethnic category, main language and need of an interpreter of a Patient, from its coded entries."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.codes import SNOMED
from mappings import Look, Row
from mappings.emis.codes import coded
from mappings.emis.entry import Entry, entry_of
from mappings.emis.personal import NEEDS, beginning, beginnings, language
from mappings.vocabulary import ETHNIC_CATEGORY, READ, UK_CORE_EXTENSION

INTERPRETER = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"


def about(rows: list[Row], look: Look) -> dict[str, Any]:
    """Return ``extension`` and ``communication`` of a Patient, each from the newest entry that says it. An entry that
    is confidential, denied or doubted says nothing here."""
    said: dict[str, Any] = {}
    for entry in sorted(telling(rows, look), key=written):
        if category := ethnicity(entry):
            said["ethnicity"] = category
        if name := language(entry.code.text):
            said["language"] = name
        if (needs := next((NEEDS[code] for code in snomed(entry) if code in NEEDS), None)) is not None:
            said["interpreter"] = needs
    extensions: list[dict[str, Any]] = []
    if "ethnicity" in said:
        extensions.append({"url": UK_CORE_EXTENSION + "EthnicCategory", "valueCodeableConcept": said["ethnicity"]})
    if "interpreter" in said:
        extensions.append({"url": INTERPRETER, "valueBoolean": said["interpreter"]})
    return {"extension": extensions, "communication": communication(said.get("language", ""))}


def written(entry: Entry) -> tuple[str, ...]:
    """Return what entries are ordered by: when each took effect, and of one day when it was entered. The order of its
    extract says nothing, as an unchanged entry may be sent again."""
    return (entry.effective, entry.values.get("EnteredDate", ""), entry.values.get("EnteredTime", ""), entry.key)


def telling(rows: list[Row], look: Look) -> list[Entry]:
    """Return the entries that say what their code says; those whose code has not come are waited for elsewhere. One
    whose date cannot be read waits by itself, and the Patient does not wait for it."""
    entries = []
    for row in rows:
        try:
            entry = entry_of(row, look)
        except Invalid:
            continue
        try:
            written(entry)
        except Invalid:
            look.warn("EffectiveDate", "an ethnicity, a language or an interpreter of a date that cannot be read")
            continue
        if not entry.is_confidential and (not entry.sense or entry.in_words):
            entries.append(entry)
    return entries


def ethnicity(entry: Entry) -> dict[str, Any]:
    """Return the ethnic category of an entry, {} for one that names none."""
    read = next((coding["code"] for coding in entry.code.concept["coding"] if coding["system"] == READ), "")
    category, label = beginnings().get(beginning(read), ("", ""))
    coding = {"system": ETHNIC_CATEGORY, "code": category, "display": label}
    return {"coding": [coding], "text": entry.code.text} if category else {}


def snomed(entry: Entry) -> list[str]:
    return [coding["code"] for coding in entry.code.concept["coding"] if coding["system"] == SNOMED]


def communication(name: str) -> list[dict[str, Any]]:
    """Return the language somebody mainly speaks, coded where the table has its name."""
    code = coded("language", name)
    coding = [{"system": "urn:ietf:bcp:47", "code": code}] if code else []
    return [{"language": {"coding": coding, "text": name}, "preferred": True}] if name else []
