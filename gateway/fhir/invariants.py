"""THE TABLE of R4's error invariants, by type: each a named predicate over the plain dict. Source: the definitions'
constraints (key in the name)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir import dates
from gateway.fhir.codes import UCUM
from gateway.fhir.r4 import table

Predicate = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Invariant:
    """One row. ``holds`` answers True when the invariant is kept; ``words`` say it without a value."""

    key: str
    words: str
    holds: Predicate


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...]) -> frozenset[str]:
    """The JSON names of elements: as they are, and of what stands beside a primitive."""
    return frozenset(names) | {"_" + name for name in names}


@lru_cache(maxsize=64)
def _choices(stem: str) -> frozenset[str]:
    """The names that a choice has in any type (``value[x]``: valueQuantity, valueString …)."""
    return frozenset(
        name for definition in table.types().values() for element in definition.elements if element.name == stem + "[x]"
        for name in element.names
    )  # fmt: skip


def has(node: dict[str, Any], *names: str) -> bool:
    return not _names(names).isdisjoint(node)


def has_value(node: dict[str, Any], stem: str) -> bool:
    return not _choices(stem).isdisjoint(node)


def _coded(node: dict[str, Any], element: str, system: str, *codes: str) -> bool:
    return any(c.get("system") == system and c.get("code") in codes for c in node.get(element, {}).get("coding", ()))


def in_order(first: object, second: object) -> bool:
    try:
        return dates.interval(first)[0] < dates.interval(second)[1]
    except (Invalid, TypeError):
        return True


def not_both(name: str, other: str) -> Predicate:
    first, second = _names((name,)), _names((other,))
    return lambda node: first.isdisjoint(node) or second.isdisjoint(node)


def needs(name: str, other: str) -> Predicate:
    first, second = _names((name,)), _names((other,))
    return lambda node: first.isdisjoint(node) or not second.isdisjoint(node)


def _any_entry(node: dict[str, Any], name: str) -> bool:
    return any(has(entry, name) for entry in node.get("entry", ()))


def either(*names: str) -> Predicate:
    wanted = _names(names)
    return lambda node: not wanted.isdisjoint(node)


_AIT = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_CON = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def _obs_7(node: dict[str, Any]) -> bool:
    if "component" not in node or not has_value(node, "value"):
        return True
    own = {(c.get("system"), c.get("code"), c.get("display")) for c in node.get("code", {}).get("coding", ())}
    return not any(
        (c.get("system"), c.get("code"), c.get("display")) in own
        for part in node.get("component", ())
        for c in part.get("code", {}).get("coding", ())
    )


def _bundle(*types: str) -> Callable[[dict[str, Any]], bool]:
    return lambda node: node.get("type") in types


def _bdl_7(node: dict[str, Any]) -> bool:
    if node.get("type") == "history":
        return True
    seen = [
        (e["fullUrl"], e.get("resource", {}).get("meta", {}).get("versionId"))
        for e in node.get("entry", ())
        if "fullUrl" in e
    ]
    return len(set(seen)) == len(seen)


def _first_is(name: str) -> Predicate:
    return lambda node: bool(node.get("entry")) and node["entry"][0].get("resource", {}).get("resourceType") == name


def _in_ucum(node: dict[str, Any]) -> bool:
    return ("code" in node or "value" not in node) and node.get("system", UCUM) == UCUM


def _range(node: dict[str, Any]) -> bool:
    low, high = node.get("low", {}).get("value"), node.get("high", {}).get("value")
    return low is None or high is None or not low > high


INVARIANTS: dict[str, tuple[Invariant, ...]] = {
    "AllergyIntolerance": (
        Invariant("ait-1", "clinicalStatus is needed unless entered in error",
                  lambda n: has(n, "clinicalStatus") or _coded(n, "verificationStatus", _AIT, "entered-in-error")),
        Invariant("ait-2", "clinicalStatus is not given when entered in error",
                  lambda n: not (has(n, "clinicalStatus") and _coded(n, "verificationStatus", _AIT, "entered-in-error"))),
    ),
    "Bundle": (
        Invariant("bdl-1", "total only in a searchset or history", lambda n: "total" not in n or _bundle("searchset", "history")(n)),
        Invariant("bdl-2", "search only in a searchset", lambda n: n.get("type") == "searchset" or not _any_entry(n, "search")),
        Invariant("bdl-3", "request in batch, transaction and history, and there only",
                  lambda n: all(("request" in e) == _bundle("batch", "transaction", "history")(n) for e in n.get("entry", ()))),
        Invariant("bdl-4", "response in responses and history, and there only",
                  lambda n: all(("response" in e) == _bundle("batch-response", "transaction-response", "history")(n) for e in n.get("entry", ()))),
        Invariant("bdl-7", "fullUrl is unique", _bdl_7),
        Invariant("bdl-9", "a document has an identifier",
                  lambda n: n.get("type") != "document" or ("system" in n.get("identifier", {}) and "value" in n.get("identifier", {}))),
        Invariant("bdl-10", "a document has a timestamp", lambda n: n.get("type") != "document" or "timestamp" in n),
        Invariant("bdl-11", "a document begins with a Composition", lambda n: n.get("type") != "document" or _first_is("Composition")(n)),
        Invariant("bdl-12", "a message begins with a MessageHeader", lambda n: n.get("type") != "message" or _first_is("MessageHeader")(n)),
    ),
    "BundleEntry": (
        Invariant("bdl-5", "an entry has a resource, request or response", either("resource", "request", "response")),
        Invariant("bdl-8", "fullUrl is not version specific", lambda n: "/_history/" not in n.get("fullUrl", "")),
    ),
    "CarePlanActivity": (Invariant("cpl-3", "detail or reference, not both", not_both("detail", "reference")),),
    "CompositionSection": (
        Invariant("cmp-1", "a section has text, entries or sections", either("text", "entry", "section")),
        Invariant("cmp-2", "emptyReason only without entries", not_both("emptyReason", "entry")),
    ),
    "Condition": (
        Invariant("con-4", "an abated condition is inactive, resolved or in remission",
                  lambda n: not has_value(n, "abatement") or _coded(n, "clinicalStatus", _CLINICAL, "resolved", "remission", "inactive")),
        Invariant("con-5", "clinicalStatus is not given when entered in error",
                  lambda n: not (has(n, "clinicalStatus") and _coded(n, "verificationStatus", _CON, "entered-in-error"))),
    ),
    "ConditionStage": (Invariant("con-1", "summary or assessment", either("summary", "assessment")),),
    "ConditionEvidence": (Invariant("con-2", "code or detail", either("code", "detail")),),
    "Consent": (Invariant("ppc-1", "a policy or a policyRule", either("policy", "policyRule")),),
    "FamilyMemberHistory": (
        Invariant("fhs-1", "age or born, not both", lambda n: not (has_value(n, "age") and has_value(n, "born"))),
        Invariant("fhs-2", "estimatedAge only with age", lambda n: not has(n, "estimatedAge") or has_value(n, "age")),
    ),
    "GoalTarget": (Invariant("gol-1", "detail needs measure", lambda n: not has_value(n, "detail") or has(n, "measure")),),
    "ImmunizationEducation": (Invariant("imm-1", "documentType or reference", either("documentType", "reference")),),
    "List": (
        Invariant("lst-1", "emptyReason only without entries", not_both("emptyReason", "entry")),
        Invariant("lst-2", "deleted only in a list of changes", lambda n: n.get("mode") == "changes" or not _any_entry(n, "deleted")),
        Invariant("lst-3", "dates of entries only in a working list", lambda n: n.get("mode") == "working" or not _any_entry(n, "date")),
    ),
    "Observation": (
        Invariant("obs-6", "dataAbsentReason only without a value", lambda n: not (has(n, "dataAbsentReason") and has_value(n, "value"))),
        Invariant("obs-7", "a component does not repeat the code whose value is given", _obs_7),
    ),
    "ObservationReferenceRange": (Invariant("obs-3", "low, high or text", either("low", "high", "text")),),
    "Organization": (
        Invariant("org-1", "an identifier or a name", either("identifier", "name")),
        Invariant("org-2", "no address of use home", lambda n: not any(a.get("use") == "home" for a in n.get("address", ()))),
        Invariant("org-3", "no telecom of use home", lambda n: not any(t.get("use") == "home" for t in n.get("telecom", ()))),
    ),
    "ParametersParameter": (
        Invariant("inv-1", "one of value, resource and part",
                  lambda n: (has_value(n, "value") + ("resource" in n) + ("part" in n)) == 1),
    ),
    "PatientContact": (Invariant("pat-1", "a contact has details", either("name", "telecom", "address", "organization")),),
    "QuestionnaireItem": (
        Invariant("que-1", "a group has items, a display has none",
                  lambda n: not (n.get("type") == "group" and not n.get("item")) and not (n.get("type") == "display" and n.get("item"))),
        Invariant("que-3", "a display has no code", lambda n: n.get("type") != "display" or not has(n, "code")),
        Invariant("que-4", "answerOption or answerValueSet", not_both("answerOption", "answerValueSet")),
        Invariant("que-6", "a display is neither required nor repeated", lambda n: n.get("type") != "display" or not has(n, "required", "repeats")),
        Invariant("que-9", "a display is not read-only", lambda n: n.get("type") != "display" or not has(n, "readOnly")),
        Invariant("que-11", "answerOption or initial", not_both("answerOption", "initial")),
        Invariant("que-12", "several enableWhen need enableBehavior", lambda n: len(n.get("enableWhen", ())) < 2 or has(n, "enableBehavior")),
    ),
    "ServiceRequest": (Invariant("prr-1", "orderDetail needs code", needs("orderDetail", "code")),),
    "Task": (Invariant("inv-1", "lastModified is not before authoredOn", lambda n: in_order(n.get("authoredOn"), n.get("lastModified"))),),
    "ValueSetComposeInclude": (
        Invariant("vsd-1", "valueSet or system", either("valueSet", "system")),
        Invariant("vsd-2", "concepts and filters need a system", lambda n: not has(n, "concept", "filter") or has(n, "system")),
        Invariant("vsd-3", "concept or filter", not_both("concept", "filter")),
    ),
    "ValueSetExpansionContains": (
        Invariant("vsd-6", "code or display", either("code", "display")),
        Invariant("vsd-9", "a code unless abstract", lambda n: has(n, "code") or n.get("abstract") is True),
        Invariant("vsd-10", "a code needs a system", needs("code", "system")),
    ),
    "StructureDefinition": (Invariant("sdf-6", "a snapshot or a differential", either("snapshot", "differential")),),
    "StructureDefinitionMapping": (Invariant("sdf-2", "name or uri", either("name", "uri")),),
    "Attachment": (Invariant("att-1", "data needs contentType", needs("data", "contentType")),),
    "ContactPoint": (Invariant("cpt-2", "value needs system", needs("value", "system")),),
    "Quantity": (Invariant("qty-3", "code needs system", needs("code", "system")),),
    "Age": (
        Invariant("age-1", "a UCUM code, and above nought", lambda n: _in_ucum(n) and not n.get("value", 1) <= 0),
        Invariant("qty-3", "code needs system", needs("code", "system")),
    ),
    "Duration": (Invariant("drt-1", "a code is UCUM and has a value", lambda n: "code" not in n or (n.get("system") == UCUM and "value" in n)),),
    "Count": (
        Invariant("cnt-3", "a whole number of ones",
                  lambda n: _in_ucum(n) and n.get("code", "1") == "1" and not n.get("value", 0) % 1 > 0),
        Invariant("qty-3", "code needs system", needs("code", "system")),
    ),
    "Distance": (
        Invariant("dis-1", "a UCUM code", _in_ucum),
        Invariant("qty-3", "code needs system", needs("code", "system")),
    ),
    "Expression": (Invariant("exp-1", "expression or reference", either("expression", "reference")),),
    "Period": (Invariant("per-1", "the end is not before the start", lambda n: in_order(n.get("start"), n.get("end"))),),
    "Range": (Invariant("rng-2", "low is not above high", _range),),
    "Ratio": (
        Invariant("rat-1", "numerator and denominator go together",
                  lambda n: ("numerator" in n) == ("denominator" in n) and ("numerator" in n or "extension" in n)),
    ),
    "TimingRepeat": (
        Invariant("tim-1", "duration needs durationUnit", needs("duration", "durationUnit")),
        Invariant("tim-2", "period needs periodUnit", needs("period", "periodUnit")),
        Invariant("tim-4", "duration is not negative", lambda n: not n.get("duration", 0) < 0),
        Invariant("tim-5", "period is not negative", lambda n: not n.get("period", 0) < 0),
        Invariant("tim-6", "periodMax needs period", needs("periodMax", "period")),
        Invariant("tim-7", "durationMax needs duration", needs("durationMax", "duration")),
        Invariant("tim-8", "countMax needs count", needs("countMax", "count")),
        Invariant("tim-9", "offset needs when", needs("offset", "when")),
        Invariant("tim-10", "timeOfDay or when", not_both("timeOfDay", "when")),
    ),
    "DataRequirementCodeFilter": (Invariant("drq-1", "path or searchParam", lambda n: has(n, "path") != has(n, "searchParam")),),
    "DataRequirementDateFilter": (Invariant("drq-2", "path or searchParam", lambda n: has(n, "path") != has(n, "searchParam")),),
}  # fmt: skip
