"""What a summary of one person shows: the table of sections, their selections, and how complete the sources are."""

from gateway.nhs.summary.shown import (
    ABSENCES,
    NIL_IN_PART,
    NIL_IN_WORDS,
    NIL_KNOWN,
    NOT_AVAILABLE,
    NOTHING_RECORDED,
    Section,
    sections,
)
from gateway.nhs.summary.table import SECTIONS, SectionKind

__all__ = [
    "ABSENCES", "NIL_IN_PART", "NIL_IN_WORDS", "NIL_KNOWN", "NOTHING_RECORDED", "NOT_AVAILABLE", "SECTIONS", "Section", "SectionKind",
    "sections",
]  # fmt: skip
