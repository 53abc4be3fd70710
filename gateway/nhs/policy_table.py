"""The tables of roles and activities as versioned data, and what somebody's role opens by one version of them.

A version is what a governance board signs and keeps as a file. Two versions are compared by replaying the audit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.nhs import kinds, roles

NAMES = ("roles", "activity", "acts", "sections", "own", "demographics", "scope", "reason")
"""The fields of a row, as a version holds them."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a role opens by an act: the types in the own organisation's records, and in others'. ``is_allowed``: it may
    do the act at all."""

    is_allowed: bool
    own: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def beyond(self, other: Opened) -> list[str]:
        """What this opens and another does not, in words."""
        gained = [f"{type_} (own)" for type_ in sorted(self.own - other.own)]
        gained += [f"{type_} (others')" for type_ in sorted(self.others - other.others)]
        return gained or (["the act"] if self.is_allowed and not other.is_allowed else [])


def in_force() -> dict[str, Any]:
    """The tables in force as data: version, fingerprint, sections, activities that include others, and the rows."""
    rows = [
        {name: sorted(value) if isinstance(value := getattr(rule, name), frozenset) else value for name in NAMES}
        for rule in roles.RULES
    ]
    table = {
        "sections": {name: sorted(types) for name, types in roles.SECTION_TYPES.items()},
        "includes": {name: list(included) for name, included in roles.INCLUDES.items()},
        "rules": rows,
    }
    return {"version": roles.VERSION, "fingerprint": _fingerprint(table), **table}


@lru_cache(maxsize=1)
def name_in_force() -> str:
    """The version and the fingerprint of the tables in force, for the audit: a table that was changed without a new
    version has another name.

    >>> name_in_force().partition(" ")[0] == roles.VERSION
    True
    """
    table = in_force()
    return f"{table['version']} {table['fingerprint']}"


def _fingerprint(table: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:12]


def read(text: str) -> dict[str, Any]:
    """Return a version as ``in_force`` gives it. Raises ``Invalid`` for what is none, without a word of it."""
    try:
        table: dict[str, Any] = json.loads(text)
        rules = table["rules"]
        is_whole = all(set(NAMES) <= rule.keys() for rule in rules)
        is_known = all(section in table["sections"] for rule in rules for section in rule["sections"])
        _texts(table["includes"].values(), table["sections"].values(), [table["version"]])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("not a table of roles: `gateway access table` prints one") from None
    if not (rules and is_whole and is_known):
        raise Invalid("not a table of roles: a row lacks a field or names a section that is not there")
    return table


def _texts(*lists: Iterable[Any]) -> None:
    for inner in lists:
        for value in inner:
            if not isinstance(value, (str, list)):
                raise TypeError


def opened(table: Mapping[str, Any], role: str, activities: Collection[str], act: str, resource_type: str) -> Opened:
    """What a member of staff opens by an act on a type by one version of the tables: of an act on one type that type,
    of a document or of everything all types."""
    held = roles.expanded(activities, table["includes"])
    rows = [
        rule for rule in table["rules"] if role in rule["roles"] and act in rule["acts"] and rule["activity"] in held
    ]
    own: set[str] = set()
    others: set[str] = set()
    for rule in rows:
        types = _types(table, rule)
        own |= types
        others |= set() if rule["own"] else types
    reached = {resource_type} if act in roles.RESOURCES - {"everything"} else own
    is_allowed = bool(rows) and (resource_type in own or act not in roles.RESOURCES)
    return Opened(is_allowed, frozenset(own & reached), frozenset(others & reached))


def _types(table: Mapping[str, Any], rule: Mapping[str, Any]) -> set[str]:
    types: set[str] = set()
    for section in rule["sections"]:
        types |= {*table["sections"][section], "Patient"}
    types |= {"Patient"} if rule["demographics"] else set()
    return types | (set(kinds.SOCIAL_CARE_TYPES) if kinds.SOCIAL_CARE in rule["sections"] else set())
