"""Whose an id is that a contributor writes under, and which of the contributor's rows it and its references are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import Invalid, NotFound, TooLarge, Unprocessable
from gateway.fhir import build
from gateway.fhir.issues import Issue
from gateway.intake.mapping import resource_id
from gateway.nhs.identifiers import is_valid
from gateway.nhs.roles import Caller
from gateway.records import Door
from gateway.store import kept, resources
from gateway.store.mapped import Name
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored
from gateway.store.sent import group_hash, row_hash
from gateway.store.session import Session
from mappings import AS_IS, WRITTEN
from mappings.fhir.mapped import TYPES
from mappings.fhir.references import is_id, referring, target

MOST_LOOKED = 20_000
"""Values that the criteria of one request compare at most, beyond what the index finds: others wait for the lock."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
"""Random digits: one of some hundred holds ten of them in a row that make a number."""
_TEN, _BETWEEN = re.compile(r"(?<![0-9])(?:[0-9][-.]*){9}[0-9](?![0-9])"), re.compile(r"[-.]")


@dataclass(frozen=True)
class Owner:
    """One contributor within one transaction: its publisher, and who asks in its name."""

    door: Door
    session: Session
    caller: Caller
    publisher: PublisherRow
    looked: Counter[str] = field(default_factory=Counter)

    def look(self, cost: int) -> None:
        """Raise ``TooLarge`` when criteria have been asked of too much, counted in the values compared."""
        self.looked["values"] += cost
        if self.looked["values"] > MOST_LOOKED:
            raise TooLarge("criteria: too many resources would have to be looked through")

    def held(self, resource_type: str, id_: str) -> Stored | None:
        """The resource of an id, or its tombstone, where it is this contributor's; None where nobody has the id. Raises
        ``NotFound`` for another's, as for what is not there: a contributor's client reads nothing."""
        head = resources.head_of(self.session, resource_type, id_)
        if head is not None and head.publisher != self.publisher.key:
            raise NotFound(resource_type)
        return head

    def key(self, resource_type: str, id_: str, held: Stored | None) -> str:
        """The key of the row that a resource is made from. What is new here has its id as key."""
        own = AS_IS + id_
        if held is None or kept.row_at(self.session, self.row_hash(resource_type, own)):
            return own
        for row in kept.rows_of(self.session, [held.grp])[held.grp]:
            if row.body.table == resource_type and self.id(resource_type, row.body.key) == id_:
                return row.body.key
        return own

    def id(self, resource_type: str, key: str) -> str:
        """The id of what a row becomes."""
        return resource_id(self.door.store.namespace.bytes, WRITTEN, self.publisher.code, resource_type, key)

    def sent(self, held: Stored) -> dict[str, Any]:
        """The newest version of a resource as its sender sent it, with its references by ids. Raises ``NotFound``
        where it is not kept."""
        row = kept.row_at(self.session, self.row_hash(held.type, self.key(held.type, held.id, held)))
        if row is None or row.deleted or "resource" not in row.body.values:
            raise NotFound(held.type)
        resource: dict[str, Any] = referring(build.decode(row.body.values["resource"].encode()), self._by_id)
        return {**resource, "id": held.id}

    def _by_id(self, reference: str) -> str:
        name, key = target(reference)
        return f"{name}/{self.id(name, key)}" if name in TYPES else reference

    def group_hash(self, group: str) -> int:
        """The name of a group of rows in the store."""
        return group_hash(WRITTEN, self.publisher.code, group)

    def row_hash(self, resource_type: str, key: str) -> int:
        """The name of a row in the store."""
        return row_hash(WRITTEN, self.publisher.code, resource_type, key)

    def referring(self, resource: dict[str, Any], keys: Mapping[Name, str | None], base: str) -> dict[str, Any]:
        """Return a resource with its references by the keys of the contributor's rows. ``keys`` are those that are
        written with it, None of what is deleted with it; ``base`` is our own address. Raises ``Unprocessable`` with the
        place of each reference to what is not there or is another's: nobody can tell which of the two."""
        faults = [
            Issue("error", "not-found", place, "refers to nothing that your organisation recorded here")
            for place, reference in _references(resource, str(resource.get("resourceType", "")))
            if self._key_of(reference, keys, base) is None
        ]
        if faults:
            raise Unprocessable(faults)
        referred: dict[str, Any] = referring(resource, lambda text: self._key_of(text, keys, base) or text)
        return referred

    def _key_of(self, reference: str, keys: Mapping[Name, str | None], base: str) -> str | None:
        """A reference by key; as it is where it names nothing here; None where what it names is not there."""
        if reference.startswith("urn:uuid:"):
            return None
        name, id_ = target(reference.removeprefix(f"{base}/"))
        if AS_IS in id_:
            return None
        if name not in TYPES:
            return reference
        if (name, id_) in keys:
            key = keys[name, id_]
            return f"{name}/{key}" if key else None
        head = resources.head_of(self.session, name, id_)
        if head is None or head.deleted or head.publisher != self.publisher.key:
            return None
        return f"{name}/{self.key(name, id_, head)}"


def place_of(resource: dict[str, Any], address: str) -> str:
    """Where a resource refers to ``Type/id``, "" where it does not.

    >>> place_of({"resourceType": "Observation", "encounter": {"reference": "Encounter/e"}}, "Encounter/e")
    'Observation.encounter.reference'
    """
    places = _references(resource, str(resource.get("resourceType", "")))
    return next((place for place, reference in places if reference == address), "")


def require_id(id_: str) -> None:
    """Raise ``Invalid`` for what is no id, or holds an NHS number and is no UUID."""
    if not is_id(id_):
        raise Invalid("id: not an id")
    if not _UUID.match(id_) and any(is_valid(_BETWEEN.sub("", digits)) for digits in _TEN.findall(id_)):
        raise Invalid("id: an NHS number is no id")


def _references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each reference of a value with its place."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "reference" and isinstance(inner, str):
                yield f"{path}.{name}", inner
            else:
                yield from _references(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _references(inner, f"{path}[{index}]")
