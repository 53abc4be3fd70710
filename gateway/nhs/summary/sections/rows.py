"""One line of a section, and the words a resource is read in: what it is called, when it was, and what is not known of
it."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from gateway.fhir.codes import DMD, SNOMED
from gateway.nhs.summary.record import LOCAL, Held

DMD_ALSO = "http://dmd.nhs.uk"
NAMELESS = "no name in the data received"
NOT_CHECKED = "not checked by decision support"
ESTIMATED_URL = "urn:nhs-record-gateway:estimated"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DATES = (
    "effectiveDateTime",
    "occurrenceDateTime",
    "performedDateTime",
    "onsetDateTime",
    "authoredOn",
    "recordedDate",
    "issued",
    "dateAsserted",
)
PERIODS = ("effectivePeriod", "onsetPeriod", "period", "executionPeriod", "performedPeriod")
DEGRADED = frozenset(
    {
        "196461000000101",
        "196471000000108",
        "196421000000109",
        "196451000000104",
        "196431000000106",
        "196441000000102",
        "196411000000103",
    }
)
"""The NHS transfer-degraded concepts: they say that a code was lost on the way, and nothing else."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what, when (``at`` as sent, ``when`` as shown), more, who recorded it (several, of one shown once),
    and what the reader must know of it. ``references`` are the resources behind it. ``level`` is how deep it stands
    under a line above it, of which it is a part; ``heads``: the deeper lines after it are its parts."""

    title: str
    at: str
    when: str
    detail: str
    sources: tuple[str, ...]
    kind: str
    references: tuple[str, ...]
    flags: tuple[str, ...] = ()
    level: int = 0
    heads: bool = False

    @property
    def source(self) -> str:
        return ", ".join(self.sources)


def row(
    held: Held, title: str, at: str, details: Iterable[str] = (), flags: Iterable[str] = (), *, timed: bool = False
) -> Row:
    """A line of a resource; empty details and flags are left out."""
    shown = shown_time(at) if timed else shown_date(at)
    return Row(
        title or NAMELESS, at, shown, " · ".join(words for words in details if words), (held.publisher,), held.kind, (held.reference,),
        tuple(words for words in flags if words),
    )  # fmt: skip


def unworded(held: Held) -> Row:
    """A line that no bound leaves room for: whose it is, and nothing more."""
    return Row("", "", "", "", (held.publisher,), held.kind, (held.reference,))


def newest(rows: Iterable[Row]) -> list[Row]:
    """The lines, newest first; those without a date last, those of one time by title."""
    by_title = sorted(rows, key=lambda line: (line.title, line.references))
    return sorted(by_title, key=lambda line: order(line.at), reverse=True)


def text(concept: dict[str, Any] | None, nameless: str = "") -> str:
    """What the clinician saw: the text, else a display, else the code as a code. A placeholder for a lost code is no
    name.

    >>> text({"coding": [{"system": "urn:x", "code": "14L1."}]})
    'code 14L1.'
    """
    if not concept:
        return nameless
    codings = [coding for coding in concept.get("coding", ()) if coding.get("code") not in DEGRADED]
    displays = (coding["display"] for coding in codings if coding.get("display"))
    named: str = concept.get("text") or next(displays, "")
    return named or next((f"code {coding['code']}" for coding in codings if coding.get("code")), nameless)


def codes(concept: dict[str, Any] | None, *systems: str) -> set[str]:
    """The codes of a concept, of some systems or of all."""
    codings = concept.get("coding", ()) if concept else ()
    return {coding.get("code", "") for coding in codings if not systems or coding.get("system") in systems}


def is_checkable(concept: dict[str, Any] | None) -> bool:
    """Whether decision support could have known the code: SNOMED CT or dm+d, and not a placeholder for a lost one."""
    return bool(codes(concept, SNOMED, DMD, DMD_ALSO) - DEGRADED)


def notes(resource: dict[str, Any]) -> str:
    """The notes of a resource, in its author's words."""
    words = "; ".join(note["text"] for note in resource.get("note", ()) if note.get("text"))
    return f"Note: {words}" if words else ""


def is_error(resource: dict[str, Any]) -> bool:
    """Whether the resource says of itself that it is an error."""
    if "entered-in-error" in (resource.get("status"), resource.get("docStatus")):
        return True
    return "verificationStatus" in resource and "entered-in-error" in codes(resource["verificationStatus"])


def clinical_status(resource: dict[str, Any]) -> str:
    """The clinical status' code, or ""."""
    return next(iter(codes(resource.get("clinicalStatus"))), "")


def extension(element: dict[str, Any], url: str) -> dict[str, Any]:
    """An element's extension by its URL, or {}."""
    return next((item for item in element.get("extension", ()) if item.get("url") == url), {})


def began(resource: dict[str, Any]) -> str:
    """When a problem or an allergy began, or else when it was recorded: which of them, in words.

    >>> began({"recordedDate": "2024-03"}), began({})
    ('Recorded Mar-2024', 'date unknown')
    """
    at = when(resource)
    if not at:
        return shown_date("")
    is_onset = "onsetDateTime" in resource or "onsetPeriod" in resource
    return f"{'Began' if is_onset else 'Recorded'} {shown_date(at)}"


def is_estimated(period: dict[str, Any]) -> bool:
    """Whether a period's end is an estimate of the mapping's, not the source's word."""
    return bool(extension(period.get("_end", {}), ESTIMATED_URL))


def when(resource: dict[str, Any]) -> str:
    """The clinical date of a resource in the precision it was sent, or ""."""
    for name in DATES:
        if date := resource.get(name):
            return str(date)
    for name in PERIODS:
        if name in resource and (start := resource[name].get("start")):
            return str(start)
    return ""


@lru_cache(maxsize=4096)
def local(value: str) -> str:
    """A date as it is; a time by the reader's clock, whatever zone it was sent in. What cannot be read stays as sent.

    >>> local("2026-07-01T13:45:00Z"), local("2026-06-30T23:30:00+00:00"), local("2026-07")
    ('2026-07-01T14:45:00', '2026-07-01T00:30:00', '2026-07')
    """
    moment = _moment(value)
    return moment.astimezone(LOCAL).replace(tzinfo=None).isoformat() if moment else value


@lru_cache(maxsize=4096)
def order(value: str) -> str:
    """What dates are put in order by: the local day, and within it the instant. A day, month or year alone comes before
    every time within it, and no date before all.

    >>> sorted(["2026-07-01T14:30:00+01:00", "2026-07-01T13:45:00Z", "2026-07-01", "2026-07", ""], key=order)
    ['', '2026-07', '2026-07-01', '2026-07-01T14:30:00+01:00', '2026-07-01T13:45:00Z']
    """
    moment = _moment(value)
    return f"{moment.astimezone(LOCAL).date()}T{moment.isoformat(timespec='microseconds')}" if moment else value


def day(value: str) -> str:
    """The day of a date or time by the reader's clock, or the month or year alone."""
    return local(value)[:10]


def _moment(value: str) -> datetime | None:
    """The instant of a time (UTC), None for a date and for what is no time. One without a zone is the reader's."""
    if "T" not in value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def shown_date(value: str) -> str:
    """A date as the NHS writes it, in the precision it has; of a time, the day by the reader's clock.

    >>> shown_date("2024-03-11"), shown_date("2024-03"), shown_date("1998"), shown_date("")
    ('11-Mar-2024', 'Mar-2024', '1998', 'date unknown')
    """
    if not value:
        return "date unknown"
    year, *rest = day(value).split("-")
    return "-".join([*reversed(rest[1:]), *(MONTHS[int(month) - 1] for month in rest[:1]), year])


def shown_time(value: str) -> str:
    """The same with the time of day, where it has one, by the reader's clock.

    >>> shown_time("2024-03-11T09:05:00+00:00"), shown_time("2024-07-11T09:05:00Z"), shown_time("2024-03")
    ('11-Mar-2024 09:05', '11-Jul-2024 10:05', 'Mar-2024')
    """
    return f"{shown_date(value)} {local(value)[11:16]}" if "T" in value else shown_date(value)


def months_before(day: date, months: int) -> str:
    """The same day some months earlier, or that month's last.

    >>> months_before(date(2026, 3, 31), 1), months_before(date(2026, 1, 5), 12)
    ('2026-02-28', '2025-01-05')
    """
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1])).isoformat()


def is_before(value: str, since: str) -> bool:
    """Whether a date is surely before a day: one without a date, or of a month or year that could hold the day, is not.

    >>> is_before("2025-11", "2025-11-20"), is_before("2025-10", "2025-11-20"), is_before("", "2025-11-20")
    (False, True, False)
    """
    known = day(value)
    return bool(known) and known < since[: len(known)]
