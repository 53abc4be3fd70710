"""References: what a Reference or a canonical leads to.

https://hl7.org/fhir/R4/search.html#reference. A value is (type, id): "" means any type of an id alone. Something at
another server has all before its last slash for its type.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.expression import Typed
from gateway.fhir.matching import by_token
from gateway.fhir.r4.defined import Definition

MODIFIERS = ("identifier",)
"""And the name of any type that the reference may lead to."""
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")


def read(label: str, definition: Definition, modifier: str, text: str) -> Any:
    """A value as it was asked. Raises ``Invalid``."""
    if modifier == "identifier":
        return by_token.read(label, definition, "", text)
    kind, _, id_ = text.rpartition("/")
    if ":" in text:  # at another server, or a canonical: found only where a resource refers to just that
        return kind, id_
    kind = kind or modifier or (definition.targets[0] if len(definition.targets) == 1 else "")
    if (kind and not definition.leads_to(kind)) or modifier not in ("", kind) or not _ID.match(id_):
        raise Invalid(f"{label}: Type/id")
    return kind.replace("*", ""), id_


def held(typed: Typed, modifier: str) -> list[Any]:
    """The reference as it is written, or with ``identifier`` the tokens that it has in place of one."""
    if modifier != "identifier":
        return [written(typed)]
    identifier = typed[1].get("identifier") if type(typed[1]) is dict else None
    return [] if identifier is None else by_token.held(("Identifier", identifier), "")


def matches(reference: Any, value: Any, modifier: str) -> bool:
    """Whether a reference leads to what was asked."""
    if modifier == "identifier":
        return by_token.matches(reference, value, "")
    kind, id_ = value
    return reference == (f"{kind}/{id_}" if kind else id_) or (not kind and _is_id(reference, id_))


def _is_id(reference: str, id_: str) -> bool:
    type_, slash, held = reference.partition("/")
    return bool(slash) and type_.isalpha() and held == id_


def written(typed: Typed) -> str:
    """A reference as it is written, or ""."""
    value = typed[1].get("reference", "") if type(typed[1]) is dict else typed[1]
    return value if type(value) is str else ""


def order(typed: Typed) -> str:
    """What a value is sorted by."""
    return written(typed)
