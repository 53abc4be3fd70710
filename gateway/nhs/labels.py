"""THE TABLE of labels: what each says of a resource, how FHIR says it, and from whom it hides. A bit beside the bytes,
for all versions."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
OURS = "urn:nhs-record-gateway:label"

CONFIDENTIAL = 1 << 0
NOT_TO_PATIENT = 1 << 1
RESTRICTED = 1 << 2
SENSITIVE = 1 << 3
LINKED = 1 << 4
UNCLASSIFIED = 1 << 5
WITHHELD = 1 << 6
LEGAL = 1 << 7
TYPE1 = 1 << 8
SUMMARY_DISSENT = 1 << 9
SUMMARY_CORE_ONLY = 1 << 10
OBJECTION = 1 << 11
SERVICE = 1 << 12
BLANKED = 1 << 13
CHOICE = 1 << 14
AMBIGUOUS_TIME = 1 << 15
REVIEW = 1 << 16


@dataclass(frozen=True, slots=True)
class Label:
    """One label. ``hides`` is in words, for the reviewer; what they come to is ``HIDDEN_ALWAYS`` and the like below.
    ``waits`` names the issue that will act on the label, where nothing does yet."""

    name: str
    bit: int
    system: str
    code: str
    display: str
    meaning: str
    hides: str
    waits: str = ""


LABELS = (
    Label("confidential", CONFIDENTIAL, CONFIDENTIALITY, "R", "restricted",
          "the source marked this item confidential",
          "the item, from all but the organisation that recorded it; also an allergy, or a medicine with all of its course"),
    Label("not-to-patient", NOT_TO_PATIENT, ACT_CODE, "NOPAT",
          "no disclosure to patient, family or caregivers without attending provider's authorization",
          "the item carries GP Connect's NOPAT", "as confidential, and from the patient"),
    Label("restricted", RESTRICTED, CONFIDENTIALITY, "R", "restricted",
          "the patient is restricted (S-flag, location shielded, any PDS value but U)",
          "the whole record, from everyone, the recording organisation too; never in secondary use"),
    Label("sensitive", SENSITIVE, OURS, "sensitive", "sensitive",
          "a code of the sharing exclusion sets", "the item, from all but the organisation that recorded it"),
    Label("linked", LINKED, OURS, "linked", "linked to a sensitive item",
          "one reference away from an item that is hidden, or is excluded by law",
          "as sensitive; never put on an allergy, a medicine or an immunisation"),
    Label("unclassified", UNCLASSIFIED, OURS, "unclassified", "not yet reviewed",
          "no set covers its codes, and its words hint or its feed is not reviewed", "as sensitive; never put on an allergy or a medicine"),
    Label("withheld", WITHHELD, OURS, "withheld", "withheld",
          "the patient was deleted at the source, or its sharing agreement is off", "from everyone"),
    Label("legally-excluded", LEGAL, OURS, "legally-excluded", "legally excluded",
          "HFE Act or Gender Recognition Act code, or one reference away from one",
          "never in secondary use; in direct care as sensitive, but an allergy, a medicine and an immunisation stay, blanked"),
    Label("type1", TYPE1, OURS, "type1", "Type 1 opt-out",
          "the patient's Type 1 opt-out stands", "this source's whole record, from secondary use"),
    Label("summary-dissent", SUMMARY_DISSENT, OURS, "summary-dissent", "no Summary Care Record",
          "the patient's dissent from a Summary Care Record stands",
          "the summary, and what practices recorded in the shared document, from all but the organisation that recorded it"),
    Label("summary-core-only", SUMMARY_CORE_ONLY, OURS, "summary-core-only", "core Summary Care Record only",
          "the patient allows the core summary only",
          "additional sections of the summary and of what practices recorded in the shared document, from all but the organisation that "
          "recorded it"),
    Label("sharing-objection", OBJECTION, OURS, "sharing-objection", "objection to local sharing",
          "the patient's objection to local sharing stands", "the shared record, from all but the organisation that recorded each part"),
    Label("sensitive-service", SERVICE, OURS, "sensitive-service", "sensitive service",
          "given by a sensitive service (sexual health, fertility, SARC…)", "as sensitive, unless the patient expressly consented"),
    Label("blanked", BLANKED, OURS, "blanked", "indication left out",
          "an allergy, medicine or immunisation that points at, or is coded with, something hidden",
          "nothing: the item stays, without its reason, encounter and notes, for all but the organisation that recorded it"),
    Label("choice", CHOICE, OURS, "choice", "a coded choice",
          "holds a code by which the patient consents, dissents or opts out", "nothing"),
    Label("ambiguous-time", AMBIGUOUS_TIME, OURS, "ambiguous-time", "ambiguous time",
          "a time in the repeated hour of October", "nothing"),
    Label("review", REVIEW, OURS, "review", "to be reviewed",
          "a consent-like code nobody told us of: read as the most restrictive until reviewed", "nothing itself", "Direct care"),
)  # fmt: skip
"""Bits are for ever: add at the end, never reuse one."""

HIDDEN_ALWAYS = RESTRICTED | WITHHELD
"""Hidden from everyone, the recording organisation too."""
HIDDEN_FROM_OTHERS = HIDDEN_ALWAYS | CONFIDENTIAL | NOT_TO_PATIENT | SENSITIVE | LINKED | UNCLASSIFIED | SERVICE
"""Hidden from every organisation but the one that recorded the item. The patient's express consent lifts ``SERVICE``
only."""
HIDDEN_UNLESS_KEPT = LEGAL
"""Hidden likewise, but for types that are blanked instead (``links.BLANKED_TYPES``): these may carry the label of the
law, and a missing allergy or medicine can harm."""
NEVER_RELEASED = RESTRICTED | WITHHELD | LEGAL | TYPE1 | CONFIDENTIAL | NOT_TO_PATIENT | UNCLASSIFIED
"""Never in an export, whatever the project says. A project may add ``SENSITIVE | LINKED | SERVICE``."""
FLAGGED = CONFIDENTIAL | NOT_TO_PATIENT
"""The source's own mark on one item: the only labels that withhold an allergy or a medicine, and of which its section
tells."""
SPREADING = CONFIDENTIAL | NOT_TO_PATIENT | SENSITIVE | UNCLASSIFIED | SERVICE | LEGAL
"""A label that hides an item hides, by one hop, what would give it away."""

_INTERNAL = BLANKED | CHOICE | AMBIGUOUS_TIME | REVIEW | TYPE1 | SUMMARY_DISSENT | SUMMARY_CORE_ONLY | OBJECTION
"""Not shown in ``meta.security``: choices have their own resources, and a tag of the source lies in its own bytes."""


def names(bits: int) -> list[str]:
    """The names of the labels in ``bits``, in the order of the table."""
    return [label.name for label in LABELS if bits & label.bit]


def codings(bits: int) -> list[dict[str, str]]:
    """What ``meta.security`` says of these bits; the same coding once."""
    displays = {(label.system, label.code): label.display for label in LABELS if bits & label.bit & ~_INTERNAL}
    return [{"system": system, "code": code, "display": display} for (system, code), display in displays.items()]


def security(bits: int) -> bytes:
    """The codings as JSON without the brackets, ready to splice; empty for no label."""
    if not bits & ~_INTERNAL:
        return b""
    known = _spliced.get(bits)
    if known is None:
        known = _spliced[bits] = msgspec.json.encode(codings(bits))[1:-1]
    return known


_spliced: dict[int, bytes] = {}
