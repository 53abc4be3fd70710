"""THE TABLE of a summary's sections. Which rows a section has is decided in ``nhs.summary.sections``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.nhs import kinds
from gateway.nhs.summary.record import Record
from gateway.nhs.summary.sections.allergies import allergies, past_allergies
from gateway.nhs.summary.sections.encounters import ENCOUNTER_MONTHS, encounters
from gateway.nhs.summary.sections.immunisations import immunisations
from gateway.nhs.summary.sections.medicines import (
    ACUTE_MONTHS,
    DISCONTINUED_MONTHS,
    acute_medicines,
    discontinued_medicines,
    repeat_medicines,
)
from gateway.nhs.summary.sections.problems import active_problems, other_diagnoses, past_problems
from gateway.nhs.summary.sections.results import MOST_RESULTS, results
from gateway.nhs.summary.sections.rows import Row
from gateway.nhs.summary.sections.social_care import social_care


@dataclass(frozen=True, slots=True)
class SectionKind:
    """One row of the table: a section, its LOINC code and UK Core heading, the role's right that opens it and what its
    columns are called. ``kinds`` says which sources could hold it. ``months`` is its period, stated in the title;
    ``most`` bounds its rows; ``optional``: shown only when it holds something."""

    id: str
    title: str
    loinc: str
    heading: str
    right: str
    columns: tuple[str, str, str]
    select: Callable[[Record], list[Row]] = field(hash=False)
    months: int = 0
    most: int | None = None
    optional: bool = False


SECTIONS = (
    SectionKind("allergies", "Allergies and adverse reactions", "48765-2", "allergies-and-adverse-reaction", "allergies",
         ("Date", "Allergy or adverse reaction", "Reaction and certainty"), allergies),
    SectionKind("allergies-past", "Allergies resolved or refuted", "48765-2", "allergies-and-adverse-reaction", "allergies",
         ("Date", "No longer held to be an allergy", "More"), past_allergies, optional=True),
    SectionKind("acute", "Acute medicines", "10160-0", "acute-medication", "medicines",
         ("Issued", "Medicine", "Dosage and quantity"), acute_medicines, months=ACUTE_MONTHS),
    SectionKind("repeat", "Current repeat medicines", "10160-0", "repeat-medication", "medicines",
         ("Started", "Medicine", "Dosage, quantity and last issue"), repeat_medicines),
    SectionKind("discontinued", "Discontinued repeat medicines", "10160-0", "discontinued-repeat-medication", "medicines",
         ("Ended", "Medicine", "Dosage, quantity and last issue"), discontinued_medicines, months=DISCONTINUED_MONTHS),
    SectionKind("problems", "Problems and diagnoses", "11450-4", "problems-and-issues", "problems",
         ("Date", "Problem", "More"), active_problems),
    SectionKind("problems-past", "Past problems, and those ruled out", "11348-0", "problems-and-issues", "problems",
         ("Date", "Problem", "More"), past_problems, optional=True),
    SectionKind("diagnoses", "Diagnoses recorded in consultations, not on the problem list", "11348-0", "diagnoses", "problems",
         ("Date", "Diagnosis", "More"), other_diagnoses, most=60, optional=True),
    SectionKind("results", "Results and measurements", "30954-2", "investigation-results", "results",
         ("Taken", "Test", "Result and range"), results, most=MOST_RESULTS),
    SectionKind("immunisations", "Immunisations", "11369-6", "immunisations", "immunisations",
         ("Date", "Vaccine", "More"), immunisations),
    SectionKind("encounters", "Encounters", "46240-8", "", "encounters",
         ("Began", "Contact", "More"), encounters, months=ENCOUNTER_MONTHS, most=60),
    SectionKind("social-care", "Social care", "29762-2", "social-circumstances", kinds.SOCIAL_CARE,
         ("Date", "Service, assessment or circumstance", "More"), social_care),
)  # fmt: skip
"""THE TABLE, in the order shown. Allergies and medicines have no ``most``: none of them is ever cut off."""
