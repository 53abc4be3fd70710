"""A consultation to Encounter. Its topics and headings are said by the items: a topic's title would give a hidden
problem away."""

from __future__ import annotations

from typing import Any

from mappings.emis.codes import coded
from mappings.gp_connect.concepts import with_text
from mappings.gp_connect.stu3 import Sent
from mappings.vocabulary import HL7, UK_CORE, UNKNOWN


def to_encounter(sent: Sent) -> list[dict[str, Any]]:
    """Return the Encounter. GP Connect does not say its class: the words of its type may."""
    types = [with_text(concept) for concept in sent.many("type")]
    reasons = [with_text(concept) for concept in sent.many("reason")]
    encounter = sent.built(
        "Encounter",
        UK_CORE + "UKCore-Encounter",
        identifier=sent.identifiers(),
        status=sent.text("status") or "unknown",
        class_=sent.one("class") or class_of(types),
        type=types,
        priority=sent.one("priority"),
        subject=sent.subject(),
        episodeOfCare=sent.many("episodeOfCare"),
        participant=[item for item in sent.many("participant") if item.get("individual")],
        period=sent.one("period"),
        length=sent.one("length"),
        reasonCode=reasons,
        location=[item for item in sent.many("location") if item.get("location")],
        serviceProvider=sent.one("serviceProvider"),
    )
    return [encounter]


def class_of(types: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the class that the words of a type mean, marked as unknown where no table knows them."""
    for concept in types:
        if code := coded("consultation", str(concept.get("text", "")), target="class"):
            return {"system": HL7 + "v3-ActCode", "code": code}
    return UNKNOWN
