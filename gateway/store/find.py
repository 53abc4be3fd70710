"""Finding resources: a query narrowed by limits, one keyset page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.fhir import params, token_index
from gateway.fhir.codes import token_hash
from gateway.fhir.plan import narrowed
from gateway.fhir.search import Allow, Clause, Limits, Query, Whose
from gateway.store import limits as within
from gateway.store.hashes import id_hash
from gateway.store.numbers import KIND_NUMBER, TYPE_NUMBER, UNDATED
from gateway.store.resources import STORED, Stored, stored
from gateway.store.session import Session

ANYBODY = Limits((Allow(),), Whose.ANYBODY)
"""Limits without a restriction: for finding the person a request is about, never for an answer."""


@dataclass
class _Where:
    """SQL conditions and their parameters, collected in the same order."""

    session: Session
    sql: list[str]
    parameters: list[Any]

    def add(self, sql: str, *parameters: object) -> None:
        self.sql.append(sql)
        self.parameters += parameters

    def within(self, column: str, values: Sequence[object]) -> None:
        self.add(self.session.within(column), self.session.listed(values))


@dataclass(frozen=True, slots=True)
class Sifted:
    """Of a batch of resources: the keys of all, those that may match, and where the batch ended."""

    keys: list[int]
    stored: list[Stored]
    last: tuple[int, int] | None


def find(session: Session, query: Query, limits: Limits, after: tuple[int, int] | None = None) -> list[Stored]:
    """The current resources that the indexed clauses of a query match within limits, in its order: at most ``count`` +
    1, so that the caller knows whether more follow. What no index answers is left to the caller.

    ``after`` is the (sort value, key) of the last one seen.
    """
    return [stored(row) for row in _rows(session, STORED, query, limits, after)]


def sifted(
    session: Session, query: Query, limits: Limits, after: tuple[int, int] | None, may_match: Callable[[bytes], bool]
) -> Sifted:
    """The same, of which only those whose bytes may match are read whole: most of a person's resources are passed
    over."""
    rows = _rows(session, f"h.key, {_order(query)[0]}, v.body", query, limits, after)
    kept = [key for key, _, body in rows if may_match(body)]
    sql = f"SELECT {STORED} FROM head h JOIN version v ON v.key = h.body WHERE {session.within('h.key')}"
    by_key = {row[0]: stored(row) for row in session.rows(sql, session.listed(kept))} if kept else {}
    last = (rows[-1][1], rows[-1][0]) if rows else None
    return Sifted([row[0] for row in rows], [by_key[key] for key in kept], last)


def _rows(
    session: Session, columns: str, query: Query, limits: Limits, after: tuple[int, int] | None
) -> list[tuple[Any, ...]]:
    where = _conditions(session, query, limits)
    if where is None:
        return []
    column, descending = _order(query)
    if after is not None:
        sign = "<" if descending else ">"
        where.add(f"({column} {sign} ? OR ({column} = ? AND h.key {sign} ?))", after[0], after[0], after[1])
    direction = "DESC" if descending else "ASC"
    sql = (
        f"SELECT {columns} FROM head h JOIN version v ON v.key = h.body WHERE "
        f"{' AND '.join(where.sql)} "
        f"ORDER BY {column} {direction}, h.key {direction} LIMIT ?"
    )
    return session.rows(sql, *where.parameters, query.count + 1)


def candidates(session: Session, query: Query, publishers: Sequence[int]) -> list[Stored]:
    """Return the Patients that a query matches, of any publisher, if one of ``publishers`` holds a Patient of the same
    person. At most as many as ``find`` returns."""
    where = _conditions(session, query, ANYBODY)
    if where is None:
        return []
    where.add(
        "EXISTS (SELECT 1 FROM person a JOIN person b ON b.person = a.person JOIN head q ON q.patient = b.patient "
        f"WHERE a.patient = h.patient AND q.type = ? AND q.deleted = 0 AND {session.within('q.publisher')})",
        TYPE_NUMBER["Patient"], session.listed(publishers),
    )  # fmt: skip
    sql = (
        f"SELECT {STORED} FROM head h JOIN version v ON v.key = h.body WHERE "
        f"{' AND '.join(where.sql)} ORDER BY h.key LIMIT ?"
    )
    return [stored(row) for row in session.rows(sql, *where.parameters, query.count + 1)]


def count(session: Session, query: Query, limits: Limits) -> int:
    """How many resources the indexed clauses of a query match within limits."""
    where = _conditions(session, query, limits)
    return (
        session.value(f"SELECT count(*) FROM head h WHERE {' AND '.join(where.sql)}", *where.parameters) if where else 0
    )


def position(query: Query, last: Stored) -> tuple[int, int]:
    """Return the sort value and key at which a page ending with ``last`` stopped."""
    return (last.low if query.sort[0] == "date" else last.updated, last.key)


def _order(query: Query) -> tuple[str, bool]:
    return ("h.low" if query.sort[0] == "date" else "h.updated"), query.sort[1]


def _conditions(session: Session, query: Query, limits: Limits) -> _Where | None:
    sql, parameters = within.condition(session, within.of_type(limits, query.type))
    if sql == within.NOTHING:
        return None
    where = _Where(session, [sql], parameters)
    where.add("h.type = ?", TYPE_NUMBER[query.type])
    where.add("h.deleted = 0")
    for clause in narrowed(query).clauses:
        _clause(where, query.type, clause)
    return where


def _clause(where: _Where, resource_type: str, clause: Clause) -> None:
    match clause.kind:
        case "id":
            where.within("h.id_hash", [id_hash(value) for value in clause.values])
            where.within("h.id", clause.values)
        case "date":
            _dates(where, resource_type, clause)
        case "string":
            _words(where, resource_type, clause)
        case _:
            _hashes(where, resource_type, clause)


def _hashes(where: _Where, resource_type: str, clause: Clause) -> None:
    row = params.row(resource_type, clause.param)
    values = sorted(set(token_index.asked(clause)))
    if row.is_global:
        where.add("h.key IN (SELECT e.head FROM entry_global e WHERE e.param = ? AND " + where.session.within("e.value") + ")",
                  row.number, where.session.listed(values))  # fmt: skip
    else:
        where.add("EXISTS (SELECT 1 FROM entry e WHERE e.patient = h.patient AND e.param = ? AND " + where.session.within("e.value")
                  + " AND e.head = h.key)", row.number, where.session.listed(values))  # fmt: skip


def _words(where: _Where, resource_type: str, clause: Clause) -> None:
    row = params.row(resource_type, clause.param)
    ways: list[str] = []
    parameters: list[object] = []
    for text, _ in clause.values:
        is_whole = clause.modifier == "exact"
        ways.append("w.word = ?" if is_whole else "(w.word >= ? AND w.word < ?)")
        parameters += [text] if is_whole else [text, text + "\U0010ffff"]
    where.add(
        f"h.key IN (SELECT w.head FROM word w WHERE w.param = ? AND ({' OR '.join(ways)}))", row.number, *parameters
    )


def _dates(where: _Where, resource_type: str, clause: Clause) -> None:
    low, high, extra = "h.low", "h.high", ""
    parameters: list[int] = []
    if clause.param == "_lastUpdated":
        _updated(where, clause)
        return
    if not (row := params.row(resource_type, clause.param)).is_main_date(resource_type):
        low, high, parameters = "d.low", "d.high", [row.number]
        extra = "EXISTS (SELECT 1 FROM second_date d WHERE d.head = h.key AND d.param = ? AND "
    ways = []
    for prefix, start, end in clause.values:
        text, bounds = _compare(prefix, low, high, start, end)
        ways.append(text)
        parameters += bounds
    where.add(f"{extra}({' OR '.join(ways)}){')' if extra else ''}", *parameters)


def _updated(where: _Where, clause: Clause) -> None:
    """A commit is served as a moment of a millisecond, and found as that interval. So bounds are whole milliseconds,
    and the interval lies before, in or after what is asked for."""
    ways, parameters = [], []
    for prefix, start, end in clause.values:
        low, high = start // 1000 * 1000, -(-end // 1000) * 1000
        text, bounds = _moments(prefix, low, high)
        ways.append(text)
        parameters += bounds
    where.add(f"({' OR '.join(ways)})", *parameters)


def was_updated(updated: int, prefix: str, start: int, end: int) -> bool:
    """Whether a commit was at the time asked for: the same as the condition in SQL."""
    low, high = start // 1000 * 1000, -(-end // 1000) * 1000
    match prefix:
        case "eq" | "ap":
            return low <= updated < high
        case "ne":
            return not low <= updated < high
        case "gt" | "sa":
            return updated >= high
        case "ge":
            return updated >= low
        case "le":
            return updated < high
    return updated < low


def _moments(prefix: str, low: int, high: int) -> tuple[str, list[int]]:
    match prefix:
        case "eq" | "ap":
            return "(h.updated >= ? AND h.updated < ?)", [low, high]
        case "ne":
            return "(h.updated < ? OR h.updated >= ?)", [low, high]
        case "gt" | "sa":
            return "(h.updated >= ?)", [high]
        case "ge":
            return "(h.updated >= ?)", [low]
        case "lt" | "eb":
            return "(h.updated < ?)", [low]
        case "le":
            return "(h.updated < ?)", [high]
    raise ValueError(prefix)


def _compare(prefix: str, low: str, high: str, start: int, end: int) -> tuple[str, list[int]]:
    """R4's prefixes over half-open intervals (search §3.1.1.4.3). ``ap`` comes as an already widened interval.

    ``ge`` and ``le`` are the letter of R4: the range beyond the value is touched, or the value contains the whole. So
    what straddles the value on the other side is not found by either.
    """
    match prefix:
        case "eq":
            return f"({low} >= ? AND {high} <= ?)", [start, end]
        case "ap":
            return f"({low} < ? AND {high} > ?)", [end, start]
        case "ne":
            return f"({low} > ? AND ({low} < ? OR {high} > ?))", [UNDATED, start, end]
        case "gt":
            return f"({high} > ?)", [end]
        case "ge":
            return f"({high} > ? OR ({low} >= ? AND {high} <= ?))", [end, start, end]
        case "lt":
            return f"({low} < ? AND {low} > ?)", [start, UNDATED]
        case "le":
            return f"({low} > ? AND ({low} < ? OR ({low} >= ? AND {high} <= ?)))", [UNDATED, start, start, end]
        case "sa":
            return f"({low} >= ?)", [end]
        case "eb":
            return f"({high} <= ? AND {high} > ?)", [start, UNDATED]
    raise ValueError(prefix)


def with_status(
    session: Session, patients: Sequence[int], resource_type: str, statuses: Sequence[str], kinds: Sequence[str]
) -> set[int]:
    """Those of the patients who have a current resource of a type in one of these statuses, of publishers of these
    kinds."""
    sql = (
        "SELECT DISTINCT h.patient FROM entry e JOIN head h ON h.key = e.head "
        f"WHERE {session.within('e.patient')} AND e.param = ? AND {session.within('e.value')} "
        f"AND h.type = ? AND h.deleted = 0 AND {session.within('h.kind')}"
    )
    rows = session.rows(
        sql,
        session.listed(patients),
        params.row(resource_type, "status").number,
        session.listed([token_hash(None, status) for status in statuses]),
        TYPE_NUMBER[resource_type],
        session.listed([KIND_NUMBER[kind] for kind in kinds]),
    )
    return {row[0] for row in rows}
