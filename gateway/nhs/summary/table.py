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
from gateway.nhs.summary.sections.problems import active_problems, other_diagnoses, past_problems, visit_diagnoses
from gateway.nhs.summary.sections.procedures import procedures
from gateway.nhs.summary.sections.results import NOTE as FLAGS_ARE_THE_SENDERS
from gateway.nhs.summary.sections.results import results
from gateway.nhs.summary.sections.rows import Row
from gateway.nhs.summary.sections.social_care import as_at_notes, social_care


@dataclass(frozen=True, slots=True)
class SectionKind:
    """One row of the table: a section, its LOINC code and UK Core heading, the role's right that opens it and what its
    columns are called. ``kinds`` says which sources could hold it. ``months`` is its period, stated in the title;
    ``most`` bounds its rows; ``optional``: shown only when it holds something. ``last_known`` is its title where no
    practice of a current registration contributes. ``note`` is a sentence with its rows, ``caution`` one with or
    without any, ``says`` makes some of the record. Sections of one LOINC code are one section of a document
    (``CODED``)."""

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
    last_known: str = ""
    note: str = ""
    caution: str = ""
    says: Callable[[Record], list[str]] | None = field(default=None, hash=False)


NO_HOSPITAL_MEDICINES = "Medicines that a hospital gave are not here: no hospital feed sends them."

SECTIONS = (
    SectionKind("allergies", "Allergies and adverse reactions", "48765-2", "allergies-and-adverse-reaction", "allergies",
         ("Began or recorded", "Allergy or adverse reaction", "Reaction"), allergies),
    SectionKind("allergies-past", "Allergies resolved or refuted", "48765-2", "allergies-and-adverse-reaction", "allergies",
         ("Date", "No longer held to be an allergy", "More"), past_allergies, optional=True),
    SectionKind("repeat", "Current repeat medicines", "10160-0", "repeat-medication", "medicines",
         ("Started", "Medicine", "Dosage, quantity and last issue"), repeat_medicines, last_known="Repeat medicines last known",
         caution=NO_HOSPITAL_MEDICINES),
    SectionKind("acute", "Acute medicines", "10160-0", "acute-medication", "medicines",
         ("Issued", "Medicine", "Dosage and quantity"), acute_medicines, months=ACUTE_MONTHS),
    SectionKind("discontinued", "Discontinued repeat medicines", "10160-0", "discontinued-repeat-medication", "medicines",
         ("Ended", "Medicine", "Dosage, quantity and last issue"), discontinued_medicines, months=DISCONTINUED_MONTHS),
    SectionKind("problems", "Problems and diagnoses", "11450-4", "problems-and-issues", "problems",
         ("Began or recorded", "Problem", "More"), active_problems),
    SectionKind("problems-past", "Past problems, and those ruled out", "11348-0", "problems-and-issues", "problems",
         ("Began or recorded", "Problem", "More"), past_problems, optional=True),
    SectionKind("visit-diagnoses", "Diagnoses of past hospital visits, recorded on discharge", "11348-0", "diagnoses", "problems",
         ("Began or recorded", "Diagnosis", "More"), visit_diagnoses, most=60, optional=True),
    SectionKind("diagnoses", "Diagnoses recorded in consultations, not on the problem list", "11348-0", "diagnoses", "problems",
         ("Began or recorded", "Diagnosis", "More"), other_diagnoses, most=60, optional=True),
    SectionKind("results", "Results and measurements", "30954-2", "investigation-results", "results",
         ("Taken", "Test", "Result and range"), results, note=FLAGS_ARE_THE_SENDERS),
    SectionKind("procedures", "Procedures and implants", "47519-4", "procedures", "procedures",
         ("Date", "Procedure", "More"), procedures, most=60),
    SectionKind("immunisations", "Immunisations", "11369-6", "immunisations", "immunisations",
         ("Date", "Vaccine", "More"), immunisations),
    SectionKind("encounters", "Encounters", "46240-8", "professional-contacts", "encounters",
         ("Began", "Contact", "More"), encounters, months=ENCOUNTER_MONTHS, most=60),
    SectionKind("social-care", "Social care", "28653-4", "services-and-care", kinds.SOCIAL_CARE,
         ("Date", "Service, assessment or circumstance", "More"), social_care, says=as_at_notes),
)  # fmt: skip
"""THE TABLE, in the order shown. Allergies and medicines have no ``most``: none of them is ever cut off."""

CODED = {
    "48765-2": ("Allergies and adverse reactions", "allergies-and-adverse-reaction"),
    "10160-0": ("Medicines", "medications-and-medical-devices"),
    "11450-4": ("Problems and diagnoses", "problems-and-issues"),
    "11348-0": ("Past problems and diagnoses", "relevant-past-medical-surgical-and-mental-health-history"),
}
"""LOINC code → title and UK Core heading of the one section of a document that holds several lists. IPS has one section
of medicines and one of allergies (1..1): a reader that finds a section by its code must find all of it."""
