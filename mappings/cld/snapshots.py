"""Decides whether an event or a person that is missing from a later snapshot counts as gone.

Nothing is ever deleted in Client Level Data: the next snapshot simply does not have the event. A snapshot's silence
counts only if it is the latest submission of its period, was read whole, speaks of events of that type at all, its
period would hold the event, and it still has nearly everybody whom the snapshot that stated the event would have it
have, with events of that type, and these are many enough to tell. Nobody's care ends by the silence of a small return.
Councils send part of a return, leave one type out of it, and state a longer period than their data cover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache
from math import comb
from typing import NamedTuple

from mappings import Look, Row, Values
from mappings.cld.times import iso, month_end

SNAPSHOT = "Snapshot"
START, END, SUBMISSION = "Reporting Period Start Date", "Reporting Period End Date", "Submission"
TYPES, STATE, FULL, PARTIAL = "Event Types", "State", "full", "partial"
MONTHS, SAMPLE = "Months", "Sample"
"""Events by type and month of their end (``2025-06 Review 12``), and people by event type and the last day they are in
care or an event (``Service 1f3a9c02 2025-06-20``; the day is left out where care goes on)."""
SAMPLED = 1024
"""People whom a snapshot remembers of each event type: those with the lowest hashes, so that two snapshots remember the
same ones."""
LastDays = dict[str, dict[str, str]]
"""The last day in care or an event of each person, by hash, by event type."""
MISSING = 0.1
"""Share of the people who should be in a snapshot that it may lack (at least one of them) and still be believed."""
LOST, DOUBT = 0.2, 0.05
"""A return is believed where one that had lost this share of its people, at random, would look as complete as it does
with less than this chance: where 14 people should be in it and all are, or 22 and one is missing, 30 and two, 37 and
three. Of fewer people nobody can tell."""
MANY = 100
"""From so many events on, DHSC derives the period of a submission from them."""
LEAST_SHARE, OF_TYPES = 0.02, 0.75
"""DHSC: a month counts with this share of all events, and this share of the types that the submission has."""


class Evidence(Enum):
    """What the people of a return say of its being whole: it is, they are too few to tell, or it is a part."""

    WHOLE = 1
    FEW = 2
    PART = 3


@dataclass(frozen=True, order=True)
class Snapshot:
    """One submission for one reporting period. The order is DHSC's: the later period, then the later submission.

    ``start`` and ``end`` are the period as stated; ``months`` counts the events that ended, by type and month;
    ``people`` holds the sampled people of each event type, None where nothing was kept of them.
    """

    end: str
    start: str
    submission: int
    types: frozenset[str] = field(default=frozenset(), compare=False)
    full: bool = field(default=False, compare=False)
    months: tuple[tuple[str, str, int], ...] = field(default=(), compare=False)
    people: LastDays | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        return f"{self.start}/{self.end}/{self.submission}"

    @property
    def submitted(self) -> str:
        """The day on which it was submitted."""
        day = str(self.submission // 1000)
        return f"{day[:4]}-{day[4:6]}-{day[6:]}"

    @cached_property
    def covered(self) -> tuple[str, str]:
        """The first and last day that its events cover, within the period it states: DHSC's rule where there are many,
        else every month in which an event ended. The stated period where none did."""
        months = covered_months(self.months, self.submission)
        if not months:
            return self.start, self.end
        first, last = f"{months[0]}-01", month_end(months[-1])
        return max(self.start, first), min(self.end, last)

    @property
    def until(self) -> str:
        """The last day it can speak of."""
        return self.covered[1] if self._has_many else self.end

    @property
    def _has_many(self) -> bool:
        return sum(count for _, _, count in self.months) >= MANY

    def holds(self, kind: str, start: str, end: str) -> bool:
        """Whether this snapshot would have stated an event of these dates: a service that ran in its period, else one
        within it."""
        if not self.full or kind not in self.types:
            return False
        first, last = self.covered
        if kind == "Service":
            first, last = (first, last) if self._has_many else (self.start, self.end)
            return start <= last and (not end or end >= first)
        return first <= start and start <= (end or start) <= last

    def beside(self, earlier: Snapshot, kind: str) -> Evidence:
        """Whether it is whole: it has nearly everybody, with events of this type, whom ``earlier`` says that it should
        have, and they are many enough to tell."""
        return judged(self._expected(earlier, kind), (self.people or {}).get(kind, {}))

    def beside_all(self, earlier: Snapshot) -> Evidence:
        """Whether it has nearly everybody in each event type of which it should have somebody, and all these people
        together are many enough to tell, so that who is missing has left."""
        kinds = [kind for kind in earlier.people or () if self._expected(earlier, kind)]
        if not kinds or any(self.beside(earlier, kind) is Evidence.PART for kind in kinds):
            return Evidence.PART
        people = {person for kind in kinds for person in self._expected(earlier, kind)}
        present = {person for last_days in (self.people or {}).values() for person in last_days}
        return judged(people, present)

    def _expected(self, earlier: Snapshot, kind: str) -> list[str]:
        """The people of ``earlier`` who were in care or an event of this type within what this snapshot covers, as far
        as both remember them."""
        if self.people is None or earlier.people is None:
            return []
        remembered = self.people.get(kind, {})
        limit = max(remembered) if len(remembered) >= SAMPLED else "~"
        first, people = self.covered[0], earlier.people.get(kind, {})
        return [person for person, last in people.items() if person <= limit and (not last or last >= first)]


def judged(expected: Collection[str], present: Collection[str]) -> Evidence:
    """Return what is to be thought of a return by the people who should be in it and those who are.

    >>> judged("ab", "a").name, judged("abcdefghijklmn", "abcdefghijklmn").name, judged("abc", "a").name
    ('FEW', 'WHOLE', 'PART')
    """
    missing = sum(person not in present for person in expected)
    if missing == len(expected) or missing > max(1, int(MISSING * len(expected))):
        return Evidence.PART
    return Evidence.WHOLE if _chance(missing, len(expected)) < DOUBT else Evidence.FEW


@lru_cache(maxsize=1024)
def _chance(missing: int, expected: int) -> float:
    """Return how likely so few or fewer people are missing from a return that has lost a share ``LOST`` of them at
    random (the binomial distribution)."""
    return sum(comb(expected, lost) * LOST**lost * (1 - LOST) ** (expected - lost) for lost in range(missing + 1))


def covered_months(months: Iterable[tuple[str, str, int]], submission: int) -> list[str]:
    """Return the months (``2025-06``) that a submission's events cover, in order.

    Source: DataS-DHSC/ASC-CLD-LA-Dashboard, methodology 2 (reporting periods).
    """
    imported = f"{submission // 10**7:06d}"
    counted = [row for row in months if row[0].replace("-", "") < imported] or list(months)
    total, kinds = sum(count for _, _, count in counted), {kind for _, kind, _ in counted}
    sums: Counter[str] = Counter()
    seen: dict[str, set[str]] = {}
    for month, kind, count in counted:
        sums[month] += count
        seen.setdefault(month, set()).add(kind)
    if total < MANY:
        return sorted(sums)
    least = OF_TYPES * len(kinds)
    return sorted(month for month in sums if sums[month] >= LEAST_SHARE * total and len(seen[month]) >= least)


def of(row: Row) -> Snapshot:
    """Return the snapshot a kept row belongs to."""
    values = row.values
    types, state = frozenset(values[TYPES].split()), values[STATE]
    stated = Snapshot(iso(values[END], END), iso(values[START], START), int(values[SUBMISSION]), types, state == FULL)
    if SAMPLE not in values:
        return stated
    return Snapshot(*_name(stated), types, state == FULL, _months(values), _people(values))


def _name(snapshot: Snapshot) -> tuple[str, str, int]:
    return snapshot.end, snapshot.start, snapshot.submission


def _months(values: Values) -> tuple[tuple[str, str, int], ...]:
    rows = (entry.split() for entry in values[MONTHS].split(";") if entry)
    return tuple((month, kind, int(count)) for month, kind, count in rows)


def _people(values: Values) -> LastDays:
    people: LastDays = {}
    for entry in values[SAMPLE].split(";"):
        if entry:
            kind, person, *last = entry.split()
            people.setdefault(kind, {})[person] = "".join(last)
    return people


def known(look: Look) -> list[Snapshot]:
    """Return the council's snapshots that count: the latest submission of each period, oldest first."""
    latest: dict[tuple[str, str], Snapshot] = {}
    for snapshot in every(look).values():
        period = (snapshot.start, snapshot.end)
        if period not in latest or snapshot.submission > latest[period].submission:
            latest[period] = snapshot
    return sorted(latest.values())


def every(look: Look) -> dict[str, Snapshot]:
    """Return all snapshots of the council by their id.

    The files of one submission are one snapshot, which is whole only if every file was read whole.
    """
    return look.once(SNAPSHOT, lambda: _every(look))


def _every(look: Look) -> dict[str, Snapshot]:
    by_id: dict[str, Snapshot] = {}
    for snapshot in map(of, look.all(SNAPSHOT)):
        by_id[snapshot.id] = together(by_id[snapshot.id], snapshot) if snapshot.id in by_id else snapshot
    return by_id


def together(first: Snapshot, second: Snapshot) -> Snapshot:
    """Return two files of one submission as one snapshot."""
    return Snapshot(
        *_name(first),
        first.types | second.types,
        first.full and second.full,
        first.months + second.months,
        _people_together(first.people, second.people),
    )


def _people_together(first: LastDays | None, second: LastDays | None) -> LastDays | None:
    if first is None or second is None:
        return second if first is None else first
    people = {kind: dict(last_days) for kind, last_days in first.items()}
    for kind, last_days in second.items():
        for person, last in last_days.items():
            remember(people, kind, person, last)
    return {kind: _lowest(last_days) for kind, last_days in people.items()}


def remember(people: LastDays, kind: str, person: str, last: str) -> None:
    """Note a person's last day in care or an event of a type."""
    last_days = people.setdefault(kind, {})
    last_days[person] = latest_day(last_days[person], last) if person in last_days else last


def latest_day(first: str, second: str) -> str:
    """The later of two last days; care that goes on has none."""
    return max(first, second) if first and second else ""


def _lowest(people: dict[str, str]) -> dict[str, str]:
    return dict(sorted(people.items())[:SAMPLED])


def sampled(people: LastDays) -> str:
    """Return the column that remembers people, by event type and hash, with their last day."""
    return ";".join(
        f"{kind} {person} {last}".strip()
        for kind, last_days in sorted(people.items())
        for person, last in _lowest(last_days).items()
    )


def last(rows: Iterable[Row]) -> tuple[Snapshot, list[Row]]:
    """Return the last snapshot that has such rows, and its rows."""
    grouped: dict[Snapshot, list[Row]] = {}
    for row in rows:
        grouped.setdefault(of(row), []).append(row)
    latest = max(grouped)
    return latest, sorted(grouped[latest], key=lambda row: row.key)


def as_known(stated: Snapshot, look: Look) -> Snapshot:
    """Return the snapshot with what is known of it as a whole: a row of it knows only its name."""
    return every(look).get(stated.id, stated)


class Silence(NamedTuple):
    """The snapshots that should have stated something and do not, oldest first: those that are believed to be whole,
    and those of too few people to tell. By the second nothing ends; it is said that it is not reported."""

    whole: list[Snapshot]
    few: list[Snapshot]

    @property
    def since(self) -> str:
        """The last day that the first of them can speak of, "" for none."""
        return min([*self.whole, *self.few]).until if self.whole or self.few else ""


def silent(stated: Snapshot, kind: str, start: str, end: str, look: Look) -> Silence:
    """Return the snapshots after ``stated`` that should have stated the event and do not.

    What a part of a return leaves out is counted in the load report and not believed.
    """
    later = [
        snapshot
        for snapshot in known(look)
        if snapshot > stated and snapshot.until >= stated.until and snapshot.holds(kind, start, end)
    ]
    worth = [(snapshot, _beside(snapshot, stated, kind, look)) for snapshot in later]
    return believed(worth, look, "Event")


def without_person(stated: Snapshot, look: Look) -> Silence:
    """Return the snapshots after ``stated`` that no longer have a person whom it had."""
    later = [snapshot for snapshot in known(look) if snapshot > stated and snapshot.full]
    worth = [(snapshot, _beside(snapshot, stated, EVERYBODY, look)) for snapshot in later]
    return believed(worth, look, "Person")


EVERYBODY = ""
"""In place of an event type: the people of all types."""


def _beside(snapshot: Snapshot, earlier: Snapshot, kind: str, look: Look) -> Evidence:
    """Return what the people of a return say of its being whole, worked out once for all groups that ask it of the same
    two."""

    def judge() -> Evidence:
        return snapshot.beside_all(earlier) if kind == EVERYBODY else snapshot.beside(earlier, kind)

    return look.once(("beside", snapshot.id, earlier.id, kind), judge)


def believed(later: list[tuple[Snapshot, Evidence]], look: Look, what: str) -> Silence:
    """Return the silent snapshots by what they are worth, and count that some are not believed."""
    reasons = {
        Evidence.PART: "missing from a return that has too few of the people to be believed",
        Evidence.FEW: "missing from a return of too few people to tell whether it is whole",
    }
    for evidence, reason in reasons.items():
        if any(worth is evidence for _, worth in later):
            look.warn(what, reason)
    return Silence(*([snapshot for snapshot, worth in later if worth is of] for of in (Evidence.WHOLE, Evidence.FEW)))
