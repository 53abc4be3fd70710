"""How complete a record is: what each source contributed to each section, and what a reader must be told before
reading any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.nhs import access, kinds
from gateway.nhs.summary.record import LOCAL, Contribution, Record
from gateway.nhs.summary.sections.rows import shown_date
from gateway.nhs.summary.shown import TELL_WHERE, Section, has_gp
from gateway.nhs.summary.table import SECTIONS, SectionKind

MISMATCH = (
    "Another record has this NHS number and does not agree on who the person is. It is NOT shown. "
    "Check identity: it may hold allergies."
)
NOT_REGISTERED = (
    "No current registration with a practice is known. All medicines are those last known, not current ones."
)
TWO_PRACTICES = (
    "More than one practice holds a current registration. Medicines of each are shown as current: ask the patient."
)
NO_GP = "No GP record is part of this page. Ask the patient about allergies and medicines."
DEAD = "The GP practice has recorded that this person died. Only what your own organisation recorded is shown."
OWN_ONLY = "Only what your own organisation recorded is shown. Others may hold a record of this person."
"""Why nothing of others is shown is told of a confirmed death only. Which it is of the other causes (the patient's
choice, a number that nobody verified, the role) must not be read from the page."""
HOW_TO_READ = (
    "Hospital feeds carry no medicines and no immunisations; a council's return is as at the end of its quarter.",
    "Referrals, family history, findings without a value, and letters are not part of this summary, "
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
    """Source × section, in the words of ``CELLS``. "received" means that this source's own entries are there; the grid
    never says so for another's, and never says that nothing was received where something may be withheld."""
    by_id = {section.id: section for section in shown}
    return [
        Line(source.name, source.kind, _received(source), tuple(_cell(record, source, kind, by_id.get(kind.id)) for kind in GRID))
        for source in record.contributions
    ]  # fmt: skip


def notices(record: Record) -> list[str]:
    """What stands above everything: whose record is missing and why, withheld items, a mismatch, the registration,
    sources that have fallen silent."""
    said = [OWN_ONLY if record.died is None else DEAD] if record.own_only else []
    said += [words for words, is_so in ((access.WITHHELD, record.withheld), (MISMATCH, record.mismatch)) if is_so]
    if record.sections and not has_gp(record):
        said.append(NO_GP)
    if any(record.of("MedicationRequest", "MedicationStatement")):
        said += [NOT_REGISTERED] if not record.registered else [TWO_PRACTICES] if len(record.registered) > 1 else []
    stale = [source for source in record.contributions if is_stale(record, source)]
    return said + [
        f"{source.name} last sent data on {_received(source)}: anything later is not here." for source in stale
    ]


def is_stale(record: Record, source: Contribution) -> bool:
    """Whether a source has sent nothing for longer than its kind may be silent."""
    received = source.last_received
    return (
        received is not None
        and (record.today - received.astimezone(LOCAL).date()).days > kinds.of(source.kind).silent_days
    )


def named(record: Record, source: Contribution) -> str:
    """A source as an absence names it: one that has fallen silent with when it was last heard, for what it has not sent
    since is not nothing."""
    return f"{source.name} (last heard {_received(source)})" if is_stale(record, source) else source.name


def listed(names: Sequence[str]) -> str:
    """Names as a sentence says them.

    >>> listed(["A"]), listed(["A", "B", "C"])
    ('A', 'A, B or C')
    """
    return ", ".join(names[:-1]) + (" or " if len(names) > 1 else "") + names[-1]


CELLS = {
    "role": "not for your role",
    "scope": "not available to you",
    "closed": "not part of this page",
    "never": "does not send this",
    "stopped": "has stopped sending",
    "in transit": "in transit",
    "error": "error",
    "stale": "nothing new",
    "withheld": "entries withheld",
    "some": "received, some withheld",
    "may": "none shown",
    "holds": "received",
    "none": "nothing received",
}
"""THE TABLE of the grid's words. ``may``: something of this person is withheld, and which section it would stand in is
not told."""


def _cell(record: Record, source: Contribution, kind: SectionKind, section: Section | None) -> str:
    return CELLS[_state(record, source, kind, section)]


def _state(record: Record, source: Contribution, kind: SectionKind, section: Section | None) -> str:
    if kind.right not in record.sections:
        return "scope" if kind.right in record.out_of_scope else "role"
    holds = section is not None and source.name in section.sources
    if (kind.right, source.name) in record.withheld_items:
        return "some" if holds else "withheld"
    if kind.id not in kinds.of(source.kind).sections and not holds:
        return "never"
    if kind.right in source.closed:
        return "closed"
    if source.state in ("in transit", "error"):
        return source.state
    if source.state == "not contributed":
        return "stopped"
    if is_stale(record, source):
        return "stale"
    if holds:
        return "holds"
    return "may" if record.withheld and kind.right not in TELL_WHERE else "none"


def _received(source: Contribution) -> str:
    return shown_date(source.last_received.isoformat() if source.last_received else "")
