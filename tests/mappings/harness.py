"""The store's part in a mapping, in a dictionary: rows are kept as intake keeps them, groups gathered and mapped, ids
derived.

``map_all(source, path)`` for a delivery, ``map_rows(source, rows)`` for rows at hand; both say what each group made
and what was refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from hashlib import sha1
from pathlib import Path

import msgspec
from msgspec.structs import replace

from gateway.errors import GatewayError
from gateway.fhir import model
from gateway.fhir.build import encode
from gateway.nhs import ukcore
from gateway.nhs.codesets import CodeSets
from gateway.terminology import sets
from mappings import Feed, Group, Reject, Row, Source
from mappings.readers.files import whole

NAMESPACE = uuid.UUID("6f1cdb2e-0b5c-4d8f-9f0a-0d6c2a1f4e77")


@lru_cache(maxsize=1 << 17)
def resource_id(source: str, publisher: str, resource_type: str, key: str) -> str:
    """The id of what a row becomes, as the store derives it."""
    digest = bytearray(sha1(NAMESPACE.bytes + f"{source}|{publisher}|{resource_type}|{key}".encode()).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()  # what str(uuid.uuid5()) answers, in a third of its time
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


Kept = dict[tuple[str, str, str], Row]


@lru_cache
def packaged_sets() -> CodeSets:
    """The code sets of a sandbox."""
    return sets.load(sandbox=True)


def written(resources: Iterable[dict]) -> str:
    """Resources as a golden file holds them."""
    lines = [msgspec.json.format(encode(resource), indent=1).decode() for resource in resources]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def faults(resources: Iterable[dict]) -> list[str]:
    """What R4 or UK Core has against resources, as intake writes them: labels are taken off first."""
    told = []
    for resource in resources:
        meta = {name: value for name, value in resource["meta"].items() if name != "security"}
        body = {**resource, "meta": meta}
        issues = [*model.check(encode(body)), *(issue for issue in ukcore.check(body) if issue.severity == "error")]
        told += [f"{resource['resourceType']}: {issue.location}: {issue.message}" for issue in issues]
    return told


class DictLook:
    """A ``Look`` over kept rows in a dictionary; ``asked`` holds every question, as the store would remember it."""

    def __init__(self, source: Source, kept: Kept, publisher: str, feed: Feed, own: CodeSets | None = None):
        self.listed = (own or packaged_sets()).find
        self._source, self._kept, self._publisher, self.feed = source.name, kept, publisher, feed
        self.asked: set[tuple[str, str, str]] = set()
        self.values_unlisted: list[str] = []

    def unlisted(self, table: str, column: str, value: str) -> None:
        self.values_unlisted.append(f"{table} {column}{'' if value else ' (empty)'}")

    def warn(self, place: str, reason: str) -> None:
        self.values_unlisted.append(f"{place} ({reason})")

    def row(self, table: str, key: str, publisher: str | None = None) -> Row | None:
        place = (publisher or self._publisher, table, key)
        self.asked.add(place)
        found = self._kept.get(place)
        return None if found is None or found.deleted else found

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

    def once(self, name: Hashable, make: Callable[[], object]) -> object:
        return make()

    def id(self, resource_type: str, key: str, publisher: str | None = None) -> str:
        return resource_id(self._source, publisher or self._publisher, resource_type, key)

    def reference(self, resource_type: str, key: str, publisher: str | None = None) -> dict:
        return {"reference": f"{resource_type}/{self.id(resource_type, key, publisher)}"}


class Mapped(dict):
    """Group key → resources; ``rejects`` of reading, ``faults`` (group key → message) of mapping, ``kept`` rows,
    ``unlisted`` values of the source's columns."""

    def __init__(self, kept: Kept):
        self.kept = kept
        self.rejects: list[Reject] = []
        self.faults: dict[str, str] = {}
        self.unlisted: list[str] = []

    def resources(self, resource_type: str = "") -> list[dict]:
        """All resources, or those of a type, sorted by type and id; one made by two groups is an error."""
        made = [
            each
            for group in self.values()
            for each in group
            if not resource_type or each["resourceType"] == resource_type
        ]
        made.sort(key=lambda each: (each["resourceType"], each["id"]))
        names = [(each["resourceType"], each["id"]) for each in made]
        assert len(names) == len(set(names)), "two groups made one resource"
        return made

    def one(self, resource_type: str) -> dict:
        """The only resource of a type."""
        found = self.resources(resource_type)
        assert len(found) == 1, f"{len(found)} of {resource_type}"
        return found[0]


def keep(rows: Iterable[Row], source: Source) -> Kept:
    """The newest row of each key, whatever the order of arrival. A delete that carries only keys keeps the last
    values, and values older than it still fill a row that has none. Columns marked never are taken out."""
    kept: Kept = {}
    values_of: dict[tuple[str, str, str], int] = {}
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
        newest = max(held, row, key=lambda each: (each.order, each.deleted))
        filled = row if value_order > values_of[place] else held
        kept[place] = replace(filled, order=newest.order, deleted=newest.deleted)
        values_of[place] = max(value_order, values_of[place])
    return kept


def map_rows(source: Source, rows: Iterable[Row], feed: Feed | None = None, own: CodeSets | None = None) -> Mapped:
    """What the rows come to, whatever their order; ``own`` are the store's code sets."""
    feed = feed or Feed()
    mapped = Mapped(keep(rows, source))
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in mapped.kept.values():
        for key in row.groups:
            groups.setdefault((row.publisher, key), []).append(row)
    for (publisher, key), members in sorted(groups.items()):
        members.sort(key=lambda row: (row.table, row.order, row.key))
        name = key if key not in mapped else f"{publisher}/{key}"
        look = DictLook(source, mapped.kept, publisher, feed, own)
        try:
            mapped[name] = source.to_fhir(Group(key, publisher, tuple(members)), look)
        except GatewayError as fault:
            mapped.faults[name] = str(fault)
            mapped[name] = []
        mapped.unlisted += look.values_unlisted
    return mapped


def map_all(source: Source, path: Path, feed: Feed | None = None) -> Mapped:
    """What a delivery comes to: a file or folder, read and mapped in memory."""
    feed = feed or Feed()
    items = read_all(source, path, feed)
    mapped = map_rows(source, [item for item in items if isinstance(item, Row)], feed)
    mapped.rejects = [item for item in items if isinstance(item, Reject)]
    return mapped


def read_all(source: Source, path: Path, feed: Feed | None = None) -> list[Row | Reject]:
    """Every row and reject of a delivery, its files checked as intake checks them."""
    feed = feed or Feed()
    return [item for file in source.check(path, feed) for item in source.read(whole(file), feed)]
