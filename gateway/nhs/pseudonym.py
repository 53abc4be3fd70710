"""What leaves for secondary use: whole people, their resources cut down to the policy's elements, under keys of one
project.

Pseudonyms are HMAC-SHA256, 128 bits, base32 in lower case; keys come down from one root by HKDF (root → controller →
project and version). Unkeyed hashes are never used: all NHS numbers can be hashed in minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.errors import Refused
from gateway.fhir.r4 import table
from gateway.nhs.actions import MASKED, Made, compile_element, compile_extensions, is_personal
from gateway.nhs.policy import DATES, SETTINGS, Branch, compiled, has_days

PERSON_SYSTEM = "urn:nhs-record-gateway:person-pseudonym"
META = (
    b'","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"PSEUDED"}]}'
)
ROOT_BYTES = 32
ALL_UNTIL, ALL_FROM = "9999", ""
LENGTHS = {"year": 4, "month": 7, "day": 10}
NINETY = 90
"""Years of age from which no birth year leaves."""
UNDER, DYING = 366, 30
"""Days after birth (a year) and before death in which clinical dates leave as months: a newborn's first contact is a
birth date."""
MOST_KNOWN, LARGEST_KNOWN = 4096, 600
"""Answers remembered for one element, and the longest element worth it."""
_MODIFIERS = frozenset({"modifierExtension", "implicitRules"})
ALWAYS = frozenset({"resourceType", "id", "meta"})
"""Made anew for every resource."""

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"
_THREE = [bytes(three) for three in itertools.product(_ALPHABET, repeat=3)]
_TWO = [bytes(two) for two in itertools.product(_ALPHABET, repeat=2)]
_SHIFTS = range(115, 9, -15)


def project_key(root: bytes, controller: str, project: str, version: int) -> bytes:
    """The 32-byte key of one project at one version of its key. Another project's pseudonyms cannot be matched with it.

    Raises ``Refused`` for a root of less than 256 bits: a file cut short would be a key that anybody can guess.
    """
    if len(root) < ROOT_BYTES:
        raise Refused(f"the root key of exports: {ROOT_BYTES} bytes are needed")
    middle = HKDF(SHA256(), 32, b"nhs-record-gateway", f"controller:{controller}".encode()).derive(root)
    return HKDF(SHA256(), 32, b"nhs-record-gateway", f"project:{project}:{version}".encode()).derive(middle)


def base32(digest: bytes) -> bytes:
    """128 bits as 26 letters and digits, as RFC 4648 has it, in lower case and without padding; three at a time, for
    speed.

    >>> base32(bytes(16))
    b'aaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    bits = int.from_bytes(digest[:16], "big") << 2
    return b"".join([_THREE[bits >> shift & 32767] for shift in _SHIFTS]) + _TWO[bits & 1023]


class Life(Struct, gc=False):
    """What of a Patient decides how fine dates may be."""

    birthDate: str | UnsetType = UNSET
    deceasedDateTime: str | UnsetType = UNSET
    deceasedBoolean: bool | UnsetType = UNSET


_life = msgspec.json.Decoder(Life).decode


def span(patients: Iterable[bytes]) -> tuple[str, str]:
    """Return (until, from): clinical dates before the one and from the other on leave as months only.

    Of several Patients of one person the widest reading counts. Without any birth date, or with a death without a
    date, every date is one of them.
    """
    lives = [_life(body) for body in patients]
    births = [_moved(life.birthDate, UNDER, last=True) for life in lives if life.birthDate]
    deaths = [_moved(life.deceasedDateTime, -DYING, last=False) for life in lives if life.deceasedDateTime]
    deaths += [ALL_FROM for life in lives if life.deceasedBoolean is True]
    return max(births, default=ALL_UNTIL), min(deaths, default=ALL_UNTIL)


def is_ninety(patients: Iterable[bytes], year: int) -> bool:
    """Whether somebody reaches ninety by ``year``, or by the year they died: the very old are few, and their birth
    year does not leave.

    >>> is_ninety([b'{"birthDate":"1930-05-01"}'], 2026)
    True
    >>> is_ninety([b'{"birthDate":"1930-05-01","deceasedDateTime":"1990-01"}'], 2026)
    False
    """
    lives = [_life(body) for body in patients]
    return any(
        int((life.deceasedDateTime or str(year))[:4]) - int(life.birthDate[:4]) >= NINETY
        for life in lives
        if life.birthDate
    )


def _moved(text: str, days: int, last: bool) -> str:
    """The last or first day a FHIR date may mean, moved by ``days``; what the calendar does not hold makes every date
    one of them."""
    year, month, day = (int(part) for part in (text[:10].split("-") + ["0", "0"])[:3])
    try:
        if day:
            found = date(year, month, day)
        elif not last:
            found = date(year, month or 1, 1)
        else:
            found = (date(year, month + 1, 1) if 0 < month < 12 else date(year + 1, 1, 1)) - timedelta(1)
        return (found + timedelta(days)).isoformat()
    except (ValueError, OverflowError):
        return ALL_UNTIL if last else ALL_FROM


class Subject:
    """One person of a project: the key, what their dates may tell, who is in the release with them."""

    __slots__ = ("_cut", "_from", "_hmac", "_is_member", "_names", "_until", "identifier", "is_ninety", "references")

    def __init__(
        self,
        key: hmac.HMAC,
        person: str,
        setting: str,
        span: tuple[str, str],
        is_member: Callable[[str], bool],
        is_ninety: bool = False,
    ):
        self._hmac, self._is_member, self.is_ninety = key, is_member, is_ninety
        self._until, self._from = (day.encode() for day in span)
        self._cut = 10 if setting == "in-sde" else 7
        self._names: dict[bytes, bytes] = {}
        self.references: dict[bytes, bytes] = {}
        name = self.pseudonym(b"person:" + person.encode())
        self.identifier = b',"identifier":[{"system":"%s","value":"%s"}]' % (PERSON_SYSTEM.encode(), name)

    def pseudonym(self, text: bytes) -> bytes:
        """The keyed pseudonym of an id (``Type/id``, as references write it) or a person."""
        known = self._names.get(text)
        if known is None:
            mac = self._hmac.copy()
            mac.update(text)
            known = self._names[text] = base32(mac.digest())
        return known

    def cut(self, written: bytes, action: str) -> bytes:
        """A date as the project may have it: by setting to the day or month; the month for babies and at the end of
        life."""
        length = self._cut if action == "by-setting" else LENGTHS[action]
        if length == 10 and (written[:10] < self._until or written[:10] >= self._from):
            length = 7
        return written[:length]

    def is_member(self, target: str) -> bool:
        return self._is_member(target)


class Answer:
    """What leaves of an element as it was written once, with what did not, and how often it was written so."""

    __slots__ = ("count", "drops", "made")

    def __init__(self, made: bytes, drops: tuple[str, ...]):
        self.made, self.drops, self.count = made, drops, 1


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of a resource that stays. ``known`` are answers that hold for everybody (codes repeat); None where
    they depend on whose it is. ``bit`` is the requirement of R4 that the element fulfils."""

    name: str
    prefix: bytes
    make: Callable[[bytes, Subject], Made]
    bit: int
    known: dict[bytes, Answer] | None


class _Plan:
    """What to do with resources of one set of elements, and how many there were: what has no line is counted so."""

    __slots__ = ("count", "elements", "left_out")

    def __init__(self, kind: _Type, names: Iterable[str]):
        self.count = 0
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
    path. ``year`` is that of the release, by which the living are ninety.

    Raises ``Refused`` for a setting that is none, and for a profile with days in an ``export``.
    """

    def __init__(self, profile: str, setting: str, key: bytes, year: int = 0):
        if setting not in SETTINGS:
            raise Refused("setting: in-sde or export")
        branches = compiled(profile)
        if setting == "export" and has_days(branches):
            raise Refused("profile: days never leave in an export")
        self.setting, self.year = setting, year
        self.types = {name: _type(branch) for name, branch in branches.items()}
        self._hmac = hmac.new(key, digestmod=hashlib.sha256)
        self._drops: Counter[tuple[str, ...]] = Counter()

    @property
    def kept(self) -> dict[str, int]:
        """How many resources of each type left."""
        found = {name: sum(plan.count for plan in kind.plans.values()) for name, kind in self.types.items()}
        return {name: count for name, count in found.items() if count}

    @property
    def dropped(self) -> dict[str, int]:
        """How often each element was left out, by its path; with a reason after a colon where it could have stayed."""
        found: Counter[str] = Counter()

        def add(paths: tuple[str, ...], count: int) -> None:
            for path in paths:
                found[path] += count

        for paths, count in self._drops.items():
            add(paths, count)
        for kind in self.types.values():
            for plan in kind.plans.values():
                add(plan.left_out, plan.count)
            for element in kind.elements.values():
                for answer in (element.known or {}).values():
                    add(answer.drops, answer.count)
        return dict(found)

    def subject(self, person: str, patients: Iterable[bytes], is_member: Callable[[str], bool]) -> Subject:
        """A person to pseudonymise resources for. ``patients`` are the bodies of all their Patients: birth and death
        decide about dates. ``is_member`` says whether ``Type/id`` is in the release: references to anything else are
        cut."""
        patients = list(patients)
        return Subject(self._hmac, person, self.setting, span(patients), is_member, is_ninety(patients, self.year))

    def person(self, person: str, resources: Sequence[tuple[str, str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield (type, line) for each resource of one person that leaves. ``person`` is what they are pseudonymised
        by; ``resources`` are (type, id, stored bytes) of all of them: references to anything else are cut."""
        leaving = [(name, id_, body) for name, id_, body in resources if self._is_admitted(name, body)]
        members = {f"{name}/{id_}" for name, id_, _ in leaving}
        subject = self.subject(person, (body for name, _, body in leaving if name == "Patient"), members.__contains__)
        for name, _, body in leaving:
            yield name, self._cut_down(self.types[name], subject, body)

    def apply(self, subject: Subject, name: str, body: bytes) -> bytes | None:
        """Return what leaves of a resource of type ``name``, or None: the type has no lines, or a modifier changes its
        meaning."""
        return self._cut_down(self.types[name], subject, body) if self._is_admitted(name, body) else None

    def _is_admitted(self, name: str, body: bytes) -> bool:
        """Whether a resource may leave at all; if not, it is counted."""
        if name not in self.types:
            self._drops["type not in the profile",] += 1
            return False
        if has_modifier(body):
            self._drops[f"{name}: a modifier we do not know",] += 1
            return False
        return True

    def _cut_down(self, kind: _Type, subject: Subject, body: bytes) -> bytes:
        given = _elements(body)
        names = tuple(given)
        plan = kind.plans.get(names)
        if plan is None:
            plan = kind.plans[names] = _Plan(kind, names)
        plan.count += 1
        written = bytes(given["id"])
        id_ = _text(written).encode() if b"\\" in written else written[1:-1]
        parts = [kind.head, subject.pseudonym(kind.path + id_), META]
        if kind.identifies:
            parts.append(subject.identifier)
        bits, references = 0, subject.references
        for element in plan.elements:
            written = bytes(given[element.name])
            if element.known is not None:
                answer = element.known.get(written)
                if answer is None:
                    answer = self._answer(element, written, subject)
                else:
                    answer.count += 1
                made = answer.made
            elif written in references:
                made = element.prefix + references[written]
            else:
                made, drops = element.make(written, subject)
                if drops:
                    self._drops[drops] += 1
                if made is not None:
                    made = element.prefix + made
            if made:
                parts.append(made)
                bits |= element.bit
        if bits != kind.all_bits:
            parts += [filler for bit, filler in kind.masked if not bits & bit]
        parts.append(b"}")
        return b"".join(parts)

    def _answer(self, element: _Element, written: bytes, subject: Subject) -> Answer:
        """What leaves of an element that nobody wrote before, or not lately."""
        made, drops = element.make(written, subject)
        answer = Answer(b"" if made is None else element.prefix + made, drops)
        if len(written) > LARGEST_KNOWN:
            self._drops[drops] += 1
            return answer
        if len(element.known) >= MOST_KNOWN:
            for known in element.known.values():
                self._drops[known.drops] += known.count
            element.known.clear()
        element.known[written] = answer
        return answer


_elements = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str).decode
_plain = msgspec.json.Decoder().decode


def has_modifier(body: bytes) -> bool:
    """Whether something anywhere in a resource may change what it means. We know none: it does not leave without it,
    and not with it."""
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
            known = None if is_personal(node) else {}
            elements[name] = _Element(
                name, f',"{name}":'.encode(), compile_element(path, node), bits.get(name, 0), known
            )
    if branch.extensions:
        make = compile_extensions(f"{branch.kind}.extension", branch.extensions)
        known = None if set(DATES).intersection(branch.extensions.values()) else {}
        elements["extension"] = _Element("extension", b',"extension":', make, 0, known)
    identifies = "identifier" in branch.below
    masked = tuple((1 << number, _masked(branch, names)) for number, names in enumerate(branch.must))
    head, path = f'{{"resourceType":"{branch.kind}","id":"'.encode(), f"{branch.kind}/".encode()
    return _Type(branch.kind, head, path, elements, identifies, (1 << len(branch.must)) - 1, masked)


def _masked(branch: Branch, names: frozenset[str]) -> bytes:
    """What stands for a required element that may not leave: R4 asks for it, so its absence says why."""
    name = sorted(names & branch.below.keys() or names)[0]
    element = next(each for each in table.types()[branch.kind].elements if name in each.names)
    prefix = "_" if element.names[name] in table.PRIMITIVES else ""
    return f',"{prefix}{name}":'.encode() + (b"[" + MASKED + b"]" if element.is_many else MASKED)
