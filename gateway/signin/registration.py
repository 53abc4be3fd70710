"""The registry of system clients: whom each acts for, what it may ask for, and where its public keys are.

What SMART asks of a registration is https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway import egress
from gateway.errors import Refused
from gateway.nhs import scopes
from gateway.signin import compact, remote_keys
from gateway.signin.issuers import KEY_TYPES
from gateway.store import clients
from gateway.store.changes import record_write
from gateway.store.clients import ClientRow
from gateway.store.database import Store

ALGORITHMS = ("RS384", "ES384")
"""The algorithms of a client's assertion: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html"""
LEVEL = "system"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}", re.ASCII)
_ODS = re.compile(r"[A-Z0-9]{3,12}", re.ASCII)
_PUBLISHER = re.compile(r"[a-z0-9_]{1,64}:[A-Za-z0-9._-]{1,128}", re.ASCII)
_PROJECT = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client. ``keys`` is its JWKS where it gave one, ``keys_at`` the address where it publishes one."""

    id: str
    name: str
    organisation: str
    publishers: tuple[str, ...]
    projects: tuple[str, ...]
    scopes: frozenset[str]
    keys: dict[str, Any] | None
    keys_at: str
    is_active: bool
    changed: int = field(default=0, compare=False)
    """When the registration was last changed (µs UTC)."""

    def as_dict(self) -> dict[str, Any]:
        """The client as an operator sees it."""
        kids = [key.get("kid", "") for key in (self.keys or {}).get("keys", ())]
        return {
            "client": self.id, "name": self.name, "organisation": self.organisation,
            "publishers": list(self.publishers), "projects": list(self.projects), "scopes": sorted(self.scopes),
            "keys": kids, "jwksUrl": self.keys_at, "state": clients.ACTIVE if self.is_active else clients.DISABLED,
        }  # fmt: skip


def of_row(row: ClientRow) -> Client:
    """A client as the store has it."""
    return Client(
        row.id, row.name, row.organisation, tuple(row.publishers.split()), tuple(row.projects.split()),
        frozenset(row.scopes.split()), json.loads(row.jwks) if row.jwks else None, row.jwks_url,
        row.state == clients.ACTIVE, row.changed,
    )  # fmt: skip


def keys_file(path: Path) -> dict[str, Any]:
    """The JWKS in a file. Raises ``Refused`` for one that holds no key that a client may sign with, a private key, or
    two keys of one id."""
    try:
        jwks = compact.json_object(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise Refused("--jwks: the file cannot be read as JSON") from None
    if reason := remote_keys.problem(jwks):
        raise Refused(f"--jwks: {reason}")
    kids = [key.get("kid") for key in jwks["keys"]]
    if len(set(map(str, kids))) < len(kids):
        raise Refused("--jwks: two keys have one kid")
    if not any(_is_usable(key, jwks) for key in jwks["keys"]):
        raise Refused(f"--jwks: no key is for {' or '.join(ALGORITHMS)}, with a kid, and strong enough")
    return jwks


def _is_usable(key: dict[str, Any], jwks: dict[str, Any]) -> bool:
    for algorithm in ALGORITHMS:
        if key.get("kty") == KEY_TYPES[algorithm] and isinstance(key.get("kid"), str):
            try:
                compact.chosen_key(key["kid"], algorithm, jwks)
            except Exception:  # jose raises kinds that it does not document
                continue
            return True
    return False


def add(store: Store, client: Client, by: str) -> None:
    """Register a client, active at once. Raises ``Refused`` naming the option that is not right, and for an id that
    there is; audited in the same transaction."""
    _check(client, is_near=store.is_sandbox)
    with store.write() as session:
        if not clients.add(session, _row(client)):
            raise Refused("there is a client of that id")
        record_write(session, {"act": "client.add", "by": by, **client.as_dict()})


def _row(client: Client) -> ClientRow:
    return ClientRow(
        client.id, client.name, client.organisation, " ".join(client.publishers), " ".join(client.projects),
        " ".join(sorted(client.scopes)), json.dumps(client.keys) if client.keys else "", client.keys_at,
        clients.ACTIVE if client.is_active else clients.DISABLED,
    )  # fmt: skip


def change(store: Store, id_: str, by: str, **facts: Any) -> None:
    """Change what a client is or may do: ``facts`` are fields of ``Client``, and what they leave out stays. The tokens
    that it has end. Raises ``Refused`` as ``add`` does, and for an id that there is not; audited with what it may do
    then."""
    with store.write() as session:
        row = clients.get(session, id_)
        if row is None:
            raise Refused(UNKNOWN)
        changed = replace(of_row(row), **facts)
        _check(changed, is_near=store.is_sandbox)
        clients.replace(session, _row(changed)._replace(added=row.added))
        record_write(session, {"act": "client.change", "by": by, **changed.as_dict()})


def _check(client: Client, is_near: bool) -> None:
    for option, pattern, values in (
        ("CLIENT", _ID, [client.id]),
        ("--organisation", _ODS, [client.organisation]),
        ("--publisher", _PUBLISHER, client.publishers),
        ("--project", _PROJECT, client.projects),
    ):
        if not all(map(pattern.fullmatch, values)):
            raise Refused(f"{option}: not of its form")
    if bool(client.publishers) == bool(client.projects):  # one that is for both would join care and secondary use
        raise Refused("a client is for a --project or for a --publisher, and not for both")
    if not client.scopes or not all(scopes.is_readable(scope, LEVEL) for scope in client.scopes):
        raise Refused(f"--scope: such as {LEVEL}/*.rs or {LEVEL}/Patient.read, without a query")
    _check_keys(client.keys, client.keys_at, is_near)


def _check_keys(keys: object, keys_at: str, is_near: bool) -> None:
    if bool(keys) == bool(keys_at):
        raise Refused("either --jwks or --jwks-url is needed")
    if keys_at:
        egress.require_document_address(keys_at, is_near=is_near)


def set_keys(store: Store, id_: str, keys: dict[str, Any] | None, keys_at: str, by: str) -> None:
    """Replace the keys of a client; the tokens that it got with the old ones end. Raises ``Refused`` as ``add`` does,
    and for an id that there is not."""
    _check_keys(keys, keys_at, store.is_sandbox)
    kids = [key.get("kid", "") for key in (keys or {}).get("keys", ())]
    with store.write() as session:
        if not clients.set_keys(session, id_, json.dumps(keys) if keys else "", keys_at):
            raise Refused(UNKNOWN)
        record_write(session, {"act": "client.key", "by": by, "client": id_, "keys": kids, "jwksUrl": keys_at})


UNKNOWN = "no client of that id"


def set_active(store: Store, id_: str, is_active: bool, by: str) -> None:
    """Let a client in or keep it out, at once: its tokens do not hold either. Raises ``Refused`` for an id that there
    is not."""
    act, state = ("client.enable", clients.ACTIVE) if is_active else ("client.disable", clients.DISABLED)
    with store.write() as session:
        if not clients.set_state(session, id_, state):
            raise Refused(UNKNOWN)
        record_write(session, {"act": act, "by": by, "client": id_})


def every(store: Store) -> Iterable[Client]:
    """All clients, in the order of their ids."""
    with store.read() as session:
        return [of_row(row) for row in clients.every(session)]
