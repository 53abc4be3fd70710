"""Allergies: each source's own, side by side. A coded nil stands beside what contradicts it and never over it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.fhir.codes import SNOMED
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections import no_allergy
from gateway.nhs.summary.sections.rows import (
    NOT_CHECKED,
    Row,
    began,
    clinical_status,
    codes,
    is_checkable,
    is_error,
    newest,
    notes,
    row,
    shown_date,
    text,
    when,
)

NO_KNOWN_ALLERGY = frozenset({"716186003"})
NONE_OF_A_KIND = frozenset({"409137002", "429625007", "428607008"})
"""No known drug, food or environmental allergy: each says nothing of the other kinds."""
READ_SYSTEMS = ("http://read.info/readv2", "http://read.info/ctv3")
NO_KNOWN_READ = frozenset({"1151.", "1151"})
NAMELESS = "substance not in the data received"
CONTRADICTED = "contradicted by another entry"
NOT_CODED = "said in words only, not coded"
NOT_ASCERTAINED = "allergy status not ascertained"


def allergies(record: Record) -> list[Row]:
    """Every allergy that is not resolved, refuted or an error; then who says that none is known, marked where another
    entry says otherwise; then who says that it could not be ascertained, which is neither.

    https://www.nice.org.uk/guidance/cg183 (drug allergy status: allergy, none known, unable to ascertain)
    """
    standing = [
        held for held in record.of("AllergyIntolerance") if not is_error(held.resource) and not _is_past(held.resource)
    ]
    senses = {held.reference: nil(held.resource) for held in standing}
    positive = [_allergy(held) for held in standing if not senses[held.reference]]
    none, unknown = [], []
    for held in standing:
        match senses[held.reference]:
            case "":
                continue
            case "unascertained":
                unknown.append(_no_allergy(held, (NOT_ASCERTAINED,)))
            case sense:
                none.append(
                    _no_allergy(held, (CONTRADICTED if positive else "", NOT_CODED if sense.endswith("words") else ""))
                )
    return newest(positive) + newest(none) + newest(unknown)


def past_allergies(record: Record) -> list[Row]:
    """Allergies said to be resolved or refuted: apart, so that nobody reads them as current."""
    past = (held for held in record.of("AllergyIntolerance") if not is_error(held.resource) and _is_past(held.resource))
    return newest(_past(held) for held in past)


def nil(resource: dict[str, Any]) -> str:
    """Whether an entry says that there is no allergy, and how far it may be trusted: "all", "part" (of one kind),
    "words" (not coded), "part-words" (not coded, of one kind), "unascertained" (nobody knows) or ""."""
    concept = resource.get("code")
    snomed, said = codes(concept, SNOMED), text(concept)
    if snomed & NONE_OF_A_KIND:
        return "part"
    if snomed & NO_KNOWN_ALLERGY:
        return "all"
    if codes(concept, *READ_SYSTEMS) & NO_KNOWN_READ:
        return "all" if said.casefold().startswith("no known allerg") else "part"
    return "" if is_checkable(concept) else no_allergy.sense(said)


def _no_allergy(held: Held, flags: tuple[str, ...]) -> Row:
    resource = held.resource
    return row(held, text(resource.get("code")), when(resource), (_reactions(resource), notes(resource)), flags)


def _is_past(resource: dict[str, Any]) -> bool:
    return "refuted" in codes(resource.get("verificationStatus")) or clinical_status(resource) == "resolved"


def _allergy(held: Held) -> Row:
    resource, concept = held.resource, held.resource.get("code")
    line = row(
        held, text(concept, NAMELESS), when(resource),
        (_reactions(resource), _certainty(resource), notes(resource)),
        (
            "HIGH RISK" if resource.get("criticality") == "high" else "",
            "intolerance" if resource.get("type") == "intolerance" else "",
            "inactive" if clinical_status(resource) == "inactive" else "",
            "" if is_checkable(concept) else NOT_CHECKED,
        ),
    )  # fmt: skip
    return replace(line, when=began(resource))


def _reactions(resource: dict[str, Any]) -> str:
    """Each reaction with its own severity: how bad it was, which is not how dangerous the next will be."""
    reactions = []
    for reaction in resource.get("reaction", ()):
        words = ", ".join(part for part in (text(m) for m in reaction.get("manifestation", ())) if part)
        severity = f"{reaction['severity']} reaction" if reaction.get("severity") else ""
        reactions.append(": ".join(part for part in (severity, words) if part))
    return "; ".join(part for part in reactions if part)


def _certainty(resource: dict[str, Any]) -> str:
    """How certain the source is, where it said so. "unconfirmed" is what a mapping writes for a source that says
    nothing, so it is no clinician's judgement and is not shown."""
    certainty = sorted(codes(resource.get("verificationStatus")) - {"unconfirmed"})
    return next((f"certainty: {code}" for code in certainty), "")


def _past(held: Held) -> Row:
    resource = held.resource
    ended = next((end["valueDateTime"] for end in _ends(resource) if end.get("valueDateTime")), "")
    flag = "refuted" if "refuted" in codes(resource.get("verificationStatus")) else "resolved"
    return row(
        held,
        text(resource.get("code"), NAMELESS),
        when(resource),
        (f"ended {shown_date(ended)}" if ended else "", notes(resource)),
        (flag,),
    )


def _ends(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """The end date that UK Core's allergy-end extension gives. Its place is the clinical status."""
    outer = (
        extension
        for extension in (*resource.get("clinicalStatus", {}).get("extension", ()), *resource.get("extension", ()))
        if extension.get("url", "").endswith("AllergyIntoleranceEnd")
    )
    return [inner for extension in outer for inner in extension.get("extension", ()) if inner.get("url") == "endDate"]
