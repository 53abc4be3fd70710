"""Which codes are an ethnic category, a main language or the need of an interpreter: entries in EMIS, and elements of
the Patient in FHIR.

Which entries these are is known by their code alone, and the code is in another file. So a delivery's code table is
read once for each of its files of observations, and an entry of such a code is mapped with its patient too. A look-up
from the patient would have to go through every entry there is of them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mappings import Reject, Values
from mappings.emis.local_codes import national
from mappings.readers.csv import csv_rows
from mappings.readers.files import File, without_watch
from mappings.vocabulary import code_table

NEEDS = {"315594003": True, "315595002": False}
"""SNOMED CT: an interpreter is needed, is not needed."""
_LANGUAGE = re.compile(r"main (?:spoken )?language(?: is)?\b(.*)", re.IGNORECASE)
_COLUMNS = frozenset({"CodeId", "Term", "ReadTermId", "SnomedCTConceptId", "EmisCodeCategoryDescription"})


def codes(table: File | None) -> frozenset[str]:
    """Return the ids of the codes in a delivery's code table that say something personal; none where the delivery has
    no code table."""
    return _codes(without_watch(table), table.size) if table else frozenset()


@lru_cache(maxsize=4)
def _codes(table: File, size: int) -> frozenset[str]:
    rows = csv_rows(table, keep=_COLUMNS)
    return frozenset(row[1]["CodeId"] for row in rows if not isinstance(row, Reject) and is_personal(row[1]))


def is_personal(code: Values) -> bool:
    """Whether a row of the code table is an ethnicity, a main language or the need of an interpreter."""
    return (
        code.get("EmisCodeCategoryDescription", "").strip() == "Ethnicity"
        or bool(beginning(national(code.get("ReadTermId", ""))))
        or code.get("SnomedCTConceptId", "") in NEEDS
        or bool(language(code.get("Term", "")))
    )


def language(term: str) -> str:
    """Return the language that a term says somebody mainly speaks, "" for any other term.

    >>> language("Main spoken language Polish"), language("Main spoken language"), language("Asthma")
    ('Polish', '', '')
    """
    match = _LANGUAGE.match(term.strip())
    return match[1].strip(" :-") if match else ""


def beginning(read: str) -> str:
    """Return the longest beginning of a Read code that the table of ethnic categories has, "" for none.

    >>> beginning("9S10."), beginning("9S15."), beginning("H33..")
    ('9S10', '9S1', '')
    """
    plain = read.rstrip(".")
    return next((plain[:length] for length in range(len(plain), 1, -1) if plain[:length] in beginnings()), "")


@lru_cache
def beginnings() -> dict[str, tuple[str, str]]:
    """Return the ethnic category and its label by the beginning of a Read code."""
    rows = code_table(__package__, "codes_ethnicity")
    return {code: (row["category"], row["label"]) for row in rows for code in row["codes"].split()}
