"""This gateway as a client of an OpenID issuer, for people who open its pages: what ``GATEWAY_ISSUERS`` says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import keys
from gateway.errors import Refused

STAFF, PATIENTS = "staff", "patients"
KEYS = frozenset({"client", "secret", "key", "kid", "title", "scopes", "people"})
"""The keys of the table ``pages`` of an issuer."""
LEAST_SECRET, LEAST_KEY = 16, 200


@dataclass(frozen=True)
class PageClient:
    """The client of one issuer. ``name`` is that of the issuer's table and stands in our addresses, ``title`` is what
    people read. It proves who it is by ``secret`` or by the private ``key`` (PEM) that the issuer knows as ``kid``.
    ``people`` are ``staff``, whose roles the issuer tells, or ``patients``, of whom no role is believed."""

    name: str
    id: str
    title: str
    scopes: tuple[str, ...]
    people: str = STAFF
    secret: str = ""
    key: bytes = b""
    kid: str = ""


def from_table(name: str, table: Mapping[str, Any], folder: Path) -> PageClient:
    """The client of the issuer ``name``; files are named from ``folder``. Raises ``Refused`` for a table that is not
    whole, a key that is not known, and a file of a secret that others can read."""
    place = f"GATEWAY_ISSUERS: {name}: pages"
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise Refused(f"{place}: the issuer's name stands in addresses: letters, digits and hyphens")
    if not isinstance(table, Mapping) or table.keys() - KEYS:
        raise Refused(f"{place}: a key that is not known")
    words = {key: table.get(key, "") for key in ("client", "title", "kid", "people", "secret", "key")}
    scopes = table.get("scopes", ["openid"])
    if not all(isinstance(word, str) for word in words.values()) or not words["client"]:
        raise Refused(f"{place}: client is needed, and each key of its kind")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes) or "openid" not in scopes:
        raise Refused(f"{place}: scopes: a list with openid")
    people = words["people"] or STAFF
    if people not in (STAFF, PATIENTS):
        raise Refused(f"{place}: people: {STAFF} or {PATIENTS}")
    if bool(words["secret"]) == bool(words["key"]) or bool(words["key"]) != bool(words["kid"]):
        raise Refused(f"{place}: either secret, or key and kid, are needed")
    secret = key = b""
    if words["secret"]:
        secret = keys.read_file(folder / words["secret"], f"{place}: secret", LEAST_SECRET, "ask the issuer for it")
    else:
        key = keys.read_file(folder / words["key"], f"{place}: key", LEAST_KEY, "make it anew")
    title = words["title"] or name
    return PageClient(name, words["client"], title, tuple(scopes), people, secret.decode().strip(), key, words["kid"])
