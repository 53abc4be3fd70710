"""THE TABLE of R4's error invariants that ``$validate`` alone holds: no source is refused for them.

Like ``invariants``, each row is a predicate over the plain dict, its key that of R4's definition. What only a processor
of profiles needs (most of ``eld`` and ``sdf``) and what is about TestScript is not among them.
"""

from __future__ import annotations

from typing import Any

from gateway.fhir.invariants import Invariant, either, has, has_value, needs, not_both
from gateway.fhir.invariants import in_order as is_in_order

Node = dict[str, Any]


def _alone(first: str, second: str) -> Any:
    """One of the two, and not the other."""
    return lambda node: has(node, first) != has(node, second)


def _slots(node: Node) -> bool:
    open_ = ("proposed", "cancelled", "waitlist")
    return (has(node, "start") and has(node, "end")) or node.get("status") in open_


def _probability(node: Node) -> bool:
    value = node.get("probabilityDecimal")
    return value is None or not value > 100


def _distinct(values: list[Any]) -> bool:
    return len(set(values)) == len(values)


def _link_ids(node: Node) -> bool:
    waiting, ids = list(node.get("item", ())), []
    for item in waiting:
        ids.append(item.get("linkId"))
        waiting += item.get("item", ())
    return _distinct(ids)


def _codes(node: Node) -> bool:
    waiting, codes = list(node.get("concept", ())), []
    for concept in waiting:
        codes.append(concept.get("code"))
        waiting += concept.get("concept", ())
    return _distinct(codes)


def _roots(node: Node) -> list[Node]:
    """The elements of a definition that stand for the whole."""
    return [element for element in node.get("element", ()) if "." not in element.get("path", ".")]


_ANSWERED = frozenset({"boolean", "decimal", "integer", "string", "text", "url", "open-choice"})
_LISTED = frozenset({"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"})

STRICTER: dict[str, tuple[Invariant, ...]] = {
    "Appointment": (
        Invariant("app-2", "start and end go together", lambda n: has(n, "start") == has(n, "end")),
        Invariant("app-3", "start and end may be missing only when proposed, cancelled or waiting", _slots),
        Invariant("app-4", "a reason of cancellation only when cancelled or not attended",
                  lambda n: not has(n, "cancelationReason") or n.get("status") in ("noshow", "cancelled")),
    ),
    "AppointmentParticipant": (Invariant("app-1", "type or actor", either("type", "actor")),),
    "AppointmentResponse": (Invariant("apr-1", "participantType or actor", either("participantType", "actor")),),
    "AuditEventEntity": (Invariant("sev-1", "name or query", not_both("name", "query")),),
    "CapabilityStatement": (
        Invariant("cpb-1", "rest, messaging or document", either("rest", "messaging", "document")),
        Invariant("cpb-2", "a description, software or implementation", either("description", "software", "implementation")),
        Invariant("cpb-14", "an instance has an implementation", lambda n: n.get("kind") != "instance" or has(n, "implementation")),
        Invariant("cpb-15", "a capability has software and no implementation",
                  lambda n: n.get("kind") != "capability" or (has(n, "software") and not has(n, "implementation"))),
        Invariant("cpb-16", "requirements have neither software nor implementation",
                  lambda n: n.get("kind") != "requirements" or not has(n, "software", "implementation")),
    ),
    "CapabilityStatementRest": (
        Invariant("cpb-9", "a resource is described once", lambda n: _distinct([r.get("type") for r in n.get("resource", ())])),
    ),
    "CapabilityStatementRestResource": (
        Invariant("cpb-12", "the names of search parameters are unique",
                  lambda n: _distinct([p.get("name") for p in n.get("searchParam", ())])),
    ),
    "CodeSystem": (Invariant("csd-1", "all codes are unique", _codes),),
    "ConceptMapGroupElementTarget": (
        Invariant("cmd-1", "a narrower or inexact map has a comment",
                  lambda n: n.get("equivalence") not in ("narrower", "inexact") or has(n, "comment")),
    ),
    "ConceptMapGroupUnmapped": (
        Invariant("cmd-2", "a fixed map has a code", lambda n: n.get("mode") != "fixed" or has(n, "code")),
        Invariant("cmd-3", "another map has an address", lambda n: n.get("mode") != "other-map" or has(n, "url")),
    ),
    "Group": (Invariant("grp-1", "members only in an actual group", lambda n: not has(n, "member") or n.get("actual") is True),),
    "ImmunizationRecommendationRecommendation": (Invariant("imr-1", "vaccineCode or targetDisease", either("vaccineCode", "targetDisease")),),
    "Linkage": (Invariant("lnk-1", "two items or more", lambda n: len(n.get("item", ())) > 1),),
    "MeasureReport": (
        Invariant("mrp-1", "a report of collected data has no groups", lambda n: n.get("type") != "data-collection" or not has(n, "group")),
    ),
    "MedicationAdministrationDosage": (
        Invariant("mad-1", "a dose or a rate", lambda n: has(n, "dose") or has_value(n, "rate")),
    ),
    "MedicationDispense": (
        Invariant("mdd-1", "handed over after it was prepared", lambda n: is_in_order(n.get("whenPrepared"), n.get("whenHandedOver"))),
    ),
    "OperationDefinitionParameter": (
        Invariant("opd-1", "a type or parts", either("type", "part")),
        Invariant("opd-2", "searchType only of a string", lambda n: not has(n, "searchType") or n.get("type") == "string"),
        Invariant("opd-3", "targetProfile only of a reference", lambda n: not has(n, "targetProfile") or n.get("type") in ("Reference", "canonical")),
    ),
    "Questionnaire": (Invariant("que-2", "link ids are unique", _link_ids),),
    "QuestionnaireItem": (
        Invariant("que-5", "answers are listed only for a choice or a simple value",
                  lambda n: n.get("type") in _LISTED or not has(n, "answerValueSet", "answerOption")),
        Invariant("que-8", "a group or display has no initial value", lambda n: n.get("type") not in ("group", "display") or not has(n, "initial")),
        Invariant("que-10", "maxLength only of a simple question", lambda n: n.get("type") in _ANSWERED or not has(n, "maxLength")),
        Invariant("que-13", "several initial values only where it repeats", lambda n: n.get("repeats") is True or len(n.get("initial", ())) < 2),
    ),
    "QuestionnaireItemEnableWhen": (
        Invariant("que-7", "whether there is an answer is a boolean", lambda n: n.get("operator") != "exists" or has(n, "answerBoolean")),
    ),
    "QuestionnaireResponseItem": (Invariant("qrs-1", "items beneath the item or its answer", not_both("answer", "item")),),
    "RequestGroupAction": (Invariant("rqg-1", "a resource or actions", _alone("resource", "action")),),
    "RiskAssessmentPrediction": (Invariant("ras-2", "a probability is at most 100", _probability),),
    "SearchParameter": (
        Invariant("spd-1", "xpath needs xpathUsage", needs("xpath", "xpathUsage")),
        Invariant("spd-2", "chain only of a reference", lambda n: not has(n, "chain") or n.get("type") == "reference"),
    ),
    "StructureDefinition": (
        Invariant("sdf-4", "a baseDefinition unless abstract", lambda n: n.get("abstract") is True or has(n, "baseDefinition")),
        Invariant("sdf-5", "an extension has a context",
                  lambda n: n.get("type") != "Extension" or n.get("derivation") == "specialization" or has(n, "context")),
        Invariant("sdf-18", "contextInvariant only of an extension", lambda n: not has(n, "contextInvariant") or n.get("type") == "Extension"),
    ),
    "StructureDefinitionDifferential": (
        Invariant("sdf-20", "no slicing of the whole", lambda n: not any("slicing" in root for root in _roots(n))),
    ),
    "TriggerDefinition": (
        Invariant("trd-1", "data or timing", lambda n: not (has(n, "data") and has_value(n, "timing"))),
        Invariant("trd-2", "a condition needs data", needs("condition", "data")),
    ),
}  # fmt: skip
