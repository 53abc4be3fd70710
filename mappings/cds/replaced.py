"""Bulk replacement: a later extract of a group, sender, recipient and period takes back every record of it that it
lacks, whatever arrives first."""

from __future__ import annotations

from mappings import Group, Look, Row
from mappings.cds.record import BULK, REPLACEMENT, short
from mappings.cds.values import LINE_BITS, day


def standing(group: Group, name: str, look: Look) -> list[Row]:
    """Return the rows of a table that are neither deleted nor replaced."""
    return [row for row in group.of(name) if stands(row, look)]


def stands(row: Row, look: Look) -> bool:
    """Whether no later bulk extract took a record back. A record of net change is only deleted by name."""
    if row.values["Protocol"] != BULK:
        return True
    return not any(replaces(later, row) for later in believed(look))


def believed(look: Look) -> list[Row]:
    """Return the replacements whose files were read whole."""
    every = look.once(REPLACEMENT, lambda: look.all(REPLACEMENT))
    partial = {row.key.rpartition("|")[0] for row in every if row.values["State"] == "part"}
    return [row for row in every if row.key.rpartition("|")[0] not in partial]


def replaces(later: Row, row: Row) -> bool:
    """Whether a replacement speaks of a record that it does not have."""
    values = later.values
    same = (values["BulkGroup"], values["Sender"], values["Recipient"]) == (
        row.values["BulkGroup"].strip(),
        short(row.values["Sender"]),
        short(row.values["Recipient"]),
    )
    active = day(row.values, "ActivityDate")
    is_later = int(values["Extract"]) > row.order >> LINE_BITS
    return same and is_later and values["PeriodStart"] <= active <= values["PeriodEnd"]
