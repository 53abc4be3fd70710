"""Bulk replacement: a later extract of a group, sender, recipient and period takes back every record of it that it
lacks, whatever arrives first."""

from __future__ import annotations

from collections.abc import Iterator

from mappings import Group, Look, Reject, Row, Values
from mappings.cds.record import BULK, short
from mappings.cds.values import LINE_BITS, day, month_of

REPLACEMENT = "Replacement"


class Replacements:
    """What the bulk records of a file replace. A file of which a record cannot be read replaces nothing: what it lacks
    may be that record."""

    def __init__(self) -> None:
        self._stated: dict[tuple[str, str], Row] = {}
        self._is_whole = True

    def see(self, item: Row | Reject) -> None:
        """Take in a row or reject of the file."""
        if isinstance(item, Reject):
            self._is_whole = False
        elif item.values["Protocol"] == BULK:
            stated = replacement(item)
            self._stated.setdefault((stated.publisher, stated.key), stated)

    def rows(self) -> Iterator[Row]:
        """Yield a row for each replacement and month of its period, to be looked up by the records of that month."""
        state = "whole" if self._is_whole else "part"
        for stated in self._stated.values():
            values = Values({**stated.values, "State": state})
            for name in tables(stated.values["PeriodStart"], stated.values["PeriodEnd"]):
                yield Row(name, f"{stated.key}|{state}", stated.publisher, stated.order, values, aside=True)


def table_of(active: str) -> str:
    """Return the table of replacements that may speak of a day: those of one month stand together, so that a new one
    touches the records of its own period alone.

    >>> table_of("2024-03-11")
    'Replacement 2024-03'
    """
    return f"{REPLACEMENT} {active[:7]}"


def tables(start: str, end: str) -> list[str]:
    """Return the tables of the months of a period.

    >>> tables("2023-12-01", "2024-01-31")
    ['Replacement 2023-12', 'Replacement 2024-01']
    """
    first, last = month_of(start), month_of(end)
    return [table_of(f"{number // 12:04}-{number % 12 + 1:02}") for number in range(first, last + 1)]


def replacement(item: Row) -> Row:
    """Return the replacement that a bulk record belongs to: group, sender, recipient, period and time of extract."""
    group, sender, recipient = about(item)
    parts = Values(
        BulkGroup=group,
        Sender=sender,
        Recipient=recipient,
        PeriodStart=day(item.values, "PeriodStart"),
        PeriodEnd=day(item.values, "PeriodEnd"),
        Extract=str(item.order >> LINE_BITS),
    )
    order = item.order >> LINE_BITS << LINE_BITS
    return Row(REPLACEMENT, "|".join(parts.values()), item.publisher, order, parts)


def standing(group: Group, name: str, look: Look) -> list[Row]:
    """Return the rows of a table that are neither deleted nor replaced."""
    return [row for row in group.of(name) if stands(row, look)]


def stands(row: Row, look: Look) -> bool:
    """Whether no later bulk extract took a record back. A record of net change is only deleted by name."""
    if row.values["Protocol"] != BULK:
        return True
    name = table_of(day(row.values, "ActivityDate"))
    same = look.once(name, lambda: believed(look.all(name))).get(about(row), ())
    return not any(replaces(later, row) for later in same)


About = tuple[str, str, str]
"""Replacement group, sender and prime recipient."""


def believed(every: list[Row]) -> dict[About, list[Row]]:
    """Return the replacements whose files were read whole, by what they are about."""
    partial = {row.key.rpartition("|")[0] for row in every if row.values["State"] == "part"}
    by_subject: dict[About, list[Row]] = {}
    for row in every:
        if row.key.rpartition("|")[0] not in partial:
            by_subject.setdefault(about(row), []).append(row)
    return by_subject


def about(row: Row) -> About:
    values = row.values
    return values["BulkGroup"].strip(), short(values["Sender"]), short(values["Recipient"])


def replaces(later: Row, row: Row) -> bool:
    """Whether a replacement speaks of a record of its own kind that it does not have."""
    is_later = int(later.values["Extract"]) > row.order >> LINE_BITS
    active = day(row.values, "ActivityDate")
    return is_later and bool(later.values["PeriodStart"] <= active <= later.values["PeriodEnd"])
