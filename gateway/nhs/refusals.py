"""THE TABLE of refusals: how each is answered, and the words of the withheld."""

from __future__ import annotations

from dataclasses import dataclass

PERMISSION_REQUIRED = "Permission to view is required: ask the patient and record it."
RELATIONSHIP_REQUIRED = (
    "Permission to view is recorded, but your organisation has no current relationship with this patient: no open "
    "visit, referral or care package is known, or it has ended. Asking the patient again does not change this."
)
REFUSED_BY_PATIENT = (
    "Your organisation recorded that this patient refused permission to view. Nothing is shown unless the patient "
    "agrees. An emergency does not lift a refusal of somebody who could be asked."
)
HAS_DIED = (
    "Your organisation's record says that this patient has died, so there is nobody to ask for permission and no "
    "summary is shown. What your organisation recorded can still be read and searched."
)
NOT_FOR_PROJECT = "This client is not approved to receive this project's exports for the organisation it acts for."
NO_RECORD = (
    "No record can be shown. This does not mean there is no record or no allergies. "
    "Ask the patient; contact the GP or the organisation's privacy officer."
)
ASK_YOUR_PRACTICE = (
    "Nothing can be shown to you here. This does not mean that there is no record, and the reason is not shown. "
    "Your GP practice can tell you what is recorded and who has looked at it."
)
"""All that a person is told of their own record where it is not shown online."""
WITHHELD = "One or more entries have been deliberately withheld."
"""What a caller is told of hidden items: no section, no count. ``summary.absences`` has the words of sections."""
NOT_YOUR_ROLE = "Not available to your role."


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the table of refusals: HTTP status, machine-readable code, the words. ``before_lookup`` depends on
    the caller alone."""

    status: int
    code: str
    text: str
    before_lookup: bool = False


NOT_KNOWN = Refusal(401, "login", "Sign in with one selected role.", True)
NO_ROLE = Refusal(403, "role", "Your role may not do this.", True)
NO_ACTIVITY = Refusal(403, "activity", "Your role lacks the activity this needs.", True)
NO_ORGANISATION = Refusal(403, "organisation", "You act for no organisation.", True)
NO_SCOPE = Refusal(403, "scope", "The token's scopes do not cover this.", True)
NOT_APPROVED = Refusal(403, "not-approved", NOT_FOR_PROJECT, True)
NOT_READY = Refusal(503, "code-sets", "The gateway lacks the code sets it needs to protect people.", True)
PTV_REQUIRED = Refusal(403, "ptv-required", PERMISSION_REQUIRED)
NO_RELATIONSHIP = Refusal(403, "no-relationship", RELATIONSHIP_REQUIRED)
PERMISSION_REFUSED = Refusal(403, "permission-refused", REFUSED_BY_PATIENT)
DECEASED = Refusal(403, "deceased", HAS_DIED)
NOT_FOUND = Refusal(404, "not-found", "Not found.")
NOT_ONLINE = Refusal(403, "not-online", ASK_YOUR_PRACTICE)
NOT_SHOWN = Refusal(403, "no-record", NO_RECORD)

REFUSALS = {
    refusal.code: refusal
    for refusal in (
        NOT_KNOWN,
        NO_ROLE,
        NO_ACTIVITY,
        NO_ORGANISATION,
        NO_SCOPE,
        NOT_APPROVED,
        NOT_READY,
        PTV_REQUIRED,
        NO_RELATIONSHIP,
        PERMISSION_REFUSED,
        DECEASED,
        NOT_FOUND,
        NOT_SHOWN,
        NOT_ONLINE,
    )
}
"""THE TABLE of refusals. Asked by number, missing permission is ``ptv-required`` whatever the number, and permission
without a relationship ``no-relationship``: both say only what the caller's own organisation recorded. So do
``deceased`` and ``permission-refused``. Asked by resource id, whatever is refused after the look-up is ``not-found``;
after permission, none held, dissent and restricted are the one ``no-record``."""
