"""The patient banner, as every page and print says it (NHS common user interface: patient banner, and how dates, ages
and numbers are shown)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import identifiers, kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import months_before, shown_date

SEX = {"male": "Male", "female": "Female", "other": "Indeterminate"}
NAME_USES = ("official", "usual", "", "temp", "nickname", "anonymous", "maiden", "old")


@dataclass(frozen=True, slots=True)
class Banner:
    """Who this is, in words."""

    name: str
    born: str
    age: str
    sex: str
    number: str
    deceased: str


def banner(record: Record) -> Banner:
    """The banner's words, from the Patient that was asked for; a death, from whoever knows of it."""
    patient = record.patients[0].resource
    born, died = patient.get("birthDate", ""), _death(record)
    is_confirmed = died is not None and _confirms(died)
    until = died.resource.get("deceasedDateTime", "") if died and is_confirmed else record.now.date().isoformat()
    return Banner(
        name=_name(patient),
        born=shown_date(born),
        age=age(born, until[:10]),
        sex=SEX.get(patient.get("gender", ""), "Not known"),
        number=next(_numbers(record), "not known"),
        deceased=_deceased(died),
    )


def age(born: str, until: str) -> str:
    """An age as the NHS writes it, "" where either date is not exact.

    >>> age("2026-11-01", "2026-11-25"), age("2026-01-31", "2026-11-25")
    ('24d', '42w 4d')
    >>> age("2025-06-30", "2026-11-25"), age("2014-02-28", "2026-11-25")
    ('16m 26d', '12y 8m')
    >>> age("1948-09-12", "2026-09-11"), age("1948", "2026-09-11"), age("2026-11-25", "2026-11-24")
    ('77y', '', '')
    """
    if len(born) != 10 or len(until) != 10 or born > until:
        return ""
    start, end = date.fromisoformat(born), date.fromisoformat(until)
    days = (end - start).days
    months = (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)
    if days < 28:
        return f"{days}d"
    if months < 12:
        return f"{days // 7}w {days % 7}d"
    if months < 24:
        return f"{months}m {(end - date.fromisoformat(months_before(start, -months))).days}d"
    return f"{months // 12}y {months % 12}m" if months < 216 else f"{months // 12}y"


def _name(patient: dict[str, Any]) -> str:
    names = sorted(
        patient.get("name", ()),
        key=lambda name: NAME_USES.index(name.get("use", "")) if name.get("use", "") in NAME_USES else 2,
    )
    if not names:
        return "NAME NOT KNOWN"
    name = names[0]
    family, first_names, title = (
        name.get("family", "").upper(),
        " ".join(name.get("given", ())),
        " ".join(name.get("prefix", ())),
    )
    said = ", ".join(part for part in (family, first_names) if part) or name.get("text", "") or "NAME NOT KNOWN"
    return said + (f" ({title})" if title else "")


def _numbers(record: Record) -> Iterator[str]:
    """The NHS numbers that can be one, of the Patient asked for first."""
    for held in record.patients:
        for identifier in held.resource.get("identifier", ()):
            if identifier.get("system") == NHS_NUMBER and identifiers.is_valid(identifier.get("value", "")):
                yield identifiers.spaced(identifier["value"])


def _death(record: Record) -> Held | None:
    """Return the Patient that records the death. The GP's comes first, because only the GP confirms a death."""
    dead = (
        held
        for held in record.patients
        if held.resource.get("deceasedDateTime") or held.resource.get("deceasedBoolean") is True
    )
    return min(dead, key=lambda held: not _confirms(held), default=None)


def _deceased(died: Held | None) -> str:
    if died is None:
        return ""
    day = shown_date(died.resource.get("deceasedDateTime", ""))
    return day if _confirms(died) else f"reported by {died.publisher}, {day}; not confirmed"


def _confirms(held: Held) -> bool:
    """Whether a Patient's death is confirmed by who says so: the practices, which register patients."""
    return kinds.of(held.kind).registers
