"""The rehearsal of a mapping for tests, and what they ask of what it makes.

``map_all(source, path)`` for a delivery, ``map_rows(source, rows)`` for rows at hand; both say what each group made
and what was refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

import msgspec

from gateway.explain.rehearsal import NAMESPACE, GroupKey, HeldLook, Kept, gathered, keep, map_group, packaged_sets
from gateway.fhir import model
from gateway.fhir.build import encode
from gateway.intake.mapping import resource_id as store_id
from gateway.nhs import ukcore
from gateway.nhs.codesets import CodeSets
from mappings import Feed, Reject, Row, Source
from mappings.readers.files import whole


@lru_cache(maxsize=1 << 17)
def resource_id(source: str, publisher: str, resource_type: str, key: str) -> str:
    """The id of what a row becomes, as the store derives it."""
    return store_id(NAMESPACE, source, publisher, resource_type, key)


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


class DictLook(HeldLook):
    """A ``Look`` over kept rows, with the code sets of a sandbox or the store's ``own``."""

    def __init__(self, source: Source, kept: Kept, publisher: str, feed: Feed, own: CodeSets | None = None):
        super().__init__(source, kept, publisher, feed, (own or packaged_sets()).find)


def by_group(
    source: Source, kept: Kept, only: Collection[GroupKey] | None = None, feed: Feed | None = None
) -> dict[GroupKey, str]:
    """What each group of kept rows becomes, or each of ``only``, as text: to be compared with what it was."""
    texts = {}
    for place, group in gathered(kept, only).items():
        resources, fault = map_group(source, group, DictLook(source, kept, group.publisher, feed or Feed()))
        texts[place] = f"fault: {fault}" if fault else str(resources)
    return texts


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


def map_rows(source: Source, rows: Iterable[Row], feed: Feed | None = None, own: CodeSets | None = None) -> Mapped:
    """What the rows come to, whatever their order; ``own`` are the store's code sets."""
    feed = feed or Feed()
    mapped = Mapped(keep(rows, source))
    for (publisher, key), group in gathered(mapped.kept).items():
        name = key if key not in mapped else f"{publisher}/{key}"
        look = DictLook(source, mapped.kept, publisher, feed, own)
        mapped[name], fault = map_group(source, group, look)
        if fault:
            mapped.faults[name] = fault
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
