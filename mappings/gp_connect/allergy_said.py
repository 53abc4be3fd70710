"""An allergy that was sent as something else: whatever its type, its code says what it is."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings.emis.allergy import CLINICAL, VERIFICATION, status
from mappings.emis.codes import DEGRADED_ALLERGY
from mappings.emis.entry import Entry
from mappings.gp_connect.allergy import PROFILE
from mappings.gp_connect.concepts import is_coded
from mappings.gp_connect.stu3 import Sent

NOTE = "Recorded as another kind of entry, not on the practice's list of allergies"


def said_allergy(sent: Sent, code: dict[str, Any], entry: Entry, onset: str, recorded: str) -> dict[str, Any]:
    """Return the AllergyIntolerance beside the item itself. ``onset`` and ``recorded`` name the elements of its
    dates."""
    ruled_out = entry.sense == "refuted"
    concept = code if is_coded(code) else {**code, "coding": [DEGRADED_ALLERGY, *code.get("coding", [])]}
    allergy = resource(
        "AllergyIntolerance",
        sent.look.id("AllergyIntolerance", sent.name),
        PROFILE,
        sent.security,
        clinicalStatus=status(CLINICAL, "inactive" if ruled_out else "active"),
        verificationStatus=status(VERIFICATION, "refuted" if ruled_out else "unconfirmed"),
        code=concept,
        patient=sent.subject(),
        encounter=sent.encounter(),
        onsetDateTime=sent.text(onset),
        recordedDate=sent.text(recorded),
        note=[{"text": NOTE}],
    )
    return sent.finished(allergy)
