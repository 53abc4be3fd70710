"""Bulk replacement: a later extract of a group, sender, recipient and period takes back every record of it that it
lacks, whatever arrives first."""

from __future__ import annotations

from mappings import Group, Look, Row
from mappings.cds.record import BULK, short, table_of
from mappings.cds.values import LINE_BITS, day


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
