"""What a summary of one person shows: the table of sections, their selections, and how complete the sources are."""

from gateway.nhs.summary.absences import ABSENCES, CAUTION
from gateway.nhs.summary.shown import Section, sections
from gateway.nhs.summary.table import CODED, SECTIONS, SectionKind

__all__ = ["ABSENCES", "CAUTION", "CODED", "SECTIONS", "Section", "SectionKind", "sections"]
