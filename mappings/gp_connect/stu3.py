"""One STU3 resource while it is mapped: its data types as R4's, its references by our ids, its flags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import decode, resource
from gateway.fhir.codes import SNOMED
from gateway.fhir.dates import interval
from mappings import Look, Row
from mappings.emis.codes import DESCRIPTION_ID, is_concept
from mappings.emis.entry import FILED_UNDER
from mappings.fhir.mapped import flags
from mappings.gp_connect.elements import LEFT, MAPPED, NAMES, extension_name
from mappings.gp_connect.repair import ALONE, IN_A_LIST, place_of, repaired
from mappings.vocabulary import HL7, UK_CORE_EXTENSION, by_word, tagged, unit

HEADING, FILED = "Heading", "Filed"
"""Tables of what is made beside the resources: where in a consultation an item stands, and under which problems."""
TYPES = {
    name: name
    for name in (
        "AllergyIntolerance", "Condition", "DiagnosticReport", "DocumentReference", "Encounter", "Immunization", "Location", "MedicationRequest",
        "MedicationStatement", "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole", "Specimen",
    )
} | {"ProcedureRequest": "ServiceRequest", "ReferralRequest": "ServiceRequest"}  # fmt: skip
"""The type of STU3 and that of R4. Other types are looked up, or counted."""
LOOKED_UP = frozenset({"Medication", "HealthcareService", "QuestionnaireResponse", "List"})
"""Types that are kept to be looked up: what they say is shown where they are named."""
ONCE = frozenset(
    {
        ("Condition", "stage"),
        ("DiagnosticReport", "category"),
        ("DocumentReference", "class"),
        ("Location", "type"),
        ("MedicationRequest", "category"),
        ("Observation", "interpretation"),
        ("ProcedureRequest", "performer"),
    }
)
"""Elements that STU3 has once and R4 several times."""
LOCAL_CONCEPT = "urn:nhs-record-gateway:gp-local-concept"
"""The system of what a practice's system sends as SNOMED CT and no released edition holds: EMIS's own extension."""
OF_ALL = frozenset({"resourceType", "id", "meta", "extension", "text", "language"})
"""Elements of every resource that are read by themselves, or say nothing of a patient."""
READ_ELSEWHERE = frozenset(
    {"NHSNumberVerificationStatus", "MedicationQuantityText", "ValueApproximation", "FastingStatus"}
)
"""Extensions of data types that become an element of their resource."""
DESCRIPTION_DISPLAY = UK_CORE_EXTENSION + "CodingSCTDescDisplay"
NOT_TAKEN = "a reference to what is not taken"
NO_INSTANT = "a day where R4 has only a time: said in a note"
_MOVED = re.compile(r"^http://hl7\.org/fhir/(v[23])/")
"""Where the tables of HL7 v2 and v3 were in STU3. R4 calls them by terminology.hl7.org."""
_ID = r"[^\s/|#?]{1,128}"
"""Ids have characters that FHIR does not allow."""
_IS_ID = re.compile(_ID)
_REFERENCE = re.compile(rf"([A-Z][A-Za-z]+)/({_ID})(?:/_history/\S{{1,64}})?")


def target(reference: str) -> tuple[str, str]:
    """Return the type and id of a reference within the record, or ("", "").

    >>> target("Encounter/4000000000000000_d144"), target("Referral items are not supported")
    (('Encounter', '4000000000000000_d144'), ('', ''))
    """
    match = _REFERENCE.fullmatch(reference.strip())
    return (match[1], match[2]) if match else ("", "")


def is_id(text: str) -> bool:
    """Whether a reference could name a resource by this id."""
    return _IS_ID.fullmatch(text) is not None


def is_named(said: dict[str, Any]) -> bool:
    """Whether a resource has an id, but for spaces around it."""
    key = said.get("id")
    return isinstance(key, str) and is_id(key.strip())


def named(type_: str, key: str) -> str:
    """Return what a resource is called among all of its practice: two STU3 types may become one of R4."""
    return f"{type_}/{key}"


def held(row: Row) -> dict[str, Any]:
    """Return the resource of a row as it was sent."""
    return decode(row.values["resource"].encode())


def labels(said: dict[str, Any]) -> tuple[str, ...]:
    """Return the flags of a resource as it was sent, for intake; a label that is not known hides."""
    meta = said.get("meta")
    security = meta.get("security", ()) if isinstance(meta, dict) else ()
    marks = list(security) if isinstance(security, list | tuple) else [security]
    for concept in said.get("securityLabel", ()):
        marks += concept.get("coding", [{}]) if isinstance(concept, dict) else [{}]
    known = [
        {**mark, "system": system_of(str(mark.get("system", "")))} if isinstance(mark, dict) else {} for mark in marks
    ]
    return flags({"meta": {"security": known}})


def system_of(system: str) -> str:
    """Return the name of a code system in R4.

    >>> system_of("http://hl7.org/fhir/v3/ActCode"), system_of("https://gp-system.example")
    ('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'https://gp-system.example')
    """
    known = by_word(__package__, "codes_system", "r4").get(system.strip().casefold())
    return known or _MOVED.sub(rf"{HL7}\1-", system.strip())


@dataclass(frozen=True)
class Sent:
    """A resource while it is mapped. ``said`` is what it says after its repairs."""

    row: Row
    look: Look
    said: dict[str, Any]
    is_doubtful: bool = False

    @property
    def name(self) -> str:
        return named(self.row.table, self.row.key)

    @property
    def security(self) -> tuple[str, ...]:
        return labels(self.said)

    def warn(self, element: str, reason: str) -> None:
        self.look.warn(f"{self.row.table}.{place_of(element, NAMES)}", reason)

    def one(self, element: str) -> Any:
        """Return an element that R4 has once, None where it was not sent."""
        value = self.said.get(element)
        if isinstance(value, list):
            self.warn(element, IN_A_LIST)
            value = value[0]
        return None if value is None else self.converted(value, element)

    def many(self, element: str) -> list[Any]:
        """Return an element that R4 has several times."""
        value = self.said.get(element, [])
        if not isinstance(value, list):
            if (self.row.table, element) not in ONCE:
                self.warn(element, ALONE)
            value = [value]
        items = [self.converted(item, element) for item in value]
        return [item for item in items if item not in ({}, None, "")]

    def text(self, element: str) -> str:
        value = self.one(element)
        return value.strip() if isinstance(value, str) else ""

    def choice(self, stem: str) -> dict[str, Any]:
        """Return the element of a choice (``value[x]``) by its name, {} for none."""
        names = [name for name in self.said if name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper()]
        return {name: self.one(name) for name in names[:1]}

    def extension(self, name: str) -> dict[str, Any]:
        """Return the extension that GP Connect calls by this name, {} for none."""
        return next(iter(extensions(self.said, name)), {})

    def extension_value(self, name: str) -> Any:
        """Return the value of an extension as R4 has it, {} for none."""
        return self.converted(value_of(self.extension(name)) or {}, "extension")

    def parts(self, name: str) -> dict[str, Any]:
        """Return the values of the parts of an extension by the part's name."""
        return parts_of(self.extension(name))

    def subject(self) -> dict[str, Any]:
        return self.look.reference("Patient", named("Patient", self.row.patient))

    def encounter(self, element: str = "context") -> dict[str, Any]:
        """Return the consultation: the one that the item names, else the one in whose lists it stands; {} for none."""
        name, key = referred(self.said.get(element))
        if name != "Encounter":
            heading = self.heading()
            key = heading.values["encounter"] if heading else ""
        return self.look.reference("Encounter", named("Encounter", key)) if key else {}

    def heading(self) -> Row | None:
        return self.look.row(HEADING, self.name)

    def problems(self) -> list[dict[str, Any]]:
        """Return references to the problems that the item is linked with. They hide it with them."""
        filed, heading = self.look.row(FILED, self.name), self.heading()
        keys = filed.values["problems"].split() if filed else []
        keys += [heading.values["problem"]] if heading and heading.values["problem"] else []
        return [self.look.reference("Condition", named("Condition", key)) for key in dict.fromkeys(keys)]

    def filed(self) -> list[dict[str, Any]]:
        """The same as extensions, for types that have no element for it."""
        return [{"url": FILED_UNDER, "valueReference": problem} for problem in self.problems()]

    def identifiers(self) -> list[dict[str, Any]]:
        return [item for item in self.many("identifier") if item.get("value")]

    def instant(self, element: str) -> tuple[str, list[dict[str, Any]]]:
        """Return a time that R4 wants whole; and as a note what is only a day."""
        text = self.text(element)
        if not text or "T" in text:
            return text, []
        self.warn(element, NO_INSTANT)
        return "", [{"text": f"{element.capitalize()}: {text}"}]

    def built(self, resource_type: str, profile: str, /, **elements: Any) -> dict[str, Any]:
        """Return what the resource becomes: under its own id, with its flags and whether a time of it is in doubt."""
        id_ = self.look.id(resource_type, self.name)
        return tagged(resource(resource_type, id_, profile, self.security, **elements), self.is_doubtful)

    def converted(self, value: Any, place: str) -> Any:
        """Return a value of STU3 as R4 has it. Raises ``Invalid`` for a modifier extension, which may turn the
        meaning."""
        if isinstance(value, list):
            items = [self.converted(item, place) for item in value]
            return [item for item in items if item not in ({}, None)]
        if not isinstance(value, dict):
            return value
        if "modifierExtension" in value:
            raise Invalid(f"{self.row.table}.{place_of(place, NAMES)}: modifierExtension")
        if isinstance(value.get("reference"), str):
            return self.reference(value, place)
        answer = {
            name: self.converted(inner, f"{place}.{name}")
            for name, inner in value.items()
            if name not in ("extension", "id")
        }
        if nodes := self._nodes(value.get("extension", ()), place):
            answer["extension"] = nodes
        if isinstance(value.get("system"), str):
            answer["system"] = system_of(value["system"])
            _localise(answer)
        if "start" in answer and "end" in answer:
            self._order(answer, place)
        return _quantity(answer) if isinstance(value.get("value"), int | float | Decimal) else answer

    def _order(self, period: dict[str, Any], place: str) -> None:
        """Take the end of a period away that is before its start: one of them is wrong, and the start is what is
        shown."""
        if interval(period["end"])[1] <= interval(period["start"])[0]:
            self.warn(f"{place}.end", "before the start: left out")
            del period["end"]

    def reference(self, value: dict[str, Any], place: str) -> dict[str, Any]:
        """Return a Reference: by our id, else by what names it."""
        name, key = target(value["reference"])
        display = {"display": value["display"]} if value.get("display") else {}
        if name in TYPES:
            return {**self.look.reference(TYPES[name], named(name, key)), **display}
        if name == "HealthcareService" and (row := self.look.row(name, key)) and (title := held(row).get("name")):
            return {"display": title}
        if not display:
            self.warn(place, NOT_TAKEN)
        identifier = value.get("identifier")
        return {**({"identifier": self.converted(identifier, place)} if identifier else {}), **display}

    def _nodes(self, nodes: Any, place: str) -> list[dict[str, Any]]:
        """Return the extensions of a data type that R4 has a place for. Another is counted."""
        answer = []
        for node in nodes if isinstance(nodes, list) else ():
            name = extension_name(str(node.get("url", "")))
            if name in ("coding-sctdescid", "coding-sctdecsid"):
                said = {url.casefold(): value for url, value in parts_of(node).items()}
                if description := said.get("descriptionid"):
                    answer.append({"url": DESCRIPTION_ID, "valueId": str(description)})
                if display := said.get("descriptiondisplay"):
                    answer.append({"url": DESCRIPTION_DISPLAY, "valueString": display})
            elif name not in READ_ELSEWHERE:
                self.warn(f"{place}.extension", "an extension that is not known")
        return answer


def many(value: object) -> list[Any]:
    """Return the items of an element that is a list: one that was sent alone is one, null is none. The Lists of an
    answer are read before its repairs.

    >>> many(None), many({"reference": "Observation/o1"})
    ([], [{'reference': 'Observation/o1'}])
    """
    return value if isinstance(value, list) else [] if value is None else [value]


def plain(value: object) -> dict[str, Any]:
    """Return an object, {} for what is none."""
    return value if isinstance(value, dict) else {}


def reference_of(value: object) -> str:
    """Return what a Reference refers to, "" for none."""
    return str(plain(value).get("reference", ""))


def referred(value: object) -> tuple[str, str]:
    """Return the type and id of what a Reference refers to within the record, or ("", "")."""
    return target(reference_of(value))


def extensions(said: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the extensions that GP Connect calls by this name."""
    nodes = [plain(node) for node in many(said.get("extension"))]
    return [node for node in nodes if extension_name(str(node.get("url", ""))) == name]


def parts_of(node: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an extension's parts by their names."""
    answer: dict[str, Any] = {}
    for part in many(node.get("extension")):
        value = value_of(part) if isinstance(part, dict) else None
        if value is not None:
            answer.setdefault(str(part.get("url", "")), value)
    return answer


def value_of(node: dict[str, Any]) -> Any:
    """Return the value of an extension, None for none."""
    name = next((name for name in node if name.startswith("value")), "")
    value = node.get(name)
    return value_of(value) if name == "valueExtension" and isinstance(value, dict) else value


def _localise(coding: dict[str, Any]) -> None:
    """Give a coding of SNOMED CT that no released edition holds a system of its own: decision support elsewhere does
    not know it, and it must not look as if it did."""
    if coding["system"] == SNOMED and "code" in coding and not is_concept(str(coding["code"])):
        coding["system"] = LOCAL_CONCEPT


def _quantity(value: dict[str, Any]) -> dict[str, Any]:
    """Return a Quantity. A code without a system says nothing; where none was sent, the curated table gives UCUM's."""
    if value.get("system") and value.get("code"):
        return value
    rest = {name: inner for name, inner in value.items() if name not in ("system", "code", "unit")}
    return {**rest, **unit(str(value.get("unit") or value.get("code") or ""))}


def sent(row: Row, look: Look) -> Sent:
    """Return the resource of a row, its repairs and what is not taken of it counted. Raises ``Invalid`` for what may
    turn its meaning."""
    mended = repaired(held(row))
    answer = Sent(row, look, mended.said, mended.is_doubtful)
    for element, kind in mended.repairs:
        answer.warn(element, kind)
    for name in ("implicitRules", "modifierExtension"):
        if name in mended.said:
            raise Invalid(f"{row.table}.{name}")
    mapped, left = MAPPED[row.table], LEFT.get(row.table, {})
    narrative = mended.said.get("text")
    if isinstance(narrative, dict) and narrative.get("status") == "additional":
        answer.warn("text", "the narrative says more than the elements, and is not taken")
    names = [element for element in mended.said if element not in OF_ALL]
    names += [f"extension:{extension_name(str(node.get('url', '')))}" for node in mended.said.get("extension", ())]
    for element in names:
        if reason := left.get(element):
            answer.warn(element, reason)
        elif element not in mapped:
            answer.warn("extension" if element.startswith("extension:") else "element", "not known, and not taken")
    return answer
