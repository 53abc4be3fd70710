"""The index entries of current versions: written with a version, struck off with it, and written again from its bytes
when another plan of the index reads other elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.fhir import build, index
from gateway.store import columns
from gateway.store.numbers import UNDATED
from gateway.store.session import Session

_ENTRY = columns.ENTRY.only("patient param value head")
_ENTRY_GLOBAL = columns.ENTRY_GLOBAL.only("param value head")
_WORD = columns.WORD.only("param word head")
_SECOND_DATE = columns.SECOND_DATE.only("head param low high")
_CURRENT = columns.HEAD.only("key patient low high", of="h") + ", " + columns.VERSION.only("body", of="v")


class Indexed(Protocol):
    """What is found of one resource, as ``fhir.index`` reads it."""

    @property
    def tokens(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def globals(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def words(self) -> tuple[tuple[int, str], ...]: ...
    @property
    def dates(self) -> tuple[tuple[int, int, int], ...]: ...


class Index:
    """Gathers the entries of a batch, to write each table once and in order."""

    __slots__ = ("entries", "globals", "words", "dates")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, int, int]] = []
        self.globals: list[tuple[int, int, int]] = []
        self.words: list[tuple[int, str, int]] = []
        self.dates: list[tuple[int, int, int, int]] = []

    def add(self, key: int, patient: int, indexed: Indexed) -> None:
        """Add the entries of the resource whose head has this key."""
        self.entries += [(patient, param, value, key) for param, value in indexed.tokens]
        if indexed.globals:
            self.globals += [(param, value, key) for param, value in indexed.globals]
        if indexed.words:
            self.words += [(param, word[:255], key) for param, word in indexed.words]
        if indexed.dates:
            self.dates += [(key, param, low, high) for param, low, high in indexed.dates]

    def write(self, session: Session) -> None:
        """Write what was gathered."""
        session.insert("entry", _ENTRY, sorted(set(self.entries)))
        session.insert("entry_global", _ENTRY_GLOBAL, sorted(set(self.globals)))
        session.insert("word", _WORD, sorted(set(self.words)))
        session.insert("second_date", _SECOND_DATE, sorted(set(self.dates)))


def strike(session: Session, heads: Sequence[tuple[int, int]]) -> None:
    """Strike off the entries of these heads, each given as (patient, key)."""
    by_patient: dict[int, list[int]] = {}
    for patient, key in heads:
        by_patient.setdefault(patient, []).append(key)
    for patient, keys in by_patient.items():
        session.run(f"DELETE FROM entry WHERE patient = ? AND {session.within('head')}", patient, session.listed(keys))
    listed = session.listed([key for _, key in heads])
    for table in ("entry_global", "word", "second_date"):
        session.run(f"DELETE FROM {table} WHERE {session.within('head')}", listed)


def rewrite(session: Session, groups: Sequence[int]) -> None:
    """Write the entries, words and dates of what these groups make again, from the bytes in the store.

    No version is made, and ``updated`` stays. A group at fault is included, because what it made last is still shown.
    A version written in this transaction has its entries already.
    """
    sql = (
        f"SELECT {_CURRENT} FROM head h JOIN version v ON v.key = h.body "
        f"WHERE {session.within('h.grp')} AND h.deleted = 0 AND h.commit_seq <> ?"
    )
    heads: list[tuple[int, int]] = []
    dated: list[tuple[int, int, int]] = []
    entries = Index()
    for key, patient, low, high, body in session.rows(sql, session.listed(groups), session.commit_seq):
        indexed = index.entries(build.decode(body))
        heads.append((patient, key))
        entries.add(key, patient, indexed)
        main = (_or_undated(indexed.low), _or_undated(indexed.high))
        if main != (low, high):
            dated.append((*main, key))
    if heads:
        strike(session, heads)
        entries.write(session)
        session.many("UPDATE head SET low = ?, high = ? WHERE key = ?", dated)


def _or_undated(moment: int | None) -> int:
    return UNDATED if moment is None else moment
