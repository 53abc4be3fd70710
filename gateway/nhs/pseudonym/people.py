"""Pseudonymising whole people: their resources, cut down to the policy's elements, under the key of one project.

A pseudonym is HMAC-SHA256, 128 bits, base32 in lower case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from msgspec import Raw

from gateway.errors import Refused
from gateway.fhir.r4 import table
from gateway.nhs.pseudonym.crowds import codes
from gateway.nhs.pseudonym.deaths import died_on
from gateway.nhs.pseudonym.districts import district_of
from gateway.nhs.pseudonym.elements import (
    ABSENT_SYSTEM,
    Made,
    compile_element,
    compile_extensions,
    has_codes,
    is_personal,
)
from gateway.nhs.pseudonym.life import stages
from gateway.nhs.pseudonym.policy import DATES, SETTINGS, Branch, Leaf, compiled, has_days
from gateway.nhs.pseudonym.policy import MASKED as MASKED_ACTIONS
from gateway.nhs.pseudonym.retired import survivors
from gateway.nhs.pseudonym.shapes import MASKED
from gateway.nhs.pseudonym.subject import Subject

META = (
    b'","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"PSEUDED"}]}'
)
MOST_KNOWN, LARGEST_KNOWN = 4096, 600
"""The number of results cached for one element, and the longest element that is cached."""
_MODIFIERS = frozenset({"modifierExtension", "implicitRules"})
ALWAYS = frozenset({"resourceType", "id", "meta"})
"""Made anew for every resource."""
ANSWERED = 1 << 62
"""The bit of an element that is the value of an Observation, or says why there is none."""
_NO_VALUE = f',"dataAbsentReason":{{"coding":[{{"system":"{ABSENT_SYSTEM}","code":"masked"}}]}}'.encode()


class Answer:
    """What leaves of an element as it was written once, with what did not, and how often it was written so."""

    __slots__ = ("codes", "count", "drops", "leaving")

    def __init__(self, leaving: bytes, drops: tuple[str, ...]):
        self.leaving, self.drops, self.count = leaving, drops, 1
        self.codes: frozenset[str] | None = None  # read when they are counted first


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of a resource that stays. ``known`` are answers that hold for everybody (codes repeat); None where
    they depend on whose it is. ``bit`` is the requirement of R4 that the element fulfils. ``masked`` is what leaves
    in place of an element that was there and may not leave. ``has_codes``: codes may leave in it."""

    name: str
    prefix: bytes
    make: Callable[[bytes, Subject], Made]
    bit: int
    known: dict[bytes, Answer] | None
    masked: bytes = b""
    has_codes: bool = False


class _Plan:
    """What to do with resources of one set of elements, and how many there were: what has no line is counted so.
    ``has_value``: they are Observations whose value may be missed."""

    __slots__ = ("count", "elements", "has_value", "left_out")

    def __init__(self, kind: _Type, names: Iterable[str]):
        self.count = 0
        self.has_value = kind.name == "Observation" and any(_is_value(name.lstrip("_")) for name in names)
        self.elements = tuple(kind.elements[name] for name in names if name in kind.elements)
        self.left_out = tuple(
            f"{kind.name}.{name}" for name in names if name not in kind.elements and name not in ALWAYS
        )


@dataclass(frozen=True, slots=True)
class _Type:
    """One resource type: its elements, and what to write for a required one that may not leave."""

    name: str
    head: bytes
    path: bytes
    elements: dict[str, _Element]
    identifies: bool
    all_bits: int
    masked: tuple[tuple[int, bytes], ...]
    plans: dict[tuple[str, ...], _Plan] = field(default_factory=dict)


class Pseudonymiser:
    """Pseudonymises whole people for one project. ``kept`` counts resources, ``dropped`` what was left out of them, by
    path, ``dropped_people`` of how many people. ``year`` is that of the release, by which the living are ninety.
    ``common`` are the codes that enough people hold, as ``held`` names them: others are masked. None: nobody counted,
    and all leave.

    Raises ``Refused`` for a setting that is none, and for a profile with days in an ``export``.
    """

    def __init__(self, profile: str, setting: str, key: bytes, year: int = 0, common: frozenset[str] | None = None):
        if setting not in SETTINGS:
            raise Refused("setting: in-sde or export")
        branches = compiled(profile)
        if setting == "export" and has_days(branches):
            raise Refused("profile: days never leave in an export")
        self.setting, self.year, self.common = setting, year, common
        self.types = {name: _type(branch) for name, branch in branches.items()}
        self._hmac = HMAC(key, SHA256())
        self._drops: Counter[tuple[str, ...]] = Counter()
        self._now: set[tuple[str, ...]] = set()
        self.dropped_people: Counter[str] = Counter()

    @property
    def kept(self) -> dict[str, int]:
        """How many resources of each type left."""
        counts = {name: sum(plan.count for plan in kind.plans.values()) for name, kind in self.types.items()}
        return {name: count for name, count in counts.items() if count}

    @property
    def dropped(self) -> dict[str, int]:
        """How often each element was left out, by its path; with a reason after a colon where it could have stayed."""
        dropped: Counter[str] = Counter()

        def add(paths: tuple[str, ...], count: int) -> None:
            for path in paths:
                dropped[path] += count

        for paths, count in self._drops.items():
            add(paths, count)
        for kind in self.types.values():
            for plan in kind.plans.values():
                add(plan.left_out, plan.count)
            for element in kind.elements.values():
                for answer in (element.known or {}).values():
                    add(answer.drops, answer.count)
        return dict(dropped)

    def subject(
        self,
        person: str,
        patients: Iterable[bytes],
        is_member: Callable[[str], bool],
        aliases: Mapping[str, str] | None = None,
        lives: Sequence[bytes] = (),
        deaths: Sequence[str] = (),
    ) -> Subject:
        """A person to pseudonymise resources for. ``patients`` are the bodies of their Patients, from which their
        district comes; birth and death, of these and of ``lives`` and ``deaths``, decide about dates. ``is_member``
        says whether ``Type/id`` is in the project: references to anything else are cut. ``aliases`` are the Patients
        who stand for retired ones."""
        patients = list(patients)
        life = stages([*patients, *lives], deaths, self.year)
        return Subject(self._hmac, person, self.setting, life, is_member, district_of(patients), aliases, self.common)

    def person(
        self,
        person: str,
        resources: Sequence[tuple[str, str, bytes]],
        types: frozenset[str] | None = None,
        approved: frozenset[str] | None = None,
        lives: Sequence[bytes] = (),
    ) -> Iterator[tuple[str, bytes]]:
        """Yield (type, line) for each resource of one person that leaves. ``person`` is what they are pseudonymised
        by; ``resources`` are (type, id, stored bytes) of all of them.

        Only ``types`` leave (None: all), each as if all did: ``approved`` are those of the project (None: all), into
        which references lead; references to anything else are cut. ``lives`` are further Patients of the person, who
        do not leave. Patients that their source retired never leave; references to them lead to who stands for them.
        """
        subject, leaving = self._leaving(person, resources, types, approved, lives)
        for name, body in leaving:
            yield name, self._cut_down(self.types[name], subject, body)
        self.dropped_people.update({path for paths in self._now for path in paths})
        self._now.clear()

    def _drop(self, paths: tuple[str, ...]) -> None:
        """Count what was left out of a person."""
        self._drops[paths] += 1
        self._now.add(paths)

    def held(
        self,
        person: str,
        resources: Sequence[tuple[str, str, bytes]],
        types: frozenset[str] | None = None,
        approved: frozenset[str] | None = None,
        lives: Sequence[bytes] = (),
    ) -> tuple[list[bytes], set[str]] | None:
        """What is counted of a person before anything leaves: their Patients as they would leave, and the codes that
        would leave of their other resources; None where nothing would. Takes what ``person`` takes."""
        subject, leaving = self._leaving(person, resources, types, approved, lives)
        if not leaving:
            return None
        patients, codes_held = [], set[str]()
        for name, body in leaving:
            if name == "Patient":
                patients.append(self._cut_down(self.types[name], subject, body))
            else:
                codes_held |= self._codes(self.types[name], subject, body)
        return patients, codes_held

    def _leaving(
        self,
        person: str,
        resources: Sequence[tuple[str, str, bytes]],
        types: frozenset[str] | None,
        approved: frozenset[str] | None,
        lives: Sequence[bytes],
    ) -> tuple[Subject, list[tuple[str, bytes]]]:
        """The person, and the (type, stored bytes) that leave of them."""
        patients = {f"Patient/{id_}": body for name, id_, body in resources if name == "Patient"}
        aliases = survivors(patients)
        if patients and len(aliases) == len(patients):
            self._drop(("a person of retired Patients only",))
            return self.subject(person, (), frozenset().__contains__), []
        admitted = [
            (name, id_, body)
            for name, id_, body in resources
            if not (aliases and f"{name}/{id_}" in aliases) and self._is_admitted(name, body, types, approved)
        ]
        if aliases:
            self._drops["Patient: retired",] += len(aliases)
            self._now.add(("Patient: retired",))
        members = {f"{name}/{id_}" for name, id_, _ in admitted}
        deaths = [died for _, _, body in resources if (died := died_on(body)) is not None]
        current = (body for name, body in patients.items() if name not in aliases)
        subject = self.subject(person, current, members.__contains__, aliases, [*patients.values(), *lives], deaths)
        return subject, [(name, body) for name, _, body in admitted if types is None or name in types]

    def _is_admitted(
        self, name: str, body: bytes, types: frozenset[str] | None = None, approved: frozenset[str] | None = None
    ) -> bool:
        """Whether a resource may leave at all; if not, it is counted."""
        if approved is not None and name not in approved:
            return False
        why = ""
        if name not in self.types:
            why = "type not in the profile"
        elif has_modifier(body):
            why = f"{name}: a modifier we do not know"
        if why and (types is None or name in types):
            self._drop((why,))
        return not why

    def _codes(self, kind: _Type, subject: Subject, body: bytes) -> set[str]:
        """The codes that would leave of a resource."""
        elements = _elements(body)
        names = tuple(elements)
        plan = kind.plans.get(names)
        if plan is None:
            plan = kind.plans[names] = _Plan(kind, names)
        held = set[str]()
        for element in plan.elements:
            if element.has_codes:
                written = bytes(elements[element.name])
                answer = (element.known or {}).get(written)
                if answer is None and element.known is not None:
                    answer = self._answer(element, element.known, written, subject)
                if answer is None:
                    changed, _ = element.make(written, subject)
                    held |= codes(changed) if changed else frozenset()
                else:
                    if answer.codes is None:
                        answer.codes = codes(answer.leaving[len(element.prefix) :])
                    held |= answer.codes
        return held

    def _cut_down(self, kind: _Type, subject: Subject, body: bytes) -> bytes:
        elements = _elements(body)
        names = tuple(elements)
        plan = kind.plans.get(names)
        if plan is None:
            plan = kind.plans[names] = _Plan(kind, names)
        plan.count += 1
        if plan.left_out:
            self._now.add(plan.left_out)
        written = bytes(elements["id"])
        id_ = _text(written).encode() if b"\\" in written else written[1:-1]
        parts = [kind.head, subject.pseudonym(kind.path + id_), META]
        if kind.identifies:
            parts.append(subject.identifier)
        bits, references = 0, subject.references
        for element in plan.elements:
            written = bytes(elements[element.name])
            if element.known is not None:
                answer = element.known.get(written)
                if answer is None:
                    answer = self._answer(element, element.known, written, subject)
                else:
                    answer.count += 1
                if answer.drops:
                    self._now.add(answer.drops)
                leaving = answer.leaving
            elif written in references:
                leaving = element.prefix + references[written]
            else:
                changed, drops = element.make(written, subject)
                if drops:
                    self._drop(drops)
                leaving = element.masked if changed is None else element.prefix + changed
            if leaving:
                parts.append(leaving)
                bits |= element.bit
        if plan.has_value and not bits & ANSWERED:
            parts.append(_NO_VALUE)
        if bits & kind.all_bits != kind.all_bits:
            parts += [filler for bit, filler in kind.masked if not bits & bit]
        parts.append(b"}")
        return b"".join(parts)

    def _answer(self, element: _Element, known: dict[bytes, Answer], written: bytes, subject: Subject) -> Answer:
        """What leaves of an element that nobody wrote before, or not lately."""
        changed, drops = element.make(written, subject)
        answer = Answer(element.masked if changed is None else element.prefix + changed, drops)
        if len(written) > LARGEST_KNOWN:
            self._drops[drops] += 1
            return answer
        if len(known) >= MOST_KNOWN:
            for old in known.values():
                self._drops[old.drops] += old.count
            known.clear()
        known[written] = answer
        return answer


_elements = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode
_plain = msgspec.json.Decoder().decode


def has_modifier(body: bytes) -> bool:
    """Whether a resource holds ``modifierExtension`` or ``implicitRules`` at any depth. Both may change its meaning and
    the gateway knows none, so such a resource does not leave."""
    if b'"modifierExtension"' in body or b'"implicitRules"' in body:
        return True
    return b"\\" in body and b"\\u" in body and _names_modifier(_plain(body))


def _names_modifier(value: object) -> bool:
    """The same for names written with escapes."""
    if isinstance(value, dict):
        return not _MODIFIERS.isdisjoint(value) or any(map(_names_modifier, value.values()))
    return isinstance(value, list) and any(map(_names_modifier, value))


def _type(branch: Branch) -> _Type:
    """A type ready to be applied."""
    bits = {name: 1 << number for number, names in enumerate(branch.must) for name in names}
    elements = {}
    for name, node in branch.below.items():
        path = f"{branch.kind}.{name}"
        if name not in ("id", "identifier"):
            known: dict[bytes, Answer] | None = None if is_personal(node) else {}
            elements[name] = _Element(
                name, f',"{name}":'.encode(), compile_element(path, node), bits.get(name, 0), known,
                _masked_line(name, node), has_codes(node),
            )  # fmt: skip
            if branch.kind == "Observation" and (_is_value(name) or name == "dataAbsentReason"):
                elements[name] = replace(elements[name], bit=elements[name].bit | ANSWERED, masked=b"")
    if branch.extensions:
        make = compile_extensions(f"{branch.kind}.extension", branch.extensions)
        known = None if set(DATES).intersection(branch.extensions.values()) else {}
        elements["extension"] = _Element("extension", b',"extension":', make, 0, known, has_codes=True)
    identifies = "identifier" in branch.below
    masked = tuple((1 << number, _masked(branch, names)) for number, names in enumerate(branch.must))
    head, prefix = f'{{"resourceType":"{branch.kind}","id":"'.encode(), f"{branch.kind}/".encode()
    return _Type(branch.kind, head, prefix, elements, identifies, (1 << len(branch.must)) - 1, masked)


def _is_value(name: str) -> bool:
    return name.startswith("value") and name != "value"


def _masked_line(name: str, node: Branch | Leaf) -> bytes:
    """What leaves in place of an element whose value may not."""
    if isinstance(node, Branch) or node.is_many or node.action not in MASKED_ACTIONS:
        return b""
    prefix = "_" if node.kind in table.PRIMITIVES else ""
    return f',"{prefix}{name}":'.encode() + MASKED


def _masked(branch: Branch, names: frozenset[str]) -> bytes:
    """The value in place of a required element that may not leave: a data-absent reason, because R4 requires the
    element."""
    name = sorted(names & branch.below.keys() or names)[0]
    element = next(element for element in table.types()[branch.kind].elements if name in element.names)
    prefix = "_" if element.names[name] in table.PRIMITIVES else ""
    return f',"{prefix}{name}":'.encode() + (b"[" + MASKED + b"]" if element.is_many else MASKED)
