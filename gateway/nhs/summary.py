"""THE TABLE of a summary's sections, and the words of their absence. Which rows a section has is decided in
``nhs.sections``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from gateway.nhs import access
from gateway.nhs.record import Record
from gateway.nhs.sections.allergies import allergies, nil, past_allergies
from gateway.nhs.sections.encounters import ENCOUNTER_MONTHS, encounters
from gateway.nhs.sections.immunisations import immunisations
from gateway.nhs.sections.medicines import (
    ACUTE_MONTHS,
    DISCONTINUED_MONTHS,
    acute_medicines,
    discontinued_medicines,
    repeat_medicines,
)
from gateway.nhs.sections.problems import active_problems, other_diagnoses, past_problems
from gateway.nhs.sections.results import MOST_RESULTS, results
from gateway.nhs.sections.rows import Row, months_before, shown_date
from gateway.nhs.sections.social_care import social_care

NIL_KNOWN = "Nil known: recorded by a clinician, and nothing to the contrary is held."
NIL_IN_PART = (
    "No allergy of the kinds named below is known: recorded by a clinician. Nothing is recorded of other kinds."
)
NIL_IN_WORDS = "The entries below say in words that none is known. They are not coded: confirm with the patient."
NOTHING_RECORDED = "Nothing recorded in the data received. This is not a statement that there is none."
NOT_AVAILABLE = "Not available: no source that could hold this has contributed."
"""The absences. They are never confused: a clinician's word, an empty record, no record, no right."""
ABSENCES = {
    "nilknown": NIL_KNOWN, "nil-in-part": NIL_IN_PART, "nil-in-words": NIL_IN_WORDS, "no-content-recorded": NOTHING_RECORDED,
    "unavailable": NOT_AVAILABLE, "withheld": access.NOT_YOUR_ROLE,
}  # fmt: skip
CONTRIBUTES = frozenset({"ok", "none held"})

GP, CLINICAL, COUNCIL = frozenset({"gp"}), frozenset({"gp", "hospital"}), frozenset({"social-care"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: a section, its LOINC code and UK Core heading, the role's right that opens it, the kinds
    of source that could hold it, and what its columns are called. ``months`` is its period, stated in the title;
    ``most`` bounds its rows; ``optional``: shown only when it holds something."""

    id: str
    title: str
    loinc: str
    heading: str
    right: str
    kinds: frozenset[str]
    columns: tuple[str, str, str]
    select: Callable[[Record], list[Row]] = field(hash=False)
    months: int = 0
    most: int | None = None
    optional: bool = False


SECTIONS = (
    Kind("allergies", "Allergies and adverse reactions", "48765-2", "allergies-and-adverse-reaction", "allergies", CLINICAL,
         ("Date", "Allergy or adverse reaction", "Reaction and certainty"), allergies),
    Kind("allergies-past", "Allergies resolved or refuted", "48765-2", "allergies-and-adverse-reaction", "allergies", CLINICAL,
         ("Date", "No longer held to be an allergy", "More"), past_allergies, optional=True),
    Kind("acute", "Acute medicines", "10160-0", "acute-medication", "medicines", GP,
         ("Issued", "Medicine", "Dosage and quantity"), acute_medicines, months=ACUTE_MONTHS),
    Kind("repeat", "Current repeat medicines", "10160-0", "repeat-medication", "medicines", GP,
         ("Started", "Medicine", "Dosage, quantity and last issue"), repeat_medicines),
    Kind("discontinued", "Discontinued repeat medicines", "10160-0", "discontinued-repeat-medication", "medicines", GP,
         ("Ended", "Medicine", "Dosage, quantity and last issue"), discontinued_medicines, months=DISCONTINUED_MONTHS),
    Kind("problems", "Problems and diagnoses", "11450-4", "problems-and-issues", "problems", CLINICAL,
         ("Date", "Problem", "More"), active_problems),
    Kind("problems-past", "Past problems, and those ruled out", "11348-0", "problems-and-issues", "problems", CLINICAL,
         ("Date", "Problem", "More"), past_problems, optional=True),
    Kind("diagnoses", "Diagnoses recorded in consultations, not on the problem list", "11348-0", "diagnoses", "problems", CLINICAL,
         ("Date", "Diagnosis", "More"), other_diagnoses, most=60, optional=True),
    Kind("results", "Results and measurements", "30954-2", "investigation-results", "results", CLINICAL,
         ("Taken", "Test", "Result and range"), results, most=MOST_RESULTS),
    Kind("immunisations", "Immunisations", "11369-6", "immunisations", "immunisations", GP,
         ("Date", "Vaccine", "More"), immunisations),
    Kind("encounters", "Encounters", "46240-8", "", "encounters", CLINICAL,
         ("Began", "Contact", "More"), encounters, months=ENCOUNTER_MONTHS, most=60),
    Kind("social-care", "Social care", "29762-2", "social-circumstances", "social-care", COUNCIL,
         ("Date", "Service, assessment or circumstance", "More"), social_care),
)  # fmt: skip
"""THE TABLE, in the order shown. Hospital feeds carry no medicines and no immunisations: they are no source for those,
whatever is empty. Allergies and medicines have no ``most``: none of them is ever cut off."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section as shown: its rows, or the words of its absence and their ``reason`` (a key of ``ABSENCES``).
    ``more``: rows beyond the most shown exist; ``sources`` are those of all rows, shown or not."""

    kind: Kind
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
    made = (_section(kind, record) for kind in SECTIONS)
    return [each for each in made if each.rows or not each.kind.optional]


def _section(kind: Kind, record: Record) -> Section:
    title = kind.title + (f" ({_period(record.now.date(), kind.months)})" if kind.months else "")
    if kind.right not in record.sections:
        return Section(kind, title, reason="withheld")
    rows = kind.select(record)
    if not rows:
        contributes = any(each.kind in kind.kinds and each.state in CONTRIBUTES for each in record.contributions)
        return Section(kind, title, reason="no-content-recorded" if contributes else "unavailable")
    sources = frozenset(name for row in rows for name in row.sources)
    reason = _nil(record, rows) if kind.id == "allergies" else ""
    return Section(
        kind, title, tuple(rows[: kind.most]), reason, kind.most is not None and len(rows) > kind.most, sources
    )


def _period(today: date, months: int) -> str:
    return f"{months} months from {shown_date(months_before(today, months))} to {shown_date(today.isoformat())}"


def _nil(record: Record, rows: Sequence[Row]) -> str:
    """Whether all that is held of allergies is that there is none: of all kinds, of some, or in words only."""
    said = {nil(record.by_reference[row.references[0]].resource) for row in rows}
    if "" in said:
        return ""
    return "nilknown" if "all" in said else "nil-in-part" if "part" in said else "nil-in-words"
