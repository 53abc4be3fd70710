"""THE TABLE of what may leave, read and judged: ``pseudonym.toml`` against the R4 definitions and against a second
list of its own.

A line is an element that stays and its action. A line that names what is not R4, an action that is not for that type,
or anything of the never-lists below stops the gateway from using the profile at all.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from gateway.errors import Refused
from gateway.fhir.r4 import table
from gateway.nhs.pseudonym.crowds import BIRTH_SEX, NOT_QUASI, QUASI_IDENTIFIERS

SETTINGS = ("in-sde", "export")
"""Where a project's data may lie: inside a Secure Data Environment, or with its recipient."""
DATES = ("by-setting", "day", "month", "year", "death")
ACTIONS = {
    "keep": frozenset({"boolean", "integer", "unsignedInt", "positiveInt", "decimal", "code"}),
    "pseudonym": frozenset({"id"}),
    "person": frozenset({"Identifier"}),
    "reference": frozenset({"Reference"}),
    "code-only": frozenset({"CodeableConcept", "Coding"}),
    "quantity": frozenset({"Quantity", "Age", "Count", "Distance", "Duration", "Range", "Ratio"}),
    "birth-year": frozenset({"date"}),
    "outward-postcode": frozenset({"string"}),
    **dict.fromkeys(DATES, frozenset({"date", "dateTime", "Period"})),
    "death": frozenset({"dateTime"}),
}
"""What an action is for. No action is for words, and none for ``instant``, which cannot be cut and stay one."""
ONLY = {
    "birthDate": "birth-year", "deceasedDateTime": "death", "postalCode": "outward-postcode", "identifier": "person",
    "id": "pseudonym",
}  # fmt: skip
"""Elements that have this one action, which no other element has. In an export ``death`` is the year and
``outward-postcode`` is not of the dead: with ethnicity, district and month of death four of five of them are unique."""

NEVER_TYPES = frozenset({
    "HumanName", "ContactPoint", "Annotation", "Attachment", "Narrative", "Signature", "Meta", "Resource", "markdown", "xhtml",
    "base64Binary", "uri", "url", "canonical", "oid", "uuid", "instant", "time", "ContactDetail", "Timing", "SampledData",
})  # fmt: skip
NEVER_NAMES = frozenset({
    "name", "telecom", "photo", "contact", "communication", "text", "note", "comment", "description", "display", "div",
    "valueString",
    "conclusion", "presentedForm", "attachment", "content", "patientInstruction", "additionalInstruction", "instruction", "contained",
    "participant", "performer", "requester", "recorder", "asserter", "managingOrganization", "generalPractitioner", "serviceProvider",
    "location", "line", "city", "district", "state", "multipleBirthInteger", "multipleBirthBoolean", "link", "source", "lotNumber",
    "instantiatesUri", "title", "unit", "careManager", "team", "owner", "informationSource", "manufacturer", "maritalStatus",
    "implicitRules", "language", "modifierExtension",
})  # fmt: skip
"""The second, independent list: by name and by type. No profile may touch these, whatever its author thought."""
NEVER_EXTENSIONS = re.compile(
    r"(?i)address|birth|name|identifier|nhs-?number|postcode|telecom|contact|place"
    r"|religion|occupation|author|practitioner"
)
"""The same for extensions, which R4 does not type: by words of their URL."""
REASON = ": "
"""What divides an action from the reason of its line."""
SEX = frozenset({"gender", f"extension:{BIRTH_SEX}"})
"""At most one of these leaves: the two side by side tell a gender history."""
MASKED = frozenset({"code-only", "quantity", "birth-year", *DATES})
"""Actions of a resource's own elements that say that a value is masked where it was there and may not leave: without it
the resource would look whole, or a birth date not known. A reference, a list or a postcode that is left out says
nothing: that it was there may tell what is hidden."""
EXTENSION_ACTIONS = {"code-only": "valueCodeableConcept", "keep": "valueBoolean", "by-setting": "valueDate"}
"""What an extension may leave as, and the value it must then have."""


@dataclass(frozen=True)
class Leaf:
    """An element that stays: its action, its R4 type, whether it repeats or must be there, and its codes where they
    are fixed."""

    action: str
    kind: str
    is_many: bool
    is_required: bool
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Branch:
    """A type of which some elements stay. ``must`` are its required elements: for each, the JSON names that fulfil
    it."""

    kind: str
    is_many: bool = False
    is_required: bool = False
    below: dict[str, Branch | Leaf] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    must: tuple[frozenset[str], ...] = ()


def policy_text() -> bytes:
    """The policy file as it is in force."""
    return (files("gateway.nhs.pseudonym") / "pseudonym.toml").read_bytes()


def policy_hash(profile: str) -> str:
    """The hash that pins a profile: the same hash, the same rules."""
    return hashlib.sha256(profile.encode() + b"\n" + policy_text()).hexdigest()


@lru_cache(maxsize=8)
def compiled(profile: str) -> Mapping[str, Branch]:
    """The profile's types, judged. Raises ``Refused`` for an unknown profile or a line that may not be."""
    return compile_tables(lines(profile))


def lines(profile: str) -> Mapping[str, Mapping[str, str]]:
    """The lines of a profile as they are written: for each type, the action of each element. Raises ``Refused`` for an
    unknown one."""
    tables: dict[str, dict[str, dict[str, str]]] = tomllib.loads(policy_text().decode())
    if profile not in tables:
        raise Refused("no such profile")
    return tables[profile]


def has_days(types: Mapping[str, Branch]) -> bool:
    """Whether a profile keeps days whatever the setting: such a one is never for an export."""
    return any(isinstance(leaf, Leaf) and leaf.action == "day" for branch in types.values() for leaf in _leaves(branch))


def compile_tables(tables: Mapping[str, Mapping[str, str]]) -> dict[str, Branch]:
    """Compile tables of ``path = action``. Raises ``Refused`` naming the line that may not be."""
    types = {}
    for name, lines in tables.items():
        if name not in table.resource_types():
            raise Refused(f"{name}: not a resource type")
        if len(SEX.intersection(lines)) > 1:
            raise Refused(f"{name}: one sex field leaves, not two")
        root = Branch(name, must=_must(name))
        for path, action in lines.items():
            action, _, _reason = action.partition(REASON)
            if action != "drop":
                _add(root, f"{name}.{path}", path, action)
        if name == "Patient":
            _require_declared(lines)
        types[name] = root
    return types


def _require_declared(lines: Mapping[str, str]) -> None:
    """Raises ``Refused`` for a line of a Patient that is counted among no quasi-identifiers."""
    declared = NOT_QUASI.union(*QUASI_IDENTIFIERS.values())
    for path, action in lines.items():
        if action.partition(REASON)[0] != "drop" and path not in declared:
            raise Refused(f"Patient.{path}: no quasi-identifier, and not declared as none")


def _add(root: Branch, line: str, path: str, action: str) -> None:
    if path.startswith("extension:"):
        if NEVER_EXTENSIONS.search(path) and path not in SEX:
            raise Refused(f"{line}: never leaves")
        if action not in EXTENSION_ACTIONS:
            raise Refused(f"{line}: an extension leaves as a concept, a boolean or a date only")
        root.extensions[path.removeprefix("extension:")] = action
        return
    node = root
    *parents, last = path.split(".")
    for name in parents:
        element, kind = _element(node.kind, name, line)
        branch = node.below.setdefault(name, Branch(kind, element.is_many, element.is_required, must=_must(kind)))
        if not isinstance(branch, Branch):
            raise Refused(f"{line}: the element above it stays as a whole")
        node = branch
    element, kind = _element(node.kind, last, line)
    _judge(line, last, kind, action, element, is_root=node is root)
    if last in node.below:
        raise Refused(f"{line}: elements below it stay already")
    node.below[last] = Leaf(action, kind, element.is_many, element.is_required and not element.is_choice, element.codes)


def _element(kind: str, name: str, line: str) -> tuple[table.Element, str]:
    if name in NEVER_NAMES:
        raise Refused(f"{line}: never leaves")
    for element in table.types()[kind].elements if kind in table.types() else ():
        if name in element.names:
            if element.names[name] in NEVER_TYPES:
                raise Refused(f"{line}: never leaves")
            return element, element.names[name]
    raise Refused(f"{line}: no such element")


def _judge(line: str, name: str, kind: str, action: str, element: table.Element, is_root: bool) -> None:
    if action not in ACTIONS:
        raise Refused(f"{line}: no such action")
    if kind not in ACTIONS[action] or (action == "keep" and kind == "code" and not element.codes):
        raise Refused(f"{line}: {action} is not for {kind}")
    if ONLY.get(name, action if action not in ONLY.values() else "") != action or (
        action in ("pseudonym", "person") and not is_root
    ):
        raise Refused(f"{line}: not by this action")


@lru_cache
def _must(kind: str) -> tuple[frozenset[str], ...]:
    elements = table.types()[kind].elements if kind in table.types() else ()
    return tuple(frozenset(element.names) for element in elements if element.is_required)


def _leaves(branch: Branch) -> Iterator[Leaf]:
    for below in branch.below.values():
        if isinstance(below, Leaf):
            yield below
        else:
            yield from _leaves(below)
