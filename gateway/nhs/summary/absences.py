"""THE TABLE of absences: why a section shows nothing, in words and in code. No two are worded alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.nhs import access, kinds

LIST_EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
UK_EMPTY = "https://fhir.hl7.org.uk/CodeSystem/UKCore-ListEmptyReasonCode"
NOT_IN_SCOPE = "Not available to you: your role could see it, but this sign-in does not cover it."
PARTLY_IN_SCOPE = "Only a part of this is available to you: this sign-in does not cover the rest."


@dataclass(frozen=True, slots=True)
class Absence:
    """One reason why a section is empty, or all but empty: the coding that says so in a document (none where entries
    say it) and the words. ``words_of`` are other words for the sections of some right."""

    reason: str
    code: tuple[str, str, str] | None
    words: str
    words_of: dict[str, str] = field(default_factory=dict)

    def said(self, right: str) -> str:
        """The words for a section of this right."""
        return self.words_of.get(right, self.words)


_WITHHELD = (LIST_EMPTY, "withheld", "Information Withheld")
_UNAVAILABLE = (LIST_EMPTY, "unavailable", "Unavailable")

ABSENCES = {
    absence.reason: absence
    for absence in (
        Absence("nilknown", None, "Nil known: recorded by a clinician, and nothing to the contrary is held."),
        Absence("nil-in-part", None,
                "No allergy of the kinds named below is known: recorded by a clinician. Nothing is recorded of other kinds."),
        Absence("nil-in-words", None, "The entries below say in words that none is known. They are not coded: confirm with the patient."),
        Absence("nil-in-part-words", None,
                "Of the kinds named below the entries say in words that none is known. They are not coded, and nothing is recorded of "
                "other kinds: confirm with the patient."),
        Absence("not-ascertained", None, "Allergy status could not be ascertained, the entries below say. Ask the patient."),
        Absence("no-content-recorded", (UK_EMPTY, "no-content-recorded", "No Content Recorded"), "None received.",
                {"allergies": "Allergies not recorded. Ask the patient."}),
        Absence("unavailable", _UNAVAILABLE, "No GP record is part of this page.",
                {"allergies": "Allergies unavailable: no GP record is part of this page. Ask the patient.",
                 kinds.SOCIAL_CARE: "No record of a council's social care is part of this page."}),
        Absence("closed", _UNAVAILABLE, "Not part of this page: of the GP record only medicines and allergies are."),
        Absence("withheld", _WITHHELD, "None can be shown. Something is withheld, here or in another section: see the notice at the top.",
                {"allergies": "An allergy entry is withheld here, perhaps at the patient's request. Ask the patient before you prescribe.",
                 "medicines": "A medicine entry is withheld here, perhaps at the patient's request. Ask the patient before you prescribe."}),
        Absence("role", _WITHHELD, access.NOT_YOUR_ROLE),
        Absence("scope", _WITHHELD, NOT_IN_SCOPE),
    )
}  # fmt: skip
"""THE TABLE. Nil known and its kin have no code here: the clinician's own coded entry stands in the section.
``withheld`` of allergies and medicines is the item's own flag, of which the section tells; elsewhere it never says
which section holds what is hidden, so every empty one has the same words."""

CAUTION = "“None received” means that no source sent any. It does not mean that there is none."
"""Said once, before the sections."""
