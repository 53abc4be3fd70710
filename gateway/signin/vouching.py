"""What an issuer may vouch for: whose staff and operators, which projects' clients, and how surely they signed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import Unauthenticated
from gateway.nhs.roles import SUPPORT, Caller

REQUIRED, OPTIONAL = "required", "optional"


@dataclass(frozen=True)
class Vouches:
    """Whom an issuer may vouch for; nobody where nothing is named.

    ``organisations`` are the ODS codes whose staff it signs in, ``operators`` those whose staff may run the gateway,
    ``projects`` the projects whose system clients it registers. ``acr`` are the values of that claim that people's
    tokens must have one of, ``amr`` those of which one method must be among the token's, where any are named.
    ``scopes``: whether a token without any claim of scopes is refused (``required``) or left to the role
    (``optional``). ``registers``: it is this gateway's own token endpoint, which vouches for the system clients of its
    registry and for nobody else.
    """

    organisations: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    acr: frozenset[str] = frozenset()
    amr: frozenset[str] = frozenset()
    scopes: str = REQUIRED
    registers: bool = False


_LISTS = ("organisations", "operators", "projects", "acr", "amr")
KEYS = frozenset({*_LISTS, "scopes"})
"""The keys of an issuer's table that are read here."""


def from_table(table: Mapping[str, Any]) -> Vouches:
    """What a table of ``GATEWAY_ISSUERS`` lets its issuer vouch for. Raises ``ValueError`` for a key that is not of its
    kind."""
    lists = {name: _texts(table.get(name, [])) for name in _LISTS}
    scopes = table.get("scopes", REQUIRED)
    if scopes not in (REQUIRED, OPTIONAL):
        raise ValueError("scopes")
    if any(map(_is_weak, lists["acr"])):
        raise ValueError("acr")
    return Vouches(
        lists["organisations"], lists["operators"], lists["projects"], lists["acr"], lists["amr"], scopes=scopes
    )  # fmt: skip


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise ValueError("a list of texts")
    return frozenset(value)


def text(role: Mapping[str, Any], name: str) -> str:
    """A claim of a role that is a text. Raises ``Unauthenticated`` where it is none."""
    value = role.get(name)
    if not isinstance(value, str) or not value:
        raise Unauthenticated(f"token: {name}")
    return value


def require(vouches: Vouches | None, caller: Caller, claims: Mapping[str, Any]) -> None:
    """Raise ``Unauthenticated`` where an issuer may not vouch for a caller, or does not say that they signed in surely
    enough. None is an issuer that is trusted for anybody: the sandbox's own."""
    if caller.kind == "user":
        _require_assurance(vouches, claims)
    if vouches is None:
        return
    if vouches.registers or caller.publishers:
        is_bound = vouches.registers and caller.kind == "system"
    elif caller.kind == "system":
        is_bound = caller.project in vouches.projects
    elif caller.role in SUPPORT:
        is_bound = caller.organisation in vouches.operators
    else:
        is_bound = caller.organisation in vouches.organisations
    if not is_bound:
        raise Unauthenticated("token: its issuer does not vouch for this caller")
    if caller.scopes is None and vouches.scopes == REQUIRED:
        raise Unauthenticated("token: no scopes")


# How surely a person signed in

LEAST_AUTHENTICATION, LEAST_IDENTITY = 2, 2
"""The least assurance of a member of staff, of their sign-in (AAL) and of who they are: the national summary service
takes AAL2 and AAL3."""
_LEVEL = re.compile(r"(?:AAL|LOA|IAL|LEVEL)[-_ :=/.]{0,2}([0-9])", re.IGNORECASE)
_WEAK = re.compile(
    r"\A[01]\Z|userpass|pass?word(?!less)|\bpwd\b|/(?:low|1|sfa)\Z|anonymous|unspecified|bronze", re.IGNORECASE
)
"""Classes of sign-in that name no level and are a password alone, or less."""
WEAK_METHODS = frozenset({"pwd", "kba", "pin"})
"""Methods (https://www.rfc-editor.org/rfc/rfc8176) that are no second factor, also several of them together."""
_MEASURED = (
    ("authentication_assurance_level", LEAST_AUTHENTICATION),
    ("id_assurance_level", LEAST_IDENTITY),
    ("idassurancelevel", LEAST_IDENTITY),
)
"""Claims of CIS2 that hold a level as a number, or as text of one digit."""


def _require_assurance(vouches: Vouches | None, claims: Mapping[str, Any]) -> None:
    for name, least in _MEASURED:
        if name in claims and _number(claims[name]) < least:
            raise Unauthenticated(f"token: {name}")
    acr = claims.get("acr")
    if "acr" in claims and _is_weak(acr):
        raise Unauthenticated("token: acr")
    methods = _methods(claims.get("amr", []))
    if methods and methods <= WEAK_METHODS:
        raise Unauthenticated("token: amr")
    if vouches is None:
        return
    if not isinstance(acr, str) or acr not in vouches.acr:
        raise Unauthenticated("token: acr")
    if vouches.amr and vouches.amr.isdisjoint(methods):
        raise Unauthenticated("token: amr")


def _methods(amr: object) -> frozenset[str]:
    """The methods of a sign-in; some issuers send one as text."""
    return frozenset(map(str, amr)) if isinstance(amr, list) else frozenset({str(amr)})


def _number(value: object) -> int:
    """A level; 0 for what is none."""
    text = str(value)
    return int(text) if not isinstance(value, bool) and re.fullmatch("[0-9]", text, re.ASCII) else 0


def _is_weak(acr: object) -> bool:
    """Whether a class of sign-in names a level below the least, or a password alone. ``AAL2_OR_AAL3_ANY`` names two,
    and the lower one counts."""
    if not isinstance(acr, str):
        return True
    levels = [int(level) for level in _LEVEL.findall(acr)]
    return min(levels, default=LEAST_AUTHENTICATION) < LEAST_AUTHENTICATION or bool(_WEAK.search(acr))
