"""Observation: uncategorised data, results with their groups, and readings with their parts.

What is said of a relative, by its words or by the heading of the consultation, is never the patient's.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.codes import SNOMED
from mappings.emis.clinical import ENCOUNTER
from mappings.emis.codes import pressure_part
from mappings.emis.entry import Entry
from mappings.emis.result import CATEGORY
from mappings.emis.words import matches, words
from mappings.gp_connect.allergy_said import is_cancelled, said_allergy
from mappings.gp_connect.concepts import codes, entry_of, with_text
from mappings.gp_connect.stu3 import Sent, held, named, target
from mappings.vocabulary import HL7, READ, UK_CORE, absent

LABORATORY = "laboratory"
FAMILY_HEADING = frozenset({"family history", "family", "fh", "family hx"})
"""Titles of a heading under which what is written is of relatives, whatever its code says."""
FAMILY = {"coding": [{"system": HL7 + "v3-RoleCode", "code": "FAMMEMB"}], "text": "Family member"}
CANCELLED_ENTRY = "cancelled: makes no history or allergy"
DEGRADED_TEXT = "Entry without a code"
RELATIONS = {"has-member": "hasMember", "derived-from": "derivedFrom"}
IS_A_GROUP = frozenset({"QuestionnaireResponse"})


def to_observation(sent: Sent) -> list[dict[str, Any]]:
    """Return the Observation, or the FamilyMemberHistory; and an AllergyIntolerance beside it where its code is one. A
    cancelled one makes neither of the two."""
    code = with_text(sent.one("code") or {}) or {"text": DEGRADED_TEXT}
    entry = entry_of(sent.row, code, sent.look)
    is_of_relative = is_of_family(sent, entry)
    is_allergy = entry.route == "allergy" and not any(name.startswith("value") for name in sent.said)
    if is_cancelled(sent.said) and (is_of_relative or is_allergy):
        sent.warn("status", CANCELLED_ENTRY)
        return [] if is_of_relative else [observation(sent, code)]
    if is_of_relative:
        return [family_history(sent, code)]
    answer = [observation(sent, code)]
    if is_allergy:
        answer.append(said_allergy(sent, code, entry, "effectiveDateTime", "issued"))
    return answer


def is_of_family(sent: Sent, entry: Entry) -> bool:
    """Whether it is said of a relative: by the words of its code, or by where it stands. That a relative has nothing is
    no history of the patient's either."""
    heading = sent.heading()
    title = heading.values["title"].casefold().strip(" :") if heading else ""
    return entry.sense == "family" or entry.code.route == "family" or title in FAMILY_HEADING


def observation(sent: Sent, code: dict[str, Any]) -> dict[str, Any]:
    issued, said = sent.instant("issued")
    categories = distinct(sent.many("category"))
    is_lab = any(coding.get("code") == LABORATORY for item in categories for coding in item.get("coding", ()))
    parts = [component(sent, item) for item in sent.many("component")]
    if not categories and any(is_pressure(item["code"]) for item in (*parts, {"code": code})):
        categories = CATEGORY["vital-signs"]
    number = value(sent)
    members = related(sent, "has-member")
    is_missing = is_lab and not (number or members or parts or "dataAbsentReason" in sent.said or is_worded(code))
    built = sent.built(
        "Observation",
        UK_CORE + ("UKCore-Observation-Lab" if is_lab else "UKCore-Observation"),
        extension=sent.filed(),
        identifier=sent.identifiers(),
        basedOn=sent.many("basedOn"),
        status=sent.text("status") or "unknown",
        category=[*categories, *heading(sent)],
        code=code,
        subject=sent.subject(),
        encounter=sent.encounter(),
        **sent.choice("effective"),
        issued=issued,
        performer=sent.many("performer"),
        **number,
        dataAbsentReason=sent.one("dataAbsentReason") or (absent("unknown") if is_missing else None),
        interpretation=sent.many("interpretation"),
        note=[*comments(sent), *said],
        bodySite=sent.one("bodySite"),
        method=sent.one("method"),
        specimen=sent.one("specimen"),
        referenceRange=[limits(item) for item in sent.many("referenceRange")],
        hasMember=members,
        derivedFrom=related(sent, "derived-from"),
        component=parts,
    )
    count_relations(sent)
    return built


def distinct(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for place, item in enumerate(items) if item not in items[:place]]


def is_worded(code: dict[str, Any]) -> bool:
    """Whether the words of a code state a result themselves."""
    return matches("result", words(str(code.get("text", ""))))


def is_pressure(code: dict[str, Any]) -> bool:
    snomed, read = codes(code, SNOMED), codes(code, READ)
    return any(pressure_part(*pair) for pair in [(number, "") for number in snomed] + [("", number) for number in read])


def value(sent: Sent) -> dict[str, Any]:
    """Return the value. R4 has none that is a file."""
    return {name: item for name, item in sent.choice("value").items() if name != "valueAttachment"}


def heading(sent: Sent) -> list[dict[str, Any]]:
    """Return as a category the heading of the consultation under which it was written."""
    row = sent.heading()
    return [{"text": row.values["title"]}] if row and row.values["title"] else []


def comments(sent: Sent) -> list[dict[str, Any]]:
    text = sent.text("comment")
    nodes = (sent.said.get("valueQuantity") or {}).get("extension", ())
    is_about = any(
        str(node.get("url", "")).endswith("ValueApproximation-1") and node.get("valueBoolean") for node in nodes
    )
    return [{"text": words_of} for words_of in (text, "The value is approximate" if is_about else "") if words_of]


def limits(item: dict[str, Any]) -> dict[str, Any]:
    """Return a range. R4 wants a limit or words; a limit of R4 has no comparator, so one that has is in words."""
    kept = {name: inner for name, inner in item.items() if name not in ("low", "high")}
    said = []
    for name in ("low", "high"):
        limit = item.get(name, {})
        if "comparator" in limit:
            said.append(f"{name} {limit['comparator']} {limit.get('value', '')} {limit.get('unit', '')}".strip())
        elif "value" in limit:
            kept[name] = limit
    texts = [text for text in (kept.get("text", ""), *said) if text]
    if not texts and not kept.keys() & {"low", "high"}:
        texts = [kept.get("type", {}).get("text", "")]
    return {**kept, "text": "; ".join(texts)}


def component(sent: Sent, item: dict[str, Any]) -> dict[str, Any]:
    interpretation = item.get("interpretation")
    return {
        **{name: inner for name, inner in item.items() if name not in ("interpretation", "referenceRange")},
        "code": with_text(item.get("code", {})) or {"text": DEGRADED_TEXT},
        "interpretation": [interpretation] if isinstance(interpretation, dict) else interpretation,
        "referenceRange": [limits(part) for part in item.get("referenceRange", ())],
    }


def related(sent: Sent, kind: str) -> list[dict[str, Any]]:
    """Return the Observations that stand in this relation. A group that EMIS makes of them names its members."""
    answer: list[dict[str, Any]] = []
    for relation in sent.said.get("related", ()):
        if relation.get("type") == kind:
            answer += _items(sent, str((relation.get("target") or {}).get("reference", "")), kind)
    return distinct(answer)


def _items(sent: Sent, reference: str, kind: str) -> list[dict[str, Any]]:
    name, key = target(reference)
    if name == "Observation":
        return [sent.look.reference("Observation", named(name, key))]
    if name in IS_A_GROUP and kind == "has-member" and (row := sent.look.row(name, key)):
        answers = [answer for item in held(row).get("item", ()) for answer in item.get("answer", ())]
        members = [target(str((answer.get("valueReference") or {}).get("reference", ""))) for answer in answers]
        return [sent.look.reference("Observation", named(*member)) for member in members if member[0] == "Observation"]
    return []


def count_relations(sent: Sent) -> None:
    """Count what stands in a relation that R4 does not have. A replaced Observation is not current: it is refused."""
    kinds = {str(relation.get("type", "")) for relation in sent.said.get("related", ())}
    if "replaces" in kinds:
        raise Invalid("Observation.related: replaces another")
    for _ in kinds - RELATIONS.keys():
        sent.warn("related", "a relation that R4 does not have")


def family_history(sent: Sent, code: dict[str, Any]) -> dict[str, Any]:
    """Return the FamilyMemberHistory. A value is in its notes: it is the relative's."""
    encounter = sent.encounter()
    at = sent.text("effectiveDateTime")
    number = sent.one("valueQuantity") or {}
    said = [f"Value: {number['value']} {number.get('unit', '')}".strip()] if "value" in number else []
    said += [sent.text("valueString")] if sent.text("valueString") else []
    return sent.built(
        "FamilyMemberHistory",
        UK_CORE + "UKCore-FamilyMemberHistory",
        extension=[{"url": ENCOUNTER, "valueReference": encounter}] if encounter else [],
        identifier=sent.identifiers(),
        status="entered-in-error" if sent.text("status") == "entered-in-error" else "completed",
        patient=sent.subject(),
        date=at,
        relationship=FAMILY,
        reasonReference=sent.problems(),
        condition=[{"code": code, "note": [*comments(sent), *({"text": text} for text in said)]}],
    )
