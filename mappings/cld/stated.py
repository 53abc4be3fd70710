"""What was last stated of the events of a group: which lines are one event, which of them counts, who is silent since.

An event is DHSC's unique event. The group has its council, person, type, start, client type and route of access,
assessment type or service; here the end tells requests, assessments and reviews apart, and the delivery mechanism, unit
cost, cost frequency and planned units tell services of one submission apart.
Source: DataS-DHSC/ASC-CLD-LA-Dashboard, methodology 6 (deduplication).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import Invalid
from mappings import Group, Look, Row, Values
from mappings.cld import codes, snapshots
from mappings.cld.read import service_name
from mappings.cld.snapshots import Silence, Snapshot
from mappings.cld.times import day_before, iso

START, END, CLIENT = "Event Start Date", "Event End Date", "Client Type"
SERVICE_USER = codes.word(CLIENT, "Service user")
ERROR_AFTER = 2
"""Full snapshots in a row without an event before it counts as entered in error."""
TOLD_APART = ("Delivery Mechanism", "Unit Cost", "Cost Frequency (Unit Type)", "Planned units per week")
SIDE = frozenset({"Provider CQC Location Name", "Provider CQC Location ID", "Event Reference"})
"""What may differ between lines of one event without one of them being lost: each provider is shown, and no
reference."""


@dataclass(frozen=True)
class Stated:
    """An event as it was last stated, and the snapshots that have been silent since. ``restarted`` is the start of the
    same service that the first silent snapshot has in its place, "" for none: a return of few people proves that."""

    key: str
    kind: str
    values: Values
    lines: list[Row]
    start: str
    end: str
    snapshot: Snapshot
    silent: Silence
    restarted: str = ""

    @property
    def is_error(self) -> bool:
        return len(self.silent.whole) >= ERROR_AFTER

    @property
    def is_gone(self) -> bool:
        """Whether a service ended by silence: by that of a return believed to be whole, or because it began anew."""
        return bool(self.silent.whole or self.restarted)

    @property
    def is_over(self) -> bool:
        """Whether it had ended by the end of the period it was stated for."""
        return bool(self.end) and self.end <= self.snapshot.until

    @property
    def estimated_end(self) -> str:
        """The last day, for all we know, of a service that is not reported any more: the day before it began anew, else
        the last day of the period that had it."""
        end = day_before(self.restarted) if self.restarted else self.snapshot.until
        return max(end, self.start)


def events(group: Group, look: Look) -> list[Stated]:
    """Return the events of a group. Lines that are not shown are counted in the load report. Raises ``Invalid`` for
    dates that are none."""
    rows = group.of("Event")
    if not rows:
        return []
    key = group.key.removeprefix("event:")
    kind = codes.event_type(rows[0].values["Event Type"])
    parts = services if kind == "Service" else by_end
    return [
        _stated(f"{key}|{client}", name, kind, lines, look)
        for client, of_client in by_client_type(rows)
        for name, lines in parts(of_client)
    ]


def by_client_type(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return the events that the client type tells apart, each by the word of the first that was stated, and its rows.

    The client type is part of DHSC's key, but an empty one is not known, and no other: councils fill it in later. So a
    submission that leaves it out speaks of the event that other submissions name; of two, of the service user's.
    """
    types: dict[str, list[Row]] = {}
    for row in rows:
        types.setdefault(codes.word(CLIENT, row.values[CLIENT]), []).append(row)
    named = sorted((word for word in types if word), key=lambda word: (word != SERVICE_USER, word))
    if "" in types and named:
        named_in = {snapshots.of(row) for word in named for row in types[word]}
        unsaid = types.pop("")
        apart = [row for row in unsaid if snapshots.of(row) in named_in]
        types[named[0]] += [row for row in unsaid if snapshots.of(row) not in named_in]
        if apart:
            return [*((word, types[word]) for word in named), ("", apart)]
    return [(_first_word(types[word]), types[word]) for word in named or types]


def _first_word(rows: list[Row]) -> str:
    first = min(rows, key=lambda row: (snapshots.of(row), not row.values[CLIENT], row.key))
    return codes.word(CLIENT, first.values[CLIENT])


def services(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return the services that the last snapshot tells apart, each by the end of its key and its lines. What tells them
    apart changes between submissions, so only the last one counts."""
    parts: dict[tuple[str, ...], list[Row]] = {}
    for row in snapshots.last(rows)[1]:
        parts.setdefault(tuple(codes.word(column, row.values[column]) for column in TOLD_APART), []).append(row)
    names: dict[str, int] = {}
    named = []
    for number, part in enumerate(sorted(parts)):
        names[part[0]] = names.get(part[0], 0) + 1
        named.append((f"|{part[0]}|{names[part[0]]}" if number else "", parts[part]))
    return named


def by_end(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return the requests, assessments or reviews that their ends tell apart. The first that was stated has the key of
    the group. One without an end is the same as one that a later snapshot has in its place."""
    ends: dict[str, list[Row]] = {}
    for row in rows:
        ends.setdefault(iso(row.values[END], END), []).append(row)
    latest = snapshots.last(rows)[0]
    if "" in ends and len(ends) > 1 and snapshots.last(ends[""])[0] < latest:
        del ends[""]
    order = sorted(ends, key=lambda end: (min(map(snapshots.of, ends[end])), end))
    return [(f"|{end or 'open'}" if number else "", ends[end]) for number, end in enumerate(order)]


def _stated(key: str, name: str, kind: str, rows: list[Row], look: Look) -> Stated:
    stated_in, lines = snapshots.last(rows)
    snapshot = snapshots.as_known(stated_in, look)
    values = min(lines, key=preferred).values
    start, end = iso(values[START], START), iso(values[END], END)
    if end and end < start:
        raise Invalid(f"column {END}")
    count_left_out(values, lines, look)
    for column, text in codes.unlisted(values):
        look.unlisted("Event", column, text)
    silent = snapshots.silent(snapshot, kind, start, end, look)
    in_order = sorted([*silent.whole, *silent.few])
    restarted = restart(values, start, in_order, look) if kind == "Service" else ""
    return Stated(key + name, kind, values, lines, start, end, snapshot, silent, restarted)


def preferred(row: Row) -> tuple[bool, int, int, str]:
    """Sort lines of one event by which of them counts: the open one, the latest end, DHSC's hierarchy of outcomes."""
    end = iso(row.values[END], END)
    ranks = codes.outcome_ranks()
    rank = ranks.get(codes.clean("Event Outcome", row.values["Event Outcome"]), len(ranks))
    return (bool(end), -int(end.replace("-", "") or 0), rank, row.key)


def count_left_out(values: Values, lines: list[Row], look: Look) -> None:
    """Count the lines of an event that say something which the line that counts does not."""
    shown = _content(values)
    for row in lines:
        if _content(row.values) != shown:
            look.warn("Event", "another line of the same event is not shown")


def _content(values: Values) -> dict[str, str]:
    return {column: text for column, text in values.items() if column not in SIDE}


def restart(values: Values, start: str, silent: Iterable[Snapshot], look: Look) -> str:
    """Return when the same service of the same person began anew in the first silent snapshot: councils set start dates
    to the beginning of the financial year."""
    for snapshot in silent:
        row = look.row("Start", f"{service_name(values)}|{snapshot.id}")
        starts = row.values["Starts"].split() if row else []
        return min((other for other in starts if other > start), default="")
    return ""
