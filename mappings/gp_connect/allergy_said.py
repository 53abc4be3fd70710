"""An allergy that was sent as something else: whatever its type, its code says what it is.

What the item says of itself, it says of the allergy too: one in error or refuted is never a current allergy.
"""

from __future__ import annotations

from typing import Any

from mappings.emis.codes import DEGRADED_ALLERGY
from mappings.emis.entry import Entry
from mappings.gp_connect.allergy import ERROR, PROFILE, code_of
from mappings.gp_connect.concepts import is_coded
from mappings.gp_connect.stu3 import Sent
from mappings.vocabulary import ALLERGY_CLINICAL, ALLERGY_VERIFICATION, status

NOTE = "Recorded as another kind of entry, not on the practice's list of allergies"
REFUTED, CANCELLED = "refuted", "cancelled"


def said_allergy(sent: Sent, code: dict[str, Any], entry: Entry, onset: str, recorded: str) -> dict[str, Any]:
    """Return the AllergyIntolerance beside the item itself. ``onset`` and ``recorded`` name the elements of its
    dates."""
    certainty = verification(sent, entry)
    clinical = "inactive" if certainty == REFUTED else "active"
    concept = code if is_coded(code) else {**code, "coding": [DEGRADED_ALLERGY, *code.get("coding", [])]}
    return sent.built(
        "AllergyIntolerance",
        PROFILE,
        clinicalStatus=None if certainty == ERROR else status(ALLERGY_CLINICAL, clinical),
        verificationStatus=status(ALLERGY_VERIFICATION, certainty),
        code=concept,
        patient=sent.subject(),
        encounter=sent.encounter(),
        onsetDateTime=sent.text(onset),
        recordedDate=sent.text(recorded),
        note=[{"text": NOTE}],
    )


def verification(sent: Sent, entry: Entry) -> str:
    """Return how certain the allergy is, as the item's own statuses or its words say it. A confirmed problem is no
    confirmed allergy: GP Connect has unconfirmed ones only."""
    said = {code_of(sent.one(element)) for element in ("status", "verificationStatus")}
    if ERROR in said:
        return ERROR
    return REFUTED if REFUTED in said or entry.sense == REFUTED else "unconfirmed"


def is_cancelled(said: dict[str, Any]) -> bool:
    """Whether an item, as it was sent, was never made: it says nothing of the patient."""
    return code_of(said.get("status")) == CANCELLED
