"""What each label does, in words of this table and not of the code: the tests compare what callers and releases get
with it."""

from gateway.nhs import labels

HIDDEN_FROM_OTHERS = "hidden from other organisations"
CONSENT_OPENS = "shown to others by express consent"
HIDDEN_ALWAYS = "hidden from its own organisation"
NEVER_RELEASED = "never released"
ON_REQUEST = "left out on request"
SPREADS = "hides its encounter"
SPREADS_LEGAL = "keeps its encounter from release"

EFFECTS: dict[str, set[str]] = {
    "confidential": {HIDDEN_FROM_OTHERS, NEVER_RELEASED, SPREADS},
    "not-to-patient": {HIDDEN_FROM_OTHERS, NEVER_RELEASED, SPREADS},
    "restricted": {HIDDEN_FROM_OTHERS, HIDDEN_ALWAYS, NEVER_RELEASED},
    "sensitive": {HIDDEN_FROM_OTHERS, ON_REQUEST, SPREADS},
    "linked": {HIDDEN_FROM_OTHERS, ON_REQUEST},
    "unclassified": {HIDDEN_FROM_OTHERS, NEVER_RELEASED, SPREADS},
    "withheld": {HIDDEN_FROM_OTHERS, HIDDEN_ALWAYS, NEVER_RELEASED},
    "legally-excluded": {HIDDEN_FROM_OTHERS, NEVER_RELEASED, SPREADS, SPREADS_LEGAL},
    "type1": {NEVER_RELEASED},
    "summary-dissent": set(),
    "summary-core-only": set(),
    "sharing-objection": set(),
    "sensitive-service": {HIDDEN_FROM_OTHERS, CONSENT_OPENS, ON_REQUEST, SPREADS},
    "blanked": set(),
    "choice": set(),
    "ambiguous-time": set(),
    "review": set(),
}
"""Label → what it does to the item that carries it and no other label. No caller of this version is a patient. A
medicine that is excluded by law stays, blanked (``test_access``)."""

REFUSED_TO_OTHERS = "the record is refused to others"
REFUSED_TO_ALL = "the record is refused to all"
PERSON_KEPT_OUT = "the person is never released"

ON_PATIENT: dict[str, set[str]] = {
    **{name: set() for name in EFFECTS},
    "restricted": {REFUSED_TO_OTHERS, REFUSED_TO_ALL, PERSON_KEPT_OUT},
    "withheld": {PERSON_KEPT_OUT},
    "sharing-objection": {REFUSED_TO_OTHERS},
}
"""Label → what it does to an item without a label when the person's Patient carries it and no other label."""

BIT = {label.name: label.bit for label in labels.LABELS}
