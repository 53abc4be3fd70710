"""Codes of the data set: clinical codes by their scheme, and the Data Dictionary's own lists."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gateway.fhir.codes import ODS, SNOMED
from gateway.nhs.identifiers import is_ods_code
from mappings import Look
from mappings.emis.codes import is_concept
from mappings.vocabulary import code_table

URN = "urn:nhs-record-gateway:csds:"
_CODE = re.compile(r"[0-9A-Za-z.]{2,18}")


@lru_cache
def _targets(name: str, target: str) -> dict[str, str]:
    return {row["code"]: row[target] for row in code_table(__package__, f"codes_{name}")}


def target(name: str, code: str, column: str) -> str:
    """Return what a code means in FHIR by ``codes_<name>.csv``, "" for one that it does not list."""
    return _targets(name, column).get(code.upper(), "")


def is_listed(name: str, code: str) -> bool:
    return code.upper() in _targets(name, "label")


@lru_cache
def _labels() -> dict[tuple[str, str], str]:
    return {(row["list"], row["code"]): row["label"] for row in code_table(__package__, "codes_value")}


def concept(list_: str, code: str) -> dict[str, Any]:
    """Return a code of one of the Data Dictionary's lists, with its words where we could read the list."""
    return _shown(list_, code, _labels().get((list_, code.upper()), ""))


def labelled(name: str, list_: str, code: str) -> dict[str, Any]:
    """Return a code of a list that has a table of its own (``codes_<name>.csv``)."""
    return _shown(list_, code, target(name, code, "label"))


def _shown(list_: str, code: str, label: str) -> dict[str, Any]:
    if not code:
        return {}
    return {"coding": [{"system": URN + list_, "code": code, **({"display": label} if label else {})}]}


@lru_cache
def person(list_: str) -> dict[str, str]:
    """Return code → target of one of the lists about people."""
    return {row["code"]: row["target"] for row in code_table(__package__, "codes_person") if row["list"] == list_}


@lru_cache
def _schemes() -> dict[tuple[str, str], str]:
    return {(row["kind"], row["code"]): row["system"] for row in code_table(__package__, "codes_scheme")}


def clinical(kind: str, scheme: str, code: str, look: Look, column: str) -> dict[str, Any]:
    """Return a clinical code in the scheme that the row names, {} for none. What is no code of its scheme, such as an
    expression, is shown as it was sent and is no code; so is one of a scheme that nobody has listed, which is
    counted."""
    if not code:
        return {}
    system = _schemes().get((kind, scheme), "")
    if not system:
        look.unlisted(kind.capitalize(), column, scheme)
        return {"text": code}
    is_code = is_concept(code) if system == SNOMED else bool(_CODE.fullmatch(code))
    return {"coding": [{"system": system, "code": code}]} if is_code else {"text": code}


def snomed(code: str) -> dict[str, Any]:
    """Return a SNOMED CT concept; what cannot be one is shown as it was sent."""
    return {"coding": [{"system": SNOMED, "code": code}]} if is_concept(code) else {"text": code}


def organisation(code: str) -> dict[str, Any]:
    """Return a reference to an organisation by its ODS code; the code alone as words where it has no such shape."""
    if not code:
        return {}
    name = code.upper()
    identifier = {"system": ODS, "value": name} if is_ods_code(name) else {}
    return {"type": "Organization", "identifier": identifier, "display": name}
