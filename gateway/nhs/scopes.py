"""SMART scopes: what the scopes of a token let an act reach. They only narrow, and what cannot be read opens nothing.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Unauthenticated
from gateway.fhir import model

CLAIMS = frozenset({"scope", "scp", "scopes"})
"""Names of a claim that holds scopes: ``scope``, a text with spaces (RFC 9068 §2.2.3, RFC 8693 §4.2), and the lists
that some issuers send instead. A name in other letters, such as ``Scope``, is read too: to pass it over would narrow
nothing."""

V1 = {"read": "rs", "write": "cud", "*": "cruds"}
"""SMART v1's words as the letters of v2."""
EVERY = "*"
_SCOPE = re.compile(r"(user|patient|system)/(\*|[A-Za-z]+)\.(read|write|\*|(?=.)c?r?u?d?s?)", re.ASCII)
"""A scope that can be honoured. One with a query (``?category=…``) cannot, so it is not read."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an act needs of a scope: its letters, and of which type where the act itself names none (``EVERY``: of all
    types)."""

    letters: str
    type: str = ""


NEEDS: Mapping[str, Need] = {
    "read": Need("r"),
    "vread": Need("r"),
    "history": Need("r"),
    "search": Need("s"),
    "everything": Need("rs"),
    "caseload": Need("rs"),
    "summary": Need("rs"),
    "shared": Need("rs"),
    "export": Need("rs"),
    "permit": Need("c", "Consent"),
    "break-glass": Need("c", "Consent"),
    "override": Need("c", "Consent"),
    "audit": Need("rs", "AuditEvent"),
    "jobs": Need("r", EVERY),
    "export-admin": Need("cud", EVERY),
    "create": Need("c"),
    "update": Need("u"),
    "delete": Need("d"),
    "validate": Need(""),
    "subscribe": Need("cruds", "Subscription"),
    "notify": Need("rs"),
    "looked": Need("rs", "AuditEvent"),
    "choices": Need("rs", "Consent"),
}
"""THE TABLE of what each act needs. Permission to view is a patient's consent that somebody records. The metrics and
the exports of all projects are about no type, so only a scope on all of them reaches these. Any scope on a type lets
resources of it be checked. Who is told of changes could read and search what changed. An act without a row is reached
by no scope."""


def from_claims(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """The scopes of a token as it names them; None where it has no claim that could hold any.

    Raises ``Unauthenticated`` for a claim that is neither text nor a list of texts, and for two claims that differ:
    nobody knows which of them the issuer means.
    """
    named = {_named(name, value) for name, value in claims.items() if name.casefold() in CLAIMS}
    if len(named) > 1:
        raise Unauthenticated("token: two claims of scopes differ")
    return next(iter(named), None)


def _named(name: str, value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split(" ")) - {""}
    if isinstance(value, (list, tuple)) and all(isinstance(scope, str) for scope in value):
        return frozenset(value)
    raise Unauthenticated(f"token: {name.casefold()}")


def types(scopes: frozenset[str] | None, level: str, act: str) -> frozenset[str] | None:
    """The types that scopes let an act reach, ``EVERY`` among them for all; None where the token names no scopes, and
    the caller's role alone decides.

    ``level`` is the kind of caller: a scope of another level (``patient/`` for a member of staff) opens nothing.

    >>> sorted(types(frozenset({"user/Patient.read", "user/Observation.c", "openid"}), "user", "read"))
    ['Patient']
    """
    return None if scopes is None else _types(scopes, level, act)


@lru_cache(maxsize=4096)
def _types(scopes: frozenset[str], level: str, act: str) -> frozenset[str]:
    """The types of which the scopes together have the letters that an act needs."""
    need = NEEDS.get(act)
    letters = _letters(scopes, level)
    of_every = letters.get(EVERY, frozenset())
    return frozenset(type_ for type_, held in letters.items() if need and set(need.letters) <= held | of_every)


def _letters(scopes: Iterable[str], level: str) -> dict[str, frozenset[str]]:
    """The letters of each type that scopes of a level name; those that cannot be read name none."""
    letters: dict[str, frozenset[str]] = {}
    for scope in scopes:
        match = _SCOPE.fullmatch(scope)
        if match and match[1] == level and (match[2] == EVERY or match[2] in model.RESOURCE_TYPES):
            letters[match[2]] = letters.get(match[2], frozenset()) | frozenset(V1.get(match[3], match[3]))
    return letters


def within(asked: Iterable[str], granted: Iterable[str], acts: Iterable[str], level: str) -> list[str]:
    """What a token may name of the scopes that are asked for: no letter that was not granted, and none that no act
    needs. A scope that is covered whole stays as it was asked, others get the letters that are left; those of another
    level, or that cannot be read, are left out.

    >>> within(["system/*.cruds", "system/Patient.read"], ["system/Patient.rs"], ["export"], "system")
    ['system/Patient.read', 'system/Patient.rs']
    """
    useful = frozenset("".join(NEEDS[act].letters for act in acts if act in NEEDS))
    letters = {type_: held & useful for type_, held in _letters(granted, level).items()}
    of_every = letters.get(EVERY, frozenset())
    named: set[str] = set()
    for scope in asked:
        for type_, wanted in _letters([scope], level).items():
            held = {type_: letters.get(type_, frozenset()) | of_every, **(letters if type_ == EVERY else {})}
            left = {name: wanted & having for name, having in held.items()}
            if left[type_] == wanted:
                left = {}
                named.add(scope)
            named |= {f"{level}/{name}.{_in_order(having)}" for name, having in left.items() if having}
    return sorted(named)


def _in_order(letters: Iterable[str]) -> str:
    return "".join(sorted(letters, key="cruds".index))


def offered(acts: Iterable[str], level: str) -> list[str]:
    """The scopes on all types that acts have a use for, in the words of SMART v2 and v1.

    >>> offered(["export"], "system")
    ['system/*.read', 'system/*.rs']
    """
    useful = frozenset("".join(NEEDS[act].letters for act in acts if act in NEEDS))
    words = [word for word, letters in V1.items() if useful and useful >= frozenset(letters)]
    return [f"{level}/*.{word}" for word in (*words, *filter(None, [_in_order(useful)]))]


def is_readable(scope: str, level: str) -> bool:
    """Whether a scope is of a level and opens anything that can be honoured."""
    return bool(_letters([scope], level))


def cover(scopes: frozenset[str] | None, level: str, act: str, resource_type: str = "") -> bool:
    """Whether scopes let an act be done at all: on its type, or where it names none, on the type of its row."""
    opened = types(scopes, level, act)
    if opened is None:
        return True
    wanted = resource_type or (NEEDS[act].type if act in NEEDS else "")
    return EVERY in opened or (wanted in opened if wanted else bool(opened))


def narrowed(opened: frozenset[str], scoped: frozenset[str] | None) -> frozenset[str]:
    """Types as scopes narrow them (``types``); None narrows nothing."""
    return opened if scoped is None or EVERY in scoped else opened & scoped
