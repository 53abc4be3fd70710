"""One observation row with its code and qualifiers: what it is, what it says, and what every resource made of it
shares."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from msgspec import Struct

from mappings import Look, Row, Values
from mappings.emis.codes import Code, code_of, coded
from mappings.emis.qualifiers import NONE, Qualifiers, qualifiers
from mappings.emis.values import entered, guid, is_true, partial, referred

NEGATIVE = frozenset({"absent", "refuted", "declined", "not-given", "contraindicated", "planned"})
"""Senses that negate a finding or an act. Said by the words of a code they are part of it, and the code stays true."""
SPEAKS_OF = frozenset({"risk", "about"})
"""Senses of words that mention a condition without stating or denying it: a risk of it, advice about it."""
FILED_UNDER = "urn:nhs-record-gateway:filed-under-problem"
WITHOUT_VALUE = frozenset({"allergy", "family", "immunisation"})
"""Routes that a numeric value does not change. Any other entry with a value is an Observation."""
NOT_DONE = frozenset({"declined", "not-given", "contraindicated", "refuted"})


class Entry(Struct, gc=False):
    """``route`` is what the row becomes. ``sense`` is what changes its meaning; ``in_words`` says that the code's own
    term gives it, so that a negative FHIR form beside the negative code would deny it twice."""

    row: Row
    key: str
    values: Values
    code: Code
    said: Qualifiers
    route: str
    sense: str
    in_words: bool

    @property
    def is_confidential(self) -> bool:
        said = self.values.get("IsConfidential", "false")
        return said != "false" and is_true(said)

    @property
    def security(self) -> tuple[str, ...]:
        return ("R",) if self.is_confidential else ()

    @property
    def effective(self) -> str:
        return partial(self.values, "EffectiveDate")

    @property
    def recorded(self) -> str:
        return entered(self.values)[0]

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Qualifiers that no table knows, those that the code's words overrule and those of which one sense is only
        part; and a value that this kind of resource has no element for."""
        texts = list(self.said.notes)
        if self.said.words and (self.in_words or self.said.is_mixed):
            texts.append(self.said.words)
        if self.route != "observation" and (number := self.values.get("Value", "").strip()):
            texts.append(f"Value: {number} {self.values.get('NumericUnit', '')}".strip())
        return [{"text": text} for text in texts]


def entry_of(row: Row, look: Look, has_referral: bool = False, has_children: bool = False) -> Entry:
    """Return the entry of an observation row. Raises ``Invalid`` while its code has not arrived."""
    values = row.values
    code = code_of(row, look)
    text = values.get("Qualifiers")
    said = qualifiers(text) if text else NONE
    sense, in_words = sense_of(code, said)
    return Entry(
        row,
        row.key,
        values,
        code,
        said,
        route(values, code, sense, in_words, has_referral, has_children),
        sense,
        in_words,
    )


def shared(row: Row, look: Look, has_referral: bool = False, has_children: bool = False) -> Entry:
    """Return the entry of a row that several groups need: a blood pressure is read by its own groups and its parts'."""
    name = (row.table, row.key, has_referral, has_children)
    return look.once(name, lambda: entry_of(row, look, has_referral, has_children))


def sense_of(code: Code, said: Qualifiers) -> tuple[str, bool]:
    """Return the sense of an entry, and whether the code's own words give it.

    Negative words are never weakened by a qualifier, and "family" is added to by either.
    """
    words, qualifier = code.sense, said.sense
    if not qualifier or qualifier == "confirmed" and words:
        return words, bool(words)
    if qualifier == "not-family" or words == "family" and qualifier in NEGATIVE:
        return "not-family", False
    if qualifier == "family":
        return ("not-family", True) if words in NEGATIVE or words == "not-family" else ("family", words == "family")
    if words in NEGATIVE or words in ("family", "not-family", "nil") or words in SPEAKS_OF:
        return words, True
    return qualifier, False


def route(values: Values, code: Code, sense: str, in_words: bool, has_referral: bool, has_children: bool) -> str:
    """Return what a row becomes: allergy, family, immunisation, observation, report, request, specimen, referral,
    procedure, condition, plan.

    The order is the order of harm: an allergy is an allergy whatever else it looks like; a relative's illness is never
    the patient's.
    """
    listed = code.route
    kind = kind_of(values.get("ObservationType", ""))
    if not sense and not kind and not has_referral:  # the common case
        if listed == "lab":
            return _lab(values, kind, has_children)
        return "observation" if (code.part or "Value" in values) and listed not in WITHOUT_VALUE else listed
    if sense == "family":
        return "family"
    if sense == "not-family":
        return "observation"
    if "allergy" in (listed, kind):
        return "allergy"
    if "family" in (listed, kind):
        return "observation" if sense in NEGATIVE else "family"
    if "immunisation" in (listed, kind):
        if sense in ("planned", "absent", "suspected", "uncertain") or sense in SPEAKS_OF:
            return "observation" if in_words else "plan" if sense == "planned" else "immunisation"
        return "immunisation"
    if code.part or "Value" in values:
        return "observation"
    if sense == "planned" and not in_words:
        return "plan"
    if listed == "lab":
        return _lab(values, kind, has_children)
    if listed in ("request", "specimen"):
        return "observation" if sense in NEGATIVE else listed
    if has_referral or "referral" in (listed, kind):
        return "observation" if sense in NEGATIVE else "referral"
    if kind == "request":
        return "observation" if sense in NEGATIVE or has_children else "request"
    if listed == "plan":
        return "observation" if sense in NEGATIVE - {"planned"} else "plan"
    if listed == "procedure":
        return "observation" if in_words and sense in {"planned", "absent", "suspected"} | SPEAKS_OF else "procedure"
    if listed == "condition":
        return "observation" if in_words and sense in NEGATIVE | SPEAKS_OF else "condition"
    return "observation"


@lru_cache(maxsize=256)
def kind_of(observation_type: str) -> str:
    """Return the route that the row's own type gives, "" for a type that says nothing of the kind."""
    return coded("type", observation_type, target="route")


def _lab(values: Values, kind: str, has_children: bool) -> str:
    """A report has results and no value; within another it is a group of results; asked for and not answered, it is a
    request."""
    if values.get("Value") or values.get("ParentObservationGuid"):
        return "observation"
    if has_children:
        return "report"
    return "request" if kind == "request" else "observation"


def subject(values: Values, look: Look) -> dict[str, Any]:
    return look.reference("Patient", referred(values["PatientGuid"]))


def encounter(values: Values, look: Look) -> dict[str, Any]:
    """Return the reference to the consultation, {} for none."""
    consultation = values.get("ConsultationGuid")
    return look.reference("Encounter", referred(consultation)) if consultation else {}


def clinician(values: Values, look: Look, column: str = "ClinicianUserInRoleGuid") -> dict[str, Any]:
    """Return the reference to a user in role, {} for none."""
    user = values.get(column)
    return look.reference("PractitionerRole", referred(user)) if user else {}


def filed(entry: Entry, look: Look) -> list[dict[str, Any]]:
    """Return the extension that says under which problem an entry is filed, for types that have no reason; [] for none
    and for itself.

    Without it a result would give away the hidden problem it was done for.
    """
    filed_under = guid(entry.values["ProblemGuid"]) if "ProblemGuid" in entry.values else ""
    return (
        [{"url": FILED_UNDER, "valueReference": look.reference("Condition", filed_under)}]
        if filed_under and filed_under != entry.key
        else []
    )


def problem(values: Values, look: Look, column: str = "ProblemGuid") -> list[dict[str, Any]]:
    """Return the reference to the problem something was done for, [] for none."""
    observation = values.get(column)
    return [look.reference("Condition", guid(observation))] if observation else []
