"""Values shared by policy and store: a parsed search, the limits of a decision, and index entries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NewType

from msgspec import Struct

PatientKey = NewType("PatientKey", int)
"""The signed 64-bit hash of a Patient's id: what the store and every decision know a Patient by. An id is text only
where a client wrote it or reads it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One search parameter with its alternatives (OR). Clauses of a query all hold (AND).

    ``values`` by ``kind``: ``token`` → (system or None, code or None) where None means any and "" means no system;
    ``date`` → (prefix, low µs, high µs) of the UTC interval asked for, half-open; ``reference`` → (type, id);
    ``string`` → (folded text, text); ``id`` → the id; of other kinds as ``matching`` reads them. With the ``modifier``
    ``missing`` they are booleans. ``param`` is the name of the parameter (``code``, ``date``, ``_id``,
    ``_lastUpdated``).

    ``chain`` → (type led to, clause on it); ``has`` → (type that refers, its parameter, clause on it).
    """

    param: str
    kind: str
    values: tuple[Any, ...]
    modifier: str = ""


@dataclass(frozen=True, slots=True)
class Include:
    """One ``_include`` or ``_revinclude``: from ``type`` by ``param`` (``DiagnosticReport:result``), to ``target`` or
    to any. ``iterates``: also from what was included."""

    type: str
    param: str
    target: str = ""
    iterates: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search of one type.

    ``patients`` are the ids, as asked, of Patient resources named by ``patient``/``subject``/``_id`` on Patient;
    ``number`` is the value of a chained ``patient.identifier`` (or ``identifier`` on Patient with the NHS-number
    system).
    ``sort`` is ("date" | "_lastUpdated", descending), which the store keeps; ``order`` is any other order, by
    (parameter, descending), which is made in memory. ``parameters`` is the canonical list of what was asked, for the
    self link and for binding cursors; identifiers never go into links. ``ignored`` are the names that a lenient search
    left out.
    """

    type: str
    clauses: tuple[Clause, ...] = ()
    patients: tuple[str, ...] = ()
    number: str | None = None
    includes: tuple[Include, ...] = ()
    sort: tuple[str, bool] = ("_lastUpdated", True)
    count: int = 50
    cursor: str | None = None
    total: bool = False
    parameters: tuple[tuple[str, str], ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    revincludes: tuple[Include, ...] = ()
    ignored: tuple[str, ...] = ()
    listed: str | None = None
    """The id of the list (Group) of people whom the search is about, in the place of one person."""


@dataclass(frozen=True, slots=True)
class Allow:
    """One way a resource may be seen, over ``head`` columns only. None means any.

    A resource passes when its type is in ``types``, its publisher in ``publishers``, its kind in ``kinds``, and it has
    none of the label bits ``hidden``.
    """

    types: frozenset[str] | None = None
    publishers: frozenset[int] | None = None
    kinds: frozenset[str] | None = None
    hidden: int = 0


class Whose(Enum):
    """The values of ``Limits.patients`` that are not a set of Patients."""

    NOBODY = "about no patient"
    ANYBODY = "about any patient or none"


@dataclass(frozen=True, slots=True)
class Limits:
    """Conditions a decision adds to a query: the patient is one of ``patients`` and at least one ``allow`` lets it
    through. No ``allow``, nothing. ``history`` says which publishers' superseded versions may be seen (None: none).

    ``Whose.ANYBODY`` is for finding out who is asked about, never for answering.
    """

    allow: tuple[Allow, ...] = ()
    patients: frozenset[PatientKey] | Whose = Whose.NOBODY
    history: frozenset[int] | None = None


class Entries(Struct, frozen=True, gc=False):
    """What the store indexes of one resource version; hashes are signed 64-bit.

    ``patient`` is the id of the Patient it is about ("" for none; a Patient is about itself). ``low``/``high`` is the
    type's clinical date as a half-open interval in µs UTC (None: undated). ``tokens`` are (param number, hash);
    ``globals`` the same for parameters findable without a patient; ``words`` (param number, folded text); ``dates``
    (param number, low, high) of second dates.
    """

    patient: str = ""
    low: int | None = None
    high: int | None = None
    tokens: tuple[tuple[int, int], ...] = ()
    globals: tuple[tuple[int, int], ...] = ()
    words: tuple[tuple[int, str], ...] = ()
    dates: tuple[tuple[int, int, int], ...] = ()
