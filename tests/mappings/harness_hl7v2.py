"""The store's part in a mapping, in a dictionary: rows are kept, groups gathered and mapped, ids derived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mappings import Feed, Group, Reject, Row
from mappings.hl7v2 import SOURCE
from mappings.hl7v2.reader import row, rows
from tests.mappings.harness import read_all, resource_id


@dataclass
class DictLook:
    """A Look over a few rows (``near``: the merges): HL7 v2 asks for nothing else. ``shared`` holds what is made
    once."""

    publisher: str
    feed: Feed
    near: dict[tuple[str, str], Row] = field(default_factory=dict)
    shared: dict = field(default_factory=dict)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def row(self, table: str, key: str, publisher: str | None = None) -> Row | None:
        return self.near.get((table, key))

    def once(self, name, make):
        if name not in self.shared:
            self.shared[name] = make()
        return self.shared[name]

    def warn(self, place: str, reason: str) -> None:
        self.warnings.append((place, reason))

    def all(self, table: str, publisher: str | None = None) -> list[Row]:
        return []

    def id(self, resource_type: str, key: str, publisher: str | None = None) -> str:
        return resource_id(SOURCE.name, publisher or self.publisher, resource_type, key)

    def reference(self, resource_type: str, key: str, publisher: str | None = None) -> dict:
        return {"reference": f"{resource_type}/{self.id(resource_type, key, publisher)}"}


def map_rows(rows: Iterable[Row], feed: Feed, warnings: list[tuple[str, str]] | None = None) -> list[dict]:
    """Return what all groups of the rows make, sorted; a resource made by two groups is an error. What the mapping
    warns of is added to ``warnings``."""
    kept: dict[tuple[str, str, str], Row] = {}
    for each in sorted(rows, key=lambda row: row.order if row.aside else 0):
        kept[each.publisher, each.table, each.key] = each
    assert all(type(value) is str for each in kept.values() for value in each.values.values()), "a row keeps text only"
    groups: dict[tuple[str, str], list[Row]] = {}
    for each in kept.values():
        for key in each.groups:
            groups.setdefault((each.publisher, key), []).append(each)
    near = {(each.table, each.key): each for each in kept.values() if each.aside or each.table == "MERGE"}
    made, shared = [], {}
    for (publisher, key), members in groups.items():
        look = DictLook(publisher, feed, near, shared.setdefault(publisher, {}), [] if warnings is None else warnings)
        made += SOURCE.to_fhir(Group(key, publisher, tuple(members)), look)
    made.sort(key=lambda each: (each["resourceType"], each["id"]))
    names = [(each["resourceType"], each["id"]) for each in made]
    assert len(names) == len(set(names)), "two groups made one resource"
    return made


def map_text(*messages: str, settings: dict | None = None) -> list[dict]:
    """Return what messages make, given as text with newlines between segments."""
    feed = Feed(settings=settings or {})
    return map_rows([row(message.strip().encode(), feed) for message in messages], feed)


def map_sent(*messages: str, settings: dict | None = None, warnings: list[tuple[str, str]] | None = None) -> list[dict]:
    """The same of messages of which rows to be looked up are made: merges, moves, orders."""
    feed = Feed(settings=settings or {})
    return map_rows([each for message in messages for each in rows(message.strip().encode(), feed)], feed, warnings)


def map_path(path: Path, feed: Feed) -> tuple[list[dict], list[Reject]]:
    """Return (resources, rejects) of a delivery."""
    found = read_all(SOURCE, path, feed)
    rows = [each for each in found if isinstance(each, Row)]
    return map_rows(rows, feed), [each for each in found if isinstance(each, Reject)]


def one(resources: list[dict], resource_type: str) -> dict:
    """Return the only resource of a type."""
    found = [each for each in resources if each["resourceType"] == resource_type]
    assert len(found) == 1, f"{len(found)} of {resource_type}"
    return found[0]


PID = "PID|1||H1^^^RXX^MR~9990001006^^^NHS||Marsh^Ann^^^Ms^^L||19700203|2"
DEAD = "PID|1||H2^^^RXX^MR~9990001006^^^NHS||Marsh^Anna^^^Ms^^L||19700203|2"


def adt(event: str, time: str, *segments: str, occurred: str = "", sent: str = "") -> str:
    """Return an ADT message of trust RXX recorded at ``time``; the test's patient unless a PID is among the
    segments."""
    given = [] if any(each.startswith("PID") for each in segments) else [PID]
    header = f"MSH|^~\\&|PAS|RXX|TIE|RXX|{sent or time}||ADT^{event}|{event}-{time}|T|2.4"
    return "\r".join([header, f"EVN|{event}|{time}||||{occurred}", *given, *segments])


def oru(
    issued: str,
    *segments: str,
    pid: str = PID,
    status: str = "F",
    order: str = "P1^PAS|F1^LAB",
    code: str = "FBC^Full blood count^LIMS",
) -> str:
    """Return a result message issued at ``issued`` under one OBR."""
    header = f"MSH|^~\\&|LIMS|RXX|TIE|RXX|{issued}||ORU^R01|{status}-{issued}|T|2.4"
    obr = f"OBR|1|{order}|{code}|||20250601080000|||||||||||||||{issued}||LAB|{status}"
    return "\r".join([header, pid, obr, *segments])


def visit(
    number: str = "V1",
    kind: str = "I",
    ward: str = "W1^B1^1",
    admitted: str = "20250601080000",
    ended: str = "",
    **fields: str,
) -> str:
    """Return a PV1; further fields by number (``f36="4"``)."""
    values = {
        2: kind,
        3: ward,
        19: f"{number}^^^RXX",
        44: admitted,
        45: ended,
        **{int(name[1:]): value for name, value in fields.items()},
    }
    return "PV1|1|" + "|".join(values.get(n, "") for n in range(2, 46))
