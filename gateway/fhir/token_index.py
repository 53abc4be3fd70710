"""What the index holds of codes, identifiers and references, and by which of it a search is found.

``index`` writes it, ``store.find`` asks for it, and ``plan`` leaves to a filter what cannot be asked for. A coding is
held twice, with its system and without one, so that a code alone is found in any system; but a system alone is not.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.fhir import params
from gateway.fhir.codes import hashes, token_hash
from gateway.fhir.search import Clause

WHOLE_IDENTIFIERS = frozenset(params.PATIENT_TYPES)
"""Types whose identifiers are found as system|value only: every row of every source has one, and half as many entries
is much less to write."""
PLAIN = frozenset({"status", "gender"})
"""Parameters of one code alone, which is indexed as of any system: ``final``, ``|final`` and ``final`` of its own
system ask the same."""


def is_whole(resource_type: str, param: str) -> bool:
    """Whether a parameter of a type is found with its system only."""
    return param == "identifier" and resource_type in WHOLE_IDENTIFIERS


@lru_cache(maxsize=131072)
def of_coding(number: int, system: str, code: str, whole: bool) -> tuple[tuple[int, int], ...]:
    """The entries of a coding, for the parameter of that number: itself, and its code in any system unless it is found
    whole only."""
    with_system, code_alone = hashes(system, code)
    return ((number, with_system),) if whole else ((number, with_system), (number, code_alone))


def of_code(number: int, code: str) -> tuple[int, int]:
    """The entry of an element that is a code alone."""
    return number, token_hash(None, code)


def of_reference(number: int, reference: str) -> tuple[int, int]:
    """The entry of a reference, as it is written."""
    return number, token_hash("", reference)


def is_held(resource_type: str, clause: Clause) -> bool:
    """Whether all that a clause asks for can be asked of the index."""
    if clause.kind != "token":
        return True
    whole = is_whole(resource_type, clause.param)
    return all(code is not None and (system is not None or not whole) for system, code in clause.values)


def asked(clause: Clause) -> list[int]:
    """The 64-bit hashes that a token or reference clause is found by."""
    if clause.kind == "reference":
        return [token_hash("", f"{kind}/{id_}") for kind, id_ in clause.values]
    return [token_hash(system or None if clause.param in PLAIN else system, code) for system, code in clause.values]
