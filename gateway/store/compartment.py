"""What the store holds of one person, of all types at once, in the order of its pages: Patients, then all else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.fhir.portion import LASTING, Portion
from gateway.fhir.search import Limits
from gateway.store import limits as within
from gateway.store.numbers import TYPE_NUMBER, UNDATED
from gateway.store.resources import STORED, Stored, stored
from gateway.store.session import Session

PATIENT, OTHER, DIRECTORY = range(3)
"""The parts of a person's record, in the order of its pages."""
_PART = f"CASE WHEN h.type = {TYPE_NUMBER['Patient']} THEN {PATIENT} ELSE {OTHER} END"

BATCH_BYTES, BATCH_ROWS = 8 * 1024 * 1024, 1000
"""What is read at once at most; a resource that alone is larger is read alone."""


@dataclass(frozen=True, slots=True)
class Held:
    """A current resource that is not read yet: its key, its part of the record, and the bytes of its body."""

    key: int
    part: int
    size: int


def held(
    session: Session, limits: Limits, portion: Portion, after: tuple[int, int] | None = None, most: int | None = None
) -> list[Held]:
    """The current resources within limits that a portion has, at most ``most``, after the (part, key) of the last one
    seen. A Patient has no clinical date that ``start`` and ``end`` could speak of."""
    sql, values = within.condition(session, limits)
    if sql == within.NOTHING:
        return []
    parts, parameters = [sql, "h.deleted = 0"], [*values]
    for condition, bound in _conditions(session, portion):
        parts.append(condition)
        parameters += bound
    if after is not None:
        parts.append(f"({_PART} > ? OR ({_PART} = ? AND h.key > ?))")
        parameters += [after[0], after[0], after[1]]
    end = "" if most is None else " LIMIT ?"
    rows = session.rows(
        f"SELECT h.key, {_PART}, length(v.body) FROM head h JOIN version v ON v.key = h.body "
        f"WHERE {' AND '.join(parts)} ORDER BY {_PART}, h.key{end}",
        *parameters, *([] if most is None else [most]),
    )  # fmt: skip
    return [Held(*row) for row in rows]


def read(session: Session, wanted: Sequence[Held]) -> Iterator[Stored]:
    """The resources in the order in which they are wanted, of which only some megabytes are in memory at once: a record
    may hold hundreds of letters."""
    for batch in _batches(wanted):
        rows = session.rows(
            f"SELECT {STORED} FROM head h JOIN version v ON v.key = h.body WHERE {session.within('h.key')}",
            session.listed([item.key for item in batch]),
        )
        by_key = {row[0]: row for row in rows}
        yield from (stored(by_key[item.key]) for item in batch)


def _batches(wanted: Sequence[Held]) -> Iterator[list[Held]]:
    batch: list[Held] = []
    size = 0
    for item in wanted:
        if batch and (size + item.size > BATCH_BYTES or len(batch) == BATCH_ROWS):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch


def position(last: Stored) -> tuple[int, int]:
    """The (part, key) of a resource of the person."""
    return (PATIENT if last.type == "Patient" else OTHER), last.key


def _conditions(session: Session, portion: Portion) -> list[tuple[str, list[Any]]]:
    conditions: list[tuple[str, list[Any]]] = []
    if portion.types is not None:
        numbers = sorted(TYPE_NUMBER[name] for name in portion.types)
        conditions.append((session.within("h.type"), [session.listed(numbers)]))
    if portion.since is not None:
        conditions.append(("h.updated >= ?", [portion.since]))
    if portion.start is not None:
        lasting = session.listed(sorted(TYPE_NUMBER[name] for name in LASTING | {"Patient"}))
        conditions.append(
            (f"(h.low = ? OR h.high > ? OR {session.within('h.type')})", [UNDATED, portion.start, lasting])
        )
    if portion.end is not None:
        conditions.append(("(h.low < ? OR h.type = ?)", [portion.end, TYPE_NUMBER["Patient"]]))
    return conditions
