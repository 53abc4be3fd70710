"""The code sets that policy stands on: their names, what a live store must hold of each, and how a code is found in
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

SNOMED = "http://snomed.info/sct"
READ2 = "http://read.info/readv2"
CTV3 = "http://read.info/ctv3"
EGTON = "https://fhir.hl7.org.uk/Id/egton-codes"

ALIASES = {"http://read.info/readctv3": CTV3}
"""Two URIs of one code system. Sources use both."""
READ = frozenset({READ2, CTV3, *ALIASES})
"""Systems whose codes are written with and without dots and term codes."""

REQUIRED: Mapping[str, frozenset[str]] = {
    "scr-preference": frozenset({"core", "core-only", "core-and-additional", "dissent"}),
    "type1": frozenset({"dissent"}),
    "sharing": frozenset({"objection", "consent"}),
    "confidential-marker": frozenset({"marker"}),
    "sensitive": frozenset({"gender", "termination", "assisted-fertilisation", "sexually-transmitted"}),
    "sensitive-services": frozenset({"service"}),
    "legal": frozenset({"hfe-act", "gender-recognition-act"}),
}
"""The sets a live store refuses to open without, and the effects each must have a member for: an empty category is a
leak nobody sees."""


@dataclass(frozen=True)
class CodeSet:
    """One set. ``members`` maps (system, code) to its effect (a category of the set). ``covers`` are the code systems
    it was made over: a code of such a system that is no member was considered and let through; any other code was
    never looked at."""

    name: str
    members: Mapping[tuple[str, str], str]
    version: str = ""
    date: str = ""
    origin: str = ""
    sandbox: bool = False
    covers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CodeSets:
    """The sets in force, by name. Made once at start and passed as an argument."""

    sets: tuple[CodeSet, ...] = ()
    by_code: dict[str, dict[str, list[tuple[str, str]]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for code_set in self.sets:
            for (system, code), effect in code_set.members.items():
                by_system = self.by_code.setdefault(code, {})
                by_system.setdefault(ALIASES.get(system, system), []).append((code_set.name, effect))

    def __getitem__(self, name: str) -> frozenset[tuple[str, str]]:
        """The members of a set; empty where there is none of that name."""
        return frozenset(member for code_set in self.sets if code_set.name == name for member in code_set.members)

    def find(self, system: str, code: str) -> Iterable[tuple[str, str]]:
        """(set, effect) of every set a code is a member of. Read codes are met with and without their dots and term
        code.

        >>> CodeSets((CodeSet("type1", {(READ2, "9Nu0."): "dissent"}),)).find(READ2, "9Nu0.00")
        [('type1', 'dissent')]
        """
        by_system = self.by_code.get(code)
        if by_system is None:
            if system not in READ:
                return ()
            by_system = self.by_code.get(_five(code))
            if by_system is None:
                return ()
        return by_system.get(ALIASES.get(system, system), ())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all sets: names, covered systems, members and effects. Labels are made with it."""
        contents = sorted(
            (
                code_set.name,
                sorted(code_set.covers),
                sorted((*member, effect) for member, effect in code_set.members.items()),
            )
            for code_set in self.sets
        )
        return blake2b(repr(contents).encode(), digest_size=8).hexdigest()

    @cached_property
    def covered(self) -> frozenset[str]:
        """The systems that the sets of sensitive codes were made over."""
        return frozenset(system for code_set in self.sets if code_set.name == "sensitive" for system in code_set.covers)


def _five(code: str) -> str:
    """A Read code as the sets write it: five characters, its two-digit term code off, dots filled up."""
    if len(code) == 7 and code[5:].isdigit():
        code = code[:5]
    return code.ljust(5, ".")


def missing(sets: CodeSets) -> tuple[str, ...]:
    """What a live store still lacks, by name and effect: sets absent, empty, without version or date, invented for the
    sandbox, or with an empty category. Empty if nothing is missing."""
    real: dict[str, set[str]] = {}
    for code_set in sets.sets:
        if code_set.members and code_set.version and code_set.date and code_set.origin and not code_set.sandbox:
            real.setdefault(code_set.name, set()).update(code_set.members.values())
    faults = []
    for name, effects in REQUIRED.items():
        if name not in real:
            faults.append(name)
        else:
            faults += [f"{name}: {effect}" for effect in sorted(effects - real[name])]
    return tuple(faults)
