"""The sections of one record as shown: their rows, or the words of their absence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.nhs import kinds
from gateway.nhs.summary.absences import ABSENCES, PARTLY_IN_SCOPE
from gateway.nhs.summary.record import Record
from gateway.nhs.summary.sections.allergies import nil
from gateway.nhs.summary.sections.rows import Row, months_before, shown_date
from gateway.nhs.summary.table import SECTIONS, SectionKind

CONTRIBUTES = frozenset({"ok", "none held"})
NO_GP_ROWS = "No GP record is part of this page: entries known to the practice are not here."


@dataclass(frozen=True, slots=True)
class Section:
    """One section as shown: its rows, or the words of its absence and their ``reason`` (a key of ``ABSENCES``).
    ``notes`` are sentences above the rows. ``more``: rows beyond the most shown exist; ``sources`` are those of all
    rows, shown or not."""

    kind: SectionKind
    title: str
    rows: tuple[Row, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()
    more: bool = False
    sources: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return self.kind.id

    @property
    def short_title(self) -> str:
        """The title without its period, for links."""
        return self.title.partition(" (")[0]

    @property
    def absence(self) -> str:
        return ABSENCES[self.reason].said(self.kind.right) if self.reason else ""


def sections(record: Record) -> list[Section]:
    """The sections of a record, with their rows or the words of their absence."""
    shown = (_section(kind, record) for kind in SECTIONS)
    return [section for section in shown if section.rows or not section.kind.optional]


def has_gp(record: Record) -> bool:
    """Whether a publisher that registers patients contributes to what this caller sees."""
    return any(kinds.of(source.kind).registers and source.state in CONTRIBUTES for source in record.contributions)


def is_item_withheld(record: Record, right: str) -> bool:
    """Whether an allergy or a medicine is withheld by its own flag, for a section of this right."""
    return any(right == withheld for withheld, _ in record.withheld_items)


def _section(kind: SectionKind, record: Record) -> Section:
    title = _title(kind, record)
    if kind.right not in record.sections:
        return Section(kind, title, reason="scope" if kind.right in record.out_of_scope else "role")
    rows = kind.select(record)
    shown = tuple(row for row in rows[: kind.most] if row.title)
    sources = frozenset(name for row in rows for name in row.sources)
    reason = _reason(kind, record, shown)
    return Section(kind, title, shown, reason, tuple(_notes(kind, record, shown)), len(shown) < len(rows), sources)


def _title(kind: SectionKind, record: Record) -> str:
    title = kind.title
    if kind.last_known and record.registered.isdisjoint(_current_authors(record)):
        title = kind.last_known
    return title + (f" ({_period(record.today, kind.months)})" if kind.months else "")


def _current_authors(record: Record) -> set[str]:
    """The codes of the practices that contribute: their medicines are current where the patient is registered."""
    return {source.ods for source in record.contributions if kinds.of(source.kind).registers}


def _period(today: date, months: int) -> str:
    return f"{months} months from {shown_date(months_before(today, months))} to {shown_date(today.isoformat())}"


def _reason(kind: SectionKind, record: Record, rows: Sequence[Row]) -> str:
    """Why there is nothing to show, or for allergies that what is shown says so. An entry that is withheld outweighs
    every other reason: nobody may read its section as empty."""
    if is_item_withheld(record, kind.right) and not kind.optional:
        return "withheld" if not rows or kind.id == "allergies" else ""
    if rows:
        return _nil(record, rows) if kind.id == "allergies" else ""
    if not _has_contributor(kind, record):
        return "closed" if any(kind.right in source.closed for source in record.contributions) else "unavailable"
    tells_where = kind.right in TELL_WHERE
    return "withheld" if record.withheld and not tells_where else "no-content-recorded"


TELL_WHERE = frozenset({"allergies", "medicines"})
"""The rights whose sections tell of an item that is withheld; so where they say nothing, none of theirs is."""


def _has_contributor(kind: SectionKind, record: Record) -> bool:
    """Whether a source that an absence may be read from contributes. What a GP record could hold is unavailable
    without one, whatever else contributes."""
    sources = [
        source
        for source in record.contributions
        if kind.id in kinds.of(source.kind).sections and source.state in CONTRIBUTES and kind.right not in source.closed
    ]
    return any(not _is_of_gp(kind) or kinds.of(source.kind).registers for source in sources)


def _is_of_gp(kind: SectionKind) -> bool:
    """Whether a kind of publisher that registers patients could hold the section."""
    return any(kind.id in publisher.sections for publisher in kinds.ROWS if publisher.registers)


def _notes(kind: SectionKind, record: Record, rows: Sequence[Row]) -> Iterator[str]:
    """The sentences that stand above a section's rows, or beside its absence."""
    if kind.right in record.partly_in_scope:
        yield PARTLY_IN_SCOPE
    if rows and is_item_withheld(record, kind.right) and not kind.optional and kind.id != "allergies":
        yield ABSENCES["withheld"].said(kind.right)
    if rows and not kind.optional and _is_of_gp(kind) and not has_gp(record):
        yield NO_GP_ROWS
    if kind.caution or (rows and kind.note):
        yield kind.caution or kind.note
    if rows and kind.says:
        yield from kind.says(record)


def _nil(record: Record, rows: Sequence[Row]) -> str:
    """Whether all that is held of allergies is that there is none, of all kinds, of some, or in words only; or that it
    could not be ascertained."""
    nils = {nil(record.by_reference[row.references[0]].resource) for row in rows}
    if "" in nils:
        return ""
    reasons = {
        "all": "nilknown", "words": "nil-in-words", "part": "nil-in-part", "part-words": "nil-in-part-words",
        "unascertained": "not-ascertained",
    }  # fmt: skip
    return next(reason for sense, reason in reasons.items() if sense in nils)
