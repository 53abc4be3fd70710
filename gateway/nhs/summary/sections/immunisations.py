"""Immunisations: vaccines given, and those not given as just that."""

from __future__ import annotations

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import Row, is_error, newest, row, text, when

NOT_GIVEN = "NOT GIVEN"


def immunisations(record: Record) -> list[Row]:
    """Every immunisation that is no error; declined, contraindicated or not done is never shown as given."""
    return newest(_immunisation(held) for held in record.of("Immunization") if not is_error(held.resource))


def _immunisation(held: Held) -> Row:
    resource = held.resource
    is_given = resource.get("status") == "completed"
    title, reason = text(resource.get("vaccineCode")), "" if is_given else text(resource.get("statusReason"))
    reported = "reported, not given by this source" if is_given and resource.get("primarySource") is False else ""
    lot = f"batch {resource['lotNumber']}" if resource.get("lotNumber") else ""
    return row(
        held, title, when(resource), (reason if reason != title else "", lot), ("" if is_given else NOT_GIVEN, reported)
    )
