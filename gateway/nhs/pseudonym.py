"""What leaves for secondary use: ``pseudonym.toml`` compiled into a walk over each resource. What has no line there cannot leave.

Pseudonyms are HMAC-SHA256, 128 bits, base32 in lower case; keys come down from one root by HKDF (root → controller → project and version).
Unkeyed hashes are never used: all NHS numbers can be hashed in minutes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import Refused
from gateway.fhir import build

PERSON_SYSTEM = "urn:nhs-record-gateway:person-pseudonym"
PSEUDED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PSEUDED"}
SETTINGS = ("in-sde", "export")
NATIONAL = (
    "http://snomed.info/sct", "https://dmd.nhs.uk", "http://loinc.org", "http://hl7.org/fhir/sid/icd-10", "http://terminology.hl7.org/",
    "http://hl7.org/fhir/", "https://fhir.hl7.org.uk/CodeSystem/", "https://fhir.nhs.uk/CodeSystem/", "http://unitsofmeasure.org",
    "http://read.info/",
)  # fmt: skip
"""Codes of these systems may leave; a local system's codes are the site's own words and stay here."""
LOCAL = ("https://fhir.hl7.org.uk/CodeSystem/local",)

NEVER = frozenset({
    "name", "telecom", "photo", "contact", "communication", "text", "note", "comment", "description", "display", "div", "valueString", "conclusion",
    "presentedForm", "attachment", "content", "patientInstruction", "additionalInstruction", "instruction", "contained", "participant", "performer",
    "requester", "recorder", "asserter", "managingOrganization", "generalPractitioner", "serviceProvider", "location", "line", "city", "district",
    "multipleBirthInteger", "link", "source", "lotNumber", "instantiatesUri", "title", "unit", "reference",
})  # fmt: skip
"""The second, independent list: no profile may name these, whatever its author thought."""
ONLY = {"identifier": "person", "postalCode": "outward", "birthDate": "birth-year"}
"""Elements that may be named with this one action and no other."""

Action = Callable[[object, "_Person"], object]


@dataclass(frozen=True)
class _Node:
    """One level of a type: what each element becomes, and the levels below."""

    path: str
    actions: dict[str, Action]
    below: dict[str, _Node]
    extensions: dict[str, Action]


def policy_text() -> bytes:
    """The policy file as it is in force."""
    return (files("gateway.nhs") / "pseudonym.toml").read_bytes()


def policy_hash(profile: str) -> str:
    """The hash that pins a profile: the same hash, the same rules."""
    return hashlib.sha256(profile.encode() + b"\n" + policy_text()).hexdigest()


@lru_cache(maxsize=8)
def compiled(profile: str) -> dict[str, _Node]:
    """The profile's types, judged and compiled. Raises ``Refused`` for an unknown profile or a line that the second list forbids."""
    tables = tomllib.loads(policy_text().decode()).get(profile)
    if tables is None:
        raise Refused("no such profile")
    return compile_tables(tables)


def compile_tables(tables: dict[str, dict[str, str]]) -> dict[str, _Node]:
    """Compile tables of ``path = action``. Raises ``Refused`` naming the line that may not be."""
    types = {}
    for resource_type, lines in tables.items():
        root = _Node(resource_type, {}, {}, {})
        for path, action in lines.items():
            _judge(resource_type, path, action)
            if path.startswith("extension:"):
                root.extensions[path.removeprefix("extension:")] = ACTIONS[action]
                continue
            node, *parts = root, *path.split(".")
            for part in parts[:-1]:
                node = node.below.setdefault(part, _Node(f"{node.path}.{part}", {}, {}, {}))
            node.actions[parts[-1]] = ACTIONS[action]
        types[resource_type] = root
    return types


def _judge(resource_type: str, path: str, action: str) -> None:
    if action not in ACTIONS:
        raise Refused(f"{resource_type}.{path}: no such action")
    if path.startswith("extension:"):
        if action not in ("concept", "date"):
            raise Refused(f"{resource_type}.{path}: an extension may leave as a concept or a date only")
        return
    parts = path.split(".")
    if NEVER.intersection(parts):
        raise Refused(f"{resource_type}.{path}: never leaves")
    wanted = ONLY.get(parts[-1])
    if wanted and action != wanted or (action in ONLY.values() and wanted != action):
        raise Refused(f"{resource_type}.{path}: only as {wanted}")


def project_key(root: bytes, controller: str, project: str, version: int) -> bytes:
    """The 32-byte key of one project at one version of its key. Another project's pseudonyms cannot be matched with it."""
    middle = HKDF(SHA256(), 32, b"nhs-record-gateway", f"controller:{controller}".encode()).derive(root)
    return HKDF(SHA256(), 32, b"nhs-record-gateway", f"project:{project}:{version}".encode()).derive(middle)


class _Person:
    """What holds for all of one person's resources: key, dates' policy, who is in the release."""

    def __init__(self, key: hmac.HMAC, setting: str, counts: Counter):
        self._hmac, self.setting, self.counts = key, setting, counts
        self.names: dict[str, str] = {}
        self.members: frozenset[str] | set[str] = frozenset()
        self.born = self.died = ""
        self.identifier: list[dict] = []

    def pseudonym(self, text: str) -> str:
        known = self.names.get(text)
        if known is None:
            mac = self._hmac.copy()
            mac.update(text.encode())
            known = self.names[text] = base64.b32encode(mac.digest()[:16]).decode().rstrip("=").lower()
        return known

    def day(self, text: object) -> str | None:
        """A date as the project may have it: the day inside an SDE, else the month; the month for babies and at the end of life."""
        if not isinstance(text, str):
            return None
        if self.setting != "in-sde" or self._is_tender(text):
            return text[:7]
        return text[:10]

    def _is_tender(self, text: str) -> bool:
        if len(text) < 10:
            return False
        if self.born and text[:10] < _later(self.born, 366):
            return True
        return bool(self.died and text[:10] > _later(self.died, -31))


@lru_cache(maxsize=65536)
def _later(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day[:10].ljust(7, "-").ljust(10, "0").replace("-00", "-01")[:10]) + timedelta(days)).isoformat()
    except ValueError:
        return "9999" if days > 0 else "0000"


def _keep(value: object, _person: _Person) -> object:
    return value if not isinstance(value, dict) else None


def _id(value: object, _person: _Person) -> object:
    return value


def _reference(value: object, person: _Person) -> object:
    if isinstance(value, list):
        return [one for one in (_reference(each, person) for each in value) if one]
    target = value.get("reference", "") if isinstance(value, dict) else ""
    if target not in person.members:
        person.counts["reference out of the release"] += 1
        return None
    kind, _, _ = target.partition("/")
    return {"reference": f"{kind}/{person.pseudonym(target)}"}


def _date(value: object, person: _Person) -> object:
    return person.day(value)


def _period(value: object, person: _Person) -> object:
    if not isinstance(value, dict):
        return None
    found = {name: person.day(value[name]) for name in ("start", "end") if name in value}
    return found or None


def _birth_year(value: object, _person: _Person) -> object:
    return value[:4] if isinstance(value, str) else None


def _death(value: object, _person: _Person) -> object:
    return value if isinstance(value, bool) else value[:7] if isinstance(value, str) else None


def _coding(value: object, person: _Person) -> object:
    if not isinstance(value, dict):
        return None
    system, code = value.get("system", ""), value.get("code")
    if code is None or not system.startswith(NATIONAL) or system.startswith(LOCAL):
        person.counts["code of a local system"] += 1
        return None
    return {"system": system, "code": code}


def _concept(value: object, person: _Person) -> object:
    if isinstance(value, list):
        return [one for one in (_concept(each, person) for each in value) if one]
    if not isinstance(value, dict):
        return None
    codings = [found for found in (_coding(each, person) for each in value.get("coding", ())) if found]
    return {"coding": codings} if codings else None


def _quantity(value: object, _person: _Person) -> object:
    if not isinstance(value, dict) or "value" not in value:
        return None
    found = {name: value[name] for name in ("value", "comparator") if name in value}
    if value.get("system") == "http://unitsofmeasure.org" and "code" in value:
        found |= {"system": value["system"], "code": value["code"]}
    return found


def _outward(value: object, _person: _Person) -> object:
    """The outward half: what comes before the last three characters of a whole postcode. A part of one does not leave."""
    plain = value.replace(" ", "").upper() if isinstance(value, str) else ""
    return plain[:-3] if 5 <= len(plain) <= 7 and plain[-3:][:1].isdigit() and plain[-2:].isalpha() and plain.isalnum() else None


def _person_identifier(_value: object, person: _Person) -> object:
    return person.identifier


ACTIONS: dict[str, Action] = {
    "keep": _keep, "id": _id, "reference": _reference, "date": _date, "period": _period, "birth-year": _birth_year, "death": _death,
    "coding": _coding, "concept": _concept, "quantity": _quantity, "outward": _outward, "person": _person_identifier,
}  # fmt: skip


class Pseudonymiser:
    """Pseudonymises whole persons for one project. ``kept`` and ``dropped`` count elements by path over everything it was given."""

    def __init__(self, profile: str, setting: str, key: bytes):
        if setting not in SETTINGS:
            raise Refused("setting: in-sde or export")
        self.types = compiled(profile)
        self.setting = setting
        self._hmac = hmac.new(key, digestmod=hashlib.sha256)
        self._dropped: Counter = Counter()
        self.kept: Counter = Counter()

    @property
    def dropped(self) -> dict[str, int]:
        """How often each element was left out, by its path."""
        return {(".".join(name) if isinstance(name, tuple) else name): count for name, count in self._dropped.items()}

    def person(self, name: str, resources: Sequence[tuple[str, str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield (type, line) for each resource of one person that leaves. ``name`` is what the person is pseudonymised by; ``resources`` are
        (type, id, stored bytes) of all of them: references to anything else are cut."""
        person = _Person(self._hmac, self.setting, self._dropped)
        decoded = [(kind, id_, build.decode(body)) for kind, id_, body in resources if kind in self.types]
        for kind, _, resource in decoded:
            if kind == "Patient":
                person.born = max(person.born, resource.get("birthDate", ""))
                person.died = max(person.died, resource.get("deceasedDateTime", ""))
        leaving = [(kind, id_, resource) for kind, id_, resource in decoded if not self._is_quarantined(resource)]
        person.members = {f"{kind}/{id_}" for kind, id_, _ in leaving}
        person.identifier = [{"system": PERSON_SYSTEM, "value": person.pseudonym(f"person:{name}")}]
        self._dropped["type not in the profile"] += len(resources) - len(decoded)
        for kind, id_, resource in leaving:
            yield kind, self._resource(kind, id_, resource, person)

    def _is_quarantined(self, resource: dict) -> bool:
        """An unknown modifier changes what a resource means: it does not leave without it, and not with it."""
        if "modifierExtension" in resource or "implicitRules" in resource:
            self._dropped["resource with a modifier"] += 1
            return True
        return False

    def _resource(self, kind: str, id_: str, resource: dict, person: _Person) -> bytes:
        node = self.types[kind]
        out = {"resourceType": kind, "id": person.pseudonym(f"{kind}/{id_}"), "meta": {"security": [PSEUDED]}}
        if "identifier" in node.actions and "identifier" not in resource:
            out["identifier"] = person.identifier
        self._walk(node, resource, person, out)
        self.kept[kind] += 1
        return build.encode(out)

    def _walk(self, node: _Node, value: dict, person: _Person, out: dict) -> None:
        actions, below = node.actions, node.below
        for name, given in value.items():
            action = actions.get(name)
            if action is not None:
                if name == "id":
                    continue
                found = action(given, person)
                if found is None or found == []:
                    self._dropped[node.path, name] += 1
                else:
                    out[name] = found
            elif name in below:
                found = self._below(below[name], given, person)
                if found:
                    out[name] = found
            elif name == "extension":
                self._extensions(node, given, person, out)
            elif name not in ("resourceType", "meta", "id"):
                self._dropped[node.path, name] += 1

    def _below(self, node: _Node, given: object, person: _Person) -> object:
        many = given if isinstance(given, list) else [given]
        found = []
        for one in many:
            if isinstance(one, dict):
                inner: dict = {}
                self._walk(node, one, person, inner)
                if inner:
                    found.append(inner)
        return found if isinstance(given, list) else (found[0] if found else None)

    def _extensions(self, node: _Node, given: list, person: _Person, out: dict) -> None:
        kept = []
        for extension in given:
            action = node.extensions.get(extension.get("url", ""))
            name = next((key for key in extension if key.startswith("value")), "")
            found = action(extension[name], person) if action and name else None
            if found:
                kept.append({"url": extension["url"], name: found})
            else:
                self._dropped[node.path, "extension"] += 1
        if kept:
            out["extension"] = kept
