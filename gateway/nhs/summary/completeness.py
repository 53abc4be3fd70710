"""How complete a record is: what each source contributed to each section, and what a reader must be told before
reading any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.nhs import access, kinds
from gateway.nhs.summary.record import Contribution, Record
from gateway.nhs.summary.sections.rows import shown_date
from gateway.nhs.summary.shown import Section
from gateway.nhs.summary.table import SECTIONS, SectionKind

MISMATCH = "A possible mismatch is not shown: another record claims this person's NHS number. It is listed for review."
NOT_REGISTERED = (
    "No current registration with a practice is known. All medicines are those last known, not current ones."
)
TWO_PRACTICES = (
    "More than one practice holds a current registration. Medicines of each are shown as current: ask the patient."
)
HOW_TO_READ = (
    "“None held” is a source's silence and never a clinician's word. Hospital feeds carry no medicines and no "
    "immunisations; a council's return "
    "is as at the end of its quarter.",
    "Procedures, referrals, family history, findings without a value, and letters are not part of this summary, "
    "whether or not any are held.",
)
"""What stands with the grid: what its words mean, and what no section shows."""
GRID = tuple(kind for kind in SECTIONS if not kind.optional)


@dataclass(frozen=True, slots=True)
class Line:
    """One source in the grid: its state for each section of ``GRID``, in order."""

    name: str
    kind: str
    received: str
    cells: tuple[str, ...]


def completeness(record: Record, shown: Sequence[Section]) -> list[Line]:
    """Source × section: ok, none held, not contributed, not for your role, stale, in transit, error. "ok" means that
    this source's own entries are there; the grid never says so for another's."""
    by_id = {section.id: section for section in shown}
    return [
        Line(source.name, source.kind, _received(source), tuple(_cell(record, source, kind, by_id.get(kind.id)) for kind in GRID))
        for source in record.contributions
    ]  # fmt: skip


def notices(record: Record) -> list[str]:
    """What stands above everything: withheld items, a mismatch, the registration, sources that have fallen silent."""
    said = [words for words, is_so in ((access.WITHHELD, record.withheld), (MISMATCH, record.mismatch)) if is_so]
    if "medicines" in record.sections:
        said += [NOT_REGISTERED] if not record.registered else [TWO_PRACTICES] if len(record.registered) > 1 else []
    stale = [source for source in record.contributions if is_stale(record, source)]
    return said + [
        f"{source.name} last sent data on {_received(source)}: anything later is not here." for source in stale
    ]


def is_stale(record: Record, source: Contribution) -> bool:
    """Whether a source has sent nothing for longer than its kind may be silent."""
    received = source.last_received
    return received is not None and (record.now.date() - received.date()).days > kinds.of(source.kind).silent_days


def _cell(record: Record, source: Contribution, kind: SectionKind, section: Section | None) -> str:
    if kind.right not in record.sections:
        return "not for your role"
    holds = section is not None and source.name in section.sources
    contributes = kind.id in kinds.of(source.kind).sections and kind.right not in source.closed
    if (not contributes and not holds) or source.state == "not contributed":
        return "not contributed"
    if source.state in ("in transit", "error"):
        return source.state
    if is_stale(record, source):
        return "stale"
    return "ok" if holds else "none held"


def _received(source: Contribution) -> str:
    return shown_date(source.last_received.date().isoformat() if source.last_received else "")
