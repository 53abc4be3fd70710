"""The store's part in a mapping, in memory: rows are kept as intake keeps them, groups gathered and mapped, ids
derived, and nothing is stored."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Hashable, Iterable
from functools import cache
from typing import Any, TypeVar

from msgspec.structs import replace

from gateway.errors import GatewayError
from gateway.intake.mapping import resource_id
from gateway.nhs.codesets import CodeSets
from gateway.terminology import sets
from mappings import Feed, Group, Listed, Row, Source

T = TypeVar("T")
NAMESPACE = uuid.UUID("6f1cdb2e-0b5c-4d8f-9f0a-0d6c2a1f4e77").bytes
"""The namespace of ids that no store has."""
Place = tuple[str, str, str]
"""Publisher, table and key of a row; a key of ``*`` stands for the whole table."""
Kept = dict[Place, Row]


@cache
def packaged_sets() -> CodeSets:
    """The code sets of a sandbox, read once."""
    return sets.load(sandbox=True)


class HeldLook:
    """A ``mappings.Look`` over kept rows; ``asked`` holds every question, as the store would remember it."""

    def __init__(self, source: Source, kept: Kept, publisher: str, feed: Feed, listed: Listed):
        self.listed, self.feed = listed, feed
        self._source, self._kept, self._publisher = source.name, kept, publisher
        self.asked: set[Place] = set()
        self.values_unlisted: list[str] = []

    def unlisted(self, table: str, column: str, value: str) -> None:
        self.values_unlisted.append(f"{table} {column}{'' if value else ' (empty)'}")

    def warn(self, place: str, reason: str) -> None:
        self.values_unlisted.append(f"{place} ({reason})")

    def row(self, table: str, key: str, publisher: str | None = None) -> Row | None:
        place = (publisher or self._publisher, table, key)
        self.asked.add(place)
        row = self._kept.get(place)
        return None if row is None or row.deleted else row

    def rows(self, group: str, publisher: str | None = None) -> list[Row]:
        name = publisher or self._publisher
        self.asked.add((name, group, "group"))
        rows = [row for row in self._kept.values() if row.publisher == name and group in row.groups]
        return sorted(
            (row for row in rows if not row.deleted and not row.patient), key=lambda row: (row.table, row.key)
        )

    def all(self, table: str, publisher: str | None = None) -> list[Row]:
        name = publisher or self._publisher
        self.asked.add((name, table, "*"))
        rows = [row for row in self._kept.values() if (row.publisher, row.table) == (name, table) and not row.deleted]
        return sorted(rows, key=lambda row: row.key)

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        return make()

    def id(self, resource_type: str, key: str, publisher: str | None = None) -> str:
        return resource_id(NAMESPACE, self._source, publisher or self._publisher, resource_type, key)

    def reference(self, resource_type: str, key: str, publisher: str | None = None) -> dict[str, Any]:
        return {"reference": f"{resource_type}/{self.id(resource_type, key, publisher)}"}


def keep(rows: Iterable[Row], source: Source) -> Kept:
    """The newest row of each key, whatever the order of arrival. A delete that carries only keys keeps the last
    values, and values older than it still fill a row that has none. Columns marked never are taken out."""
    kept: Kept = {}
    values_of: dict[Place, int] = {}
    for row in rows:
        never = source.never.get(row.table, frozenset())
        if never:
            row = replace(row, values=type(row.values)({k: v for k, v in row.values.items() if k not in never}))
        place = (row.publisher, row.table, row.key)
        held = kept.get(place)
        value_order = -1 if row.bare else row.order
        if held is None:
            kept[place], values_of[place] = row, value_order
            continue
        newest = max(held, row, key=lambda state: (state.order, state.deleted))
        filled = row if value_order > values_of[place] else held
        kept[place] = replace(filled, order=newest.order, deleted=newest.deleted)
        values_of[place] = max(value_order, values_of[place])
    return kept


GroupKey = tuple[str, str]
"""Publisher and key of a group."""


def gathered(kept: Kept, only: Collection[GroupKey] | None = None) -> dict[GroupKey, Group]:
    """The groups of kept rows, or those of them that are asked for."""
    members: dict[GroupKey, list[Row]] = {}
    for row in kept.values():
        for key in row.groups:
            if only is None or (row.publisher, key) in only:
                members.setdefault((row.publisher, key), []).append(row)
    return {
        (publisher, key): Group(key, publisher, tuple(sorted(rows, key=lambda row: (row.table, row.order, row.key))))
        for (publisher, key), rows in sorted(members.items())
    }


def map_group(source: Source, group: Group, look: HeldLook) -> tuple[list[dict[str, Any]], str]:
    """What a group becomes, and why it does not become anything, "" where it does."""
    try:
        return source.to_fhir(group, look), ""
    except GatewayError as fault:
        return [], str(fault)
