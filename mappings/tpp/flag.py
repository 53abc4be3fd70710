"""Safeguarding and special notes to Flag. Safeguarding is restricted whatever a unit's settings say."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.values import is_true
from mappings.tpp.delivery import extracted
from mappings.tpp.entry import name, recorder, security, subject
from mappings.tpp.lists import word
from mappings.tpp.tables import CHILD, NOTE, PERSON
from mappings.tpp.times import day
from mappings.vocabulary import UK_CORE

SAFEGUARDING = {"text": "Safeguarding"}


def to_child(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Flag of a child at risk."""
    row = next(iter(group.of(CHILD)), None)
    if row is None:
        return []
    has_plan = is_true(row.values["ChildProtectionPlan"].strip())
    text = "On a child protection plan" if has_plan else "Child at risk"
    return [flag(row, SAFEGUARDING, text, ("DateAdded", "DateRemoved"), ("R",), look)]


def to_person(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Flag of an adult at risk."""
    row = next(iter(group.of(PERSON)), None)
    if row is None:
        return []
    text = "On a protection plan" if is_true(row.values["ProtectionPlan"].strip()) else "Person at risk"
    why = word(row, "ReasonForPlan", look)
    return [flag(row, SAFEGUARDING, f"{text}: {why}" if why else text, ("DateAdded", "DateRemoved"), ("R",), look)]


def to_note(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Flag of a special note, in its own words; none for one that was taken back."""
    row = next(iter(group.of(NOTE)), None)
    if row is None or row.values["DateDeleted"].strip():
        return []
    text = row.values["Note"].strip() or "Special note without words"
    kind = {"text": word(row, "Type", look) or "Special note"}
    return [flag(row, kind, text, ("DateStart", "DateExpired"), security(row), look)]


def flag(
    row: Row, category: dict[str, Any], text: str, dates: tuple[str, str], labels: tuple[str, ...], look: Look
) -> dict[str, Any]:
    """Return a Flag from the day of its first date to that of its second; inactive once that day has passed."""
    start, end = (day(row.values, column) for column in dates)
    return resource(
        "Flag",
        look.id("Flag", name(row)),
        UK_CORE + "UKCore-Flag",
        labels,
        status="inactive" if end and end <= extracted(row.order) else "active",
        category=[category],
        code={"text": text},
        subject=subject(row, look),
        period={"start": start, "end": end},
        author=recorder(row.values, look),
    )
