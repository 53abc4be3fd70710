"""The code tables of EMIS, and a practice's clinical codes: concept, resource type, and words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.codes import DMD, SNOMED
from mappings import Listed, Look, Row, Values
from mappings.emis import allergen, category
from mappings.emis.delivery import directory
from mappings.emis.local_codes import national, own
from mappings.emis.sense import sense_of
from mappings.emis.tables import CODE, DRUG_CODE
from mappings.emis.words import matches, words
from mappings.vocabulary import READ, by_word, code_table

EGTON = "https://fhir.hl7.org.uk/Id/egton-codes"
EMIS_DRUG = "https://fhir.hl7.org.uk/Id/emis-drug-codes"
DESCRIPTION_ID = "http://hl7.org/fhir/StructureDefinition/coding-sctdescid"

DEGRADED_MEDICATION = {"system": SNOMED, "code": "196421000000109", "display": "Transfer-degraded medication entry"}
DEGRADED_ALLERGY = {"system": SNOMED, "code": "196461000000101", "display": "Transfer-degraded drug allergy"}
DEGRADED_OTHER_ALLERGY = {"system": SNOMED, "code": "196471000000108", "display": "Transfer-degraded non-drug allergy"}


@dataclass(frozen=True, slots=True)
class Code:
    """A clinical code of the practice. ``concept`` is shared between resources: it is not to be changed.

    ``route`` is what its category and words make it; ``category`` the FHIR observation category; ``sense`` what its
    words add (see ``sense``); ``part`` panel, systolic or diastolic; ``is_coded`` whether it has a SNOMED concept;
    ``is_disease`` whether an allergy names a disease, and is a Condition too; ``is_result`` whether the term states a
    result; ``unlisted`` the name of a category that no table knows.
    """

    concept: dict[str, Any]
    text: str
    route: str
    category: str
    sense: str
    part: str
    is_coded: bool
    is_disease: bool
    is_result: bool
    unlisted: str | None


MOST_RECENT = 1 << 13
_recent: dict[int, tuple[Values, Listed, Code]] = {}
"""The answers for the rows looked up last, by ``id`` of their values, which are held here too: no other object has
that ``id`` meanwhile."""


def code_of(row: Row, look: Look, column: str = "CodeId") -> Code:
    """Return the clinical code of a row. Raises ``Invalid`` naming the column while the code has not arrived: guessing
    is not an option."""
    code_id = row.values[column]
    code = look.row(CODE, code_id, directory(row))
    if code is None:
        raise Invalid(f"column {column}")
    return clinical(code.values, code_id, look)


def clinical(code: Values, code_id: str, look: Look) -> Code:
    """Return what a row of the code table says, and what the store's code sets say of its codes. A load looks the same
    rows up for every entry, so the answer for a row at hand is found by the row itself."""
    recent = _recent.get(id(code))
    if recent is not None and recent[0] is code and recent[1] == look.listed:
        return recent[2]
    if len(_recent) >= MOST_RECENT:
        _recent.clear()
    answer = _decided(code, code_id, look.listed)
    _recent[id(code)] = code, look.listed, answer
    return answer


def _decided(code: Values, code_id: str, listed: Listed) -> Code:
    get = code.get
    return _clinical(
        code_id,
        get("Term", ""),
        get("ReadTermId", ""),
        get("SnomedCTConceptId", ""),
        get("SnomedCTDescriptionId", ""),
        get("EmisCodeCategoryDescription", ""),
        listed,
    )


@lru_cache(maxsize=1 << 16)
def _clinical(
    code_id: str, term: str, read: str, snomed: str, description: str, category_name: str, listed: Listed
) -> Code:
    """Decide once for each code and the code sets that ``listed`` belongs to."""
    text, read_code = term.strip(), national(read)
    codings = [own_coding(read, code_id, text)]
    if is_concept(snomed):
        standard: dict[str, Any] = (
            {"extension": [{"url": DESCRIPTION_ID, "valueId": description}]} if is_description(description) else {}
        )
        codings.append({**standard, "system": SNOMED, "code": snomed})
    sense = sense_of(text, category.is_stated(read_code))
    kind = category.kind(category_name, read_code, text, sense)
    memberships = [*listed(*own_code(read, code_id)), *(listed(SNOMED, snomed) if snomed else ())]
    allergy = allergen.listed(memberships) or allergen.allergy_of(read_code, snomed, text, sense)
    concept = {"coding": codings, "text": text} if text else {"coding": codings}
    return Code(
        concept,
        text,
        "allergy" if allergy else kind.route,
        kind.observation_category,
        "nil" if allergy == "nil" else sense,
        pressure_part(snomed, read_code),
        len(codings) > 1,
        category.is_stated(read_code) or not allergy and kind.is_disease,
        matches("result", words(text)),
        None if kind.is_listed else category_name.strip(),
    )


def own_code(read: str, code_id: str) -> tuple[str, str]:
    """Return the system and code that the clinician chose, in the practice's own coding: Read v2, else EMIS's."""
    code = national(read)
    return (READ, code) if code else (EGTON, own(read, code_id))


def own_coding(read: str, code_id: str, text: str) -> dict[str, Any]:
    """Return the practice's own coding with its term."""
    system, code = own_code(read, code_id)
    return {"system": system, "code": code, **({"display": text} if text else {}), "userSelected": True}


def is_concept(text: str) -> bool:
    """Whether ``text`` has the shape of a SNOMED CT concept id of a released edition. EMIS fills its own extension's
    ids (namespace 1000006 and 1000033) in for local codes: those are local codes still.

    >>> is_concept("195967001"), is_concept("1777541000006100"), is_concept("1777541000006110")
    (True, False, False)
    """
    if not (text.isascii() and text.isdigit() and 6 <= len(text) <= 18) or text[-3:-1] not in ("00", "10"):
        return False
    return not (text[-3] == "1" and text[-10:-3] in ("1000006", "1000033"))


def is_description(text: str) -> bool:
    """Whether ``text`` has the shape of a released SNOMED CT description id."""
    if not (text.isascii() and text.isdigit() and 6 <= len(text) <= 18) or text[-3:-1] not in ("01", "11"):
        return False
    return not (text[-3] == "1" and text[-10:-3] in ("1000006", "1000033"))


def drug_concept(row: Row, look: Look) -> dict[str, Any]:
    """Return the concept of a medicine: EMIS's own code, dm+d where the practice has it, else the transfer-degraded
    concept.

    Raises ``Invalid("column CodeId")`` while the code has not arrived. Shared between resources: not to be changed.
    """
    code_id = row.values["CodeId"]
    code = look.row(DRUG_CODE, code_id, directory(row))
    if code is None:
        raise Invalid("column CodeId")
    return _drug(code_id, code.values.get("Term", ""), code.values.get("DmdProductCodeId", ""))


@lru_cache(maxsize=1 << 15)
def _drug(code_id: str, term: str, dmd: str) -> dict[str, Any]:
    text = term.strip()
    own = {"system": EMIS_DRUG, "code": code_id, **({"display": text} if text else {}), "userSelected": True}
    codings = [own, {"system": DMD, "code": dmd}] if is_concept(dmd) else [DEGRADED_MEDICATION, own]
    return {"coding": codings, "text": text} if text else {"coding": codings}


def coded(table: str, word: str, target: str = "code") -> str:
    """Return the target of ``word`` in ``codes_<table>.csv`` (first column is the key), "" where no row has it. Case
    plays no part."""
    return by_word(__package__, f"codes_{table}", target).get(word.strip().casefold(), "")


def label(table: str, word: str) -> str:
    """Return the label people read of ``word`` in ``codes_<table>.csv``."""
    return by_word(__package__, f"codes_{table}", "label").get(word.strip().casefold(), "")


def pressure_part(snomed: str, read: str) -> str:
    """Return which part of a blood pressure a code is, "" for none: by its SNOMED CT code, else by its Read code."""
    return _parts().get(("snomed", snomed)) or _parts().get(("read", read)) or ""


@lru_cache
def _parts() -> dict[tuple[str, str], str]:
    return {(row["system"], row["code"]): row["part"] for row in code_table(__package__, "codes_blood_pressure")}
