"""The sections of one record as shown: their rows, or the words of their absence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gateway.nhs import access, kinds
from gateway.nhs.summary.record import Record
from gateway.nhs.summary.sections.allergies import nil
from gateway.nhs.summary.sections.rows import Row, months_before, shown_date
from gateway.nhs.summary.table import SECTIONS, SectionKind

NIL_KNOWN = "Nil known: recorded by a clinician, and nothing to the contrary is held."
NIL_IN_PART = (
    "No allergy of the kinds named below is known: recorded by a clinician. Nothing is recorded of other kinds."
)
NIL_IN_WORDS = "The entries below say in words that none is known. They are not coded: confirm with the patient."
NOTHING_RECORDED = "Nothing recorded in the data received. This is not a statement that there is none."
NOT_AVAILABLE = "Not available: no source that could hold this has contributed."
"""The reasons why a section is empty, kept apart: a clinician recorded that there is none, nothing was recorded, no
record is held, or the caller has no right."""
ABSENCES = {
    "nilknown": NIL_KNOWN, "nil-in-part": NIL_IN_PART, "nil-in-words": NIL_IN_WORDS, "no-content-recorded": NOTHING_RECORDED,
    "unavailable": NOT_AVAILABLE, "withheld": access.NOT_YOUR_ROLE,
}  # fmt: skip
CONTRIBUTES = frozenset({"ok", "none held"})


@dataclass(frozen=True, slots=True)
class Section:
    """One section as shown: its rows, or the words of its absence and their ``reason`` (a key of ``ABSENCES``).
    ``more``: rows beyond the most shown exist; ``sources`` are those of all rows, shown or not."""

    kind: SectionKind
    title: str
    rows: tuple[Row, ...] = ()
    reason: str = ""
    more: bool = False
    sources: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return self.kind.id

    @property
    def absence(self) -> str:
        return ABSENCES.get(self.reason, "")


def sections(record: Record) -> list[Section]:
    """The sections of a record, with their rows or the words of their absence."""
    shown = (_section(kind, record) for kind in SECTIONS)
    return [section for section in shown if section.rows or not section.kind.optional]


def _section(kind: SectionKind, record: Record) -> Section:
    title = kind.title + (f" ({_period(record.now.date(), kind.months)})" if kind.months else "")
    if kind.right not in record.sections:
        return Section(kind, title, reason="withheld")
    rows = kind.select(record)
    if not rows:
        contributes = any(
            kind.id in kinds.of(source.kind).sections
            and source.state in CONTRIBUTES
            and kind.right not in source.closed
            for source in record.contributions
        )
        return Section(kind, title, reason="no-content-recorded" if contributes else "unavailable")
    sources = frozenset(name for row in rows for name in row.sources)
    reason = _nil(record, rows) if kind.id == "allergies" else ""
    has_more = kind.most is not None and len(rows) > kind.most
    return Section(kind, title, tuple(rows[: kind.most]), reason, has_more, sources)


def _period(today: date, months: int) -> str:
    return f"{months} months from {shown_date(months_before(today, months))} to {shown_date(today.isoformat())}"


def _nil(record: Record, rows: Sequence[Row]) -> str:
    """Whether all that is held of allergies is that there is none: of all kinds, of some, or in words only."""
    nils = {nil(record.by_reference[row.references[0]].resource) for row in rows}
    if "" in nils:
        return ""
    return "nilknown" if "all" in nils else "nil-in-part" if "part" in nils else "nil-in-words"
