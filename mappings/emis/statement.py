"""Entries that say something of the patient by code alone: a resuscitation decision, frailty, smoking, a carer."""

from __future__ import annotations

from functools import lru_cache

from gateway.fhir.codes import SNOMED
from mappings.emis.codes import Code
from mappings.vocabulary import code_table


def is_statement(code: Code) -> bool:
    """Whether an entry of this code without a value says that what it names is so (``codes_statement.csv``)."""
    return code.is_coded and any(
        coding["code"] in _listed() and coding["system"] == SNOMED for coding in code.concept["coding"]
    )


@lru_cache
def _listed() -> frozenset[str]:
    return frozenset(row["code"] for row in code_table(__package__, "codes_statement"))
