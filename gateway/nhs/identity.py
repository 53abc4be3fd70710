"""THE TABLE of evidence: which Patients are one person. Wide to refuse, narrow to show; gathered, never merged.

Patients are gathered when an NHS number and the birth date agree, one of them is ``verified`` or ``registered``, a
name agrees and sex does not contradict. A ``claimed`` one must also agree in both names or in postcode. What is not
gathered is a possible mismatch, for review.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import msgspec

from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs import kinds
from gateway.nhs.identifiers import is_valid, normalise

VERIFIED_CODE = "01"
REGULAR = "R"

VERIFIED, REGISTERED, CLAIMED = "verified", "registered", "claimed"
GRADES = (VERIFIED, REGISTERED, CLAIMED)
"""How surely a Patient's number is its own, the surest first. ``verified``: PDS, PID-32 or CDS status said 01.
``registered``: the number of a patient now regularly registered in a GP system. ``claimed``: all else."""

LINKS = "links"
"""Stands among what a Patient is held apart from for the links that its source made."""

_NO_NAME = frozenset(
    {
        "unknown",
        "unk",
        "baby",
        "boy",
        "girl",
        "twin",
        "infant",
        "male",
        "female",
        "babyboy",
        "babygirl",
        "nfn",
        "notknown",
        "x",
    }
)
"""Placeholders for an unknown name. Two equal placeholders are no evidence (newborn twins are both Baby)."""
_NO_BIRTH_DATE = frozenset({"1900-01-01", "1899-12-30", "1901-01-01"})
"""Dates that systems fill in when the birth date is unknown."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence of identity in one Patient resource. ``numbers`` are all it claims: NHS numbers, and
    ``patient:<id>`` of itself and of each Patient it is linked with, so that what must be gathered together is found
    together. ``grades`` are of the NHS numbers by which it may be gathered.

    The last four are laid over what the source says (``settled``). ``apart`` are numbers that somebody holds it apart
    from: they stay in ``numbers``, to refuse, and gather nothing. ``joined`` are Patients it was joined with. ``sent``
    are the grades as its source gave them, where others hold. ``paired`` are numbers of which PDS says that one
    replaced the other."""

    patient: str
    numbers: tuple[str, ...]
    grades: tuple[tuple[str, str], ...] = ()
    born: str = ""
    sex: str = ""
    families: tuple[str, ...] = ()
    givens: tuple[str, ...] = ()
    postcodes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    replaced: bool = False
    apart: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    sent: tuple[tuple[str, str], ...] | None = None
    paired: tuple[tuple[str, str], ...] = ()

    def grade(self, number: str) -> str:
        """Return the grade of ``number`` for this Patient."""
        return dict(self.grades).get(number, CLAIMED)

    def claims(self, number: str) -> bool:
        """Whether it may be gathered and found by ``number``."""
        return any(number == claimed for claimed, _ in self.grades)

    @property
    def best(self) -> str:
        """Return the best grade among its numbers."""
        return min((grade for _, grade in self.grades), key=GRADES.index, default=CLAIMED)


encode_evidence = msgspec.json.Encoder().encode
decode_evidence = msgspec.json.Decoder(Evidence).decode
"""Evidence as it lies in the store, and back."""


@dataclass(frozen=True, slots=True)
class Person:
    """Patients gathered into one person, by id and sorted; the surest grade among them; why, in words without
    values."""

    patients: tuple[str, ...]
    grade: str
    why: str


def evidence(resources: Iterable[dict[str, Any]], kind: str) -> list[Evidence]:
    """Return what each Patient among one group's resources gives as evidence; ``kind`` is the publisher's (a
    name of ``kinds``)."""
    resources = list(resources)
    if not any(resource["resourceType"] == "Patient" for resource in resources):
        return []  # as for nearly every group
    episodes = filter(is_regular_registration, resources) if kinds.of(kind).registers else ()
    registered = {_id(episode.get("patient")) for episode in episodes}
    return [
        of_patient(resource, resource["id"] in registered)
        for resource in resources
        if resource["resourceType"] == "Patient"
    ]


def is_regular_registration(resource: dict[str, Any]) -> bool:
    """Whether this is the episode of a patient now regularly registered (GMS) with the practice."""
    return REGULAR in registration_codes(resource)


def registration_codes(resource: dict[str, Any]) -> frozenset[str]:
    """Return the types of an active registration, none for any other resource."""
    if resource["resourceType"] != "EpisodeOfCare" or resource.get("status") != "active":
        return frozenset()
    codings = (coding for type_ in _registration_types(resource) for coding in type_.get("coding", ()))
    return frozenset(coding.get("code", "") for coding in codings)


def _registration_types(episode: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield from episode.get("type", ())
    for extension in episode.get("extension", ()):
        if "valueCodeableConcept" in extension:
            yield extension["valueCodeableConcept"]


def of_patient(patient: dict[str, Any], registered: bool = False) -> Evidence:
    """Return what one Patient resource gives as evidence; ``registered``: it is regularly registered where it is."""
    grades: dict[str, str] = {}
    for identifier in patient.get("identifier", ()):
        number = normalise(identifier.get("value", ""))
        if identifier.get("system") == NHS_NUMBER and is_valid(number):
            grade = VERIFIED if _is_verified(identifier) else REGISTERED if registered else CLAIMED
            grades[number] = min(grade, grades.get(number, CLAIMED), key=GRADES.index)
    links = tuple(
        sorted(
            {
                _id(link.get("other"))
                for link in patient.get("link", ())
                if link.get("type") in ("replaced-by", "replaces")
            }
            - {""}
        )
    )
    names = patient.get("name", ())
    return Evidence(
        patient=patient["id"],
        numbers=(*sorted(grades), *sorted({f"patient:{id_}" for id_ in (patient["id"], *links)})),
        grades=tuple(sorted(grades.items())),
        born=_birth_date(patient.get("birthDate", "")),
        sex=patient.get("gender", "") if patient.get("gender") in ("male", "female") else "",
        families=_folded(name.get("family", "") for name in names),
        givens=_folded(word.split()[0] for name in names for word in name.get("given", ())[:1] if word.strip()),
        postcodes=tuple(
            sorted({_postcode(address.get("postalCode", "")) for address in patient.get("address", ())} - {""})
        ),
        links=links,
        replaced=any(link.get("type") == "replaced-by" for link in patient.get("link", ())),
    )


def _is_verified(identifier: dict[str, Any]) -> bool:
    return any(
        extension.get("url", "").endswith("Extension-UKCore-NHSNumberVerificationStatus")
        and any(
            coding.get("code") == VERIFIED_CODE
            for coding in extension.get("valueCodeableConcept", {}).get("coding", ())
        )
        for extension in identifier.get("extension", ())
    )


def _id(reference: dict[str, Any] | None) -> str:
    return str((reference or {}).get("reference", "")).rpartition("/")[2]


def _birth_date(text: str) -> str:
    """A whole birth date, or nothing: a year alone agrees with too many."""
    return text if len(text) == 10 and text not in _NO_BIRTH_DATE else ""


def fold(name: str) -> str:
    """Return a name as it is compared: letters only, without accents and case.

    >>> fold("O’Brien-Müller")
    'obrienmuller'
    """
    plain = unicodedata.normalize(
        "NFKD", name.replace("ß", "ss").replace("ø", "o").replace("Ø", "o").replace("ł", "l").replace("Ł", "l")
    ).casefold()
    return "".join(letter for letter in plain if letter.isalpha())


def _folded(names: Iterable[str]) -> tuple[str, ...]:
    folded = {fold(name) for name in names}
    return tuple(sorted(name for name in folded if len(name) > 1 and name not in _NO_NAME))


def _postcode(text: str) -> str:
    plain = re.sub(r"[^A-Z0-9]", "", text.upper())
    return plain if len(plain) >= 5 and not plain.startswith("ZZ99") else ""


# Gathering


def disagreement(first: Evidence, other: Evidence, number: str) -> str:
    """Return why two Patients that claim ``number`` are not gathered over it, or "" when they are."""
    sure = (first.grade(number) != CLAIMED) + (other.grade(number) != CLAIMED)
    if not sure:
        return "neither number is verified or registered"
    if not first.born or first.born != other.born:
        return "birth dates do not agree"
    if _are_joined(first, other) and first.grade(number) == other.grade(number) == VERIFIED:
        return ""
    if contradicts(first, other):
        return "sex contradicts"
    has_family, has_given = _meet(first.families, other.families), _meet(first.givens, other.givens)
    if not has_family and not has_given:
        return "no name agrees"
    if sure == 1 and not (has_family and has_given) and not _meet(first.postcodes, other.postcodes):
        return "a claimed number, and neither both names nor postcode agree"
    if sure == 1 and not has_given and _are_others(first.givens, other.givens):
        return "a claimed number and another forename, as a twin has"
    return ""


def contradicts(first: Evidence, other: Evidence) -> bool:
    """Whether two Patients cannot be one person: opposite sex, unless somebody joined them, or other birth dates."""
    is_other_sex = bool(first.sex and other.sex and first.sex != other.sex)
    return (is_other_sex and not _are_joined(first, other)) or bool(
        first.born and other.born and first.born != other.born
    )


def _are_others(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether forenames are known of both, and none begins as one of the other's: twins share birth date, surname and
    postcode, and a number that one of them claims may be the other's."""
    return bool(some and others) and not any(
        name.startswith(other) or other.startswith(name) for name in some for other in others
    )


def _are_joined(first: Evidence, other: Evidence) -> bool:
    return other.patient in first.joined and first.patient in other.joined


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return not set(some).isdisjoint(others)


def gather(evidences: Iterable[Evidence]) -> tuple[list[Person], list[tuple[str, str, str]]]:
    """Return the persons, every Patient in exactly one, and the possible mismatches as (number, patient, why).

    Pure, and the same for any order of evidence. Patients a source itself links as replaced go together whatever they
    say; the ones it retired are not asked who they are.
    """
    by_id = {claimant.patient: claimant for claimant in sorted(evidences, key=lambda claimant: claimant.patient)}
    units = _groups(by_id, _linked(by_id))
    unit_of = {patient: unit[0] for unit in units for patient in unit}
    speakers = {
        unit[0]: [by_id[id_] for id_ in unit if not by_id[id_].replaced] or [by_id[id_] for id_ in unit]
        for unit in units
    }
    edges: list[tuple[str, str]] = []
    why: dict[tuple[str, str], str] = {}
    for number in sorted({number for claimant in by_id.values() for number, _ in claimant.grades}):
        claimants = sorted({unit_of[claimant.patient] for claimant in by_id.values() if claimant.claims(number)})
        edges += _agreed(number, claimants, speakers, why)
    persons = [part for whole in _groups(speakers, edges) for part in _of_one_number(whole, edges, speakers, why)]
    persons = [part for whole in persons for part in _sound(whole, speakers)]
    person_of = {unit: index for index, person in enumerate(persons) for unit in person}
    members = {unit[0]: unit for unit in units}
    people = [_person([by_id[id_] for unit in person for id_ in members[unit]], len(person)) for person in persons]
    return sorted(people, key=lambda person: person.patients), _mismatches(by_id, unit_of, person_of, why)


def _linked(by_id: dict[str, Evidence]) -> list[tuple[str, str]]:
    """Pairs of Patients that a source linked, but of those that somebody holds apart from its links."""
    return [
        (claimant.patient, other)
        for claimant in by_id.values()
        for other in claimant.links
        if other in by_id and LINKS not in claimant.apart and LINKS not in by_id[other].apart
    ]


def _agreed(
    number: str, claimants: list[str], speakers: dict[str, list[Evidence]], why: dict[tuple[str, str], str]
) -> list[tuple[str, str]]:
    """Pairs of units gathered over one number. A unit that agrees with somebody and is contradicted by somebody else
    of the same gathering is left out, a claimed one before a sure one."""
    pairs = []
    for index, first in enumerate(claimants):
        for other in claimants[index + 1 :]:
            reason = _units_disagree(speakers[first], speakers[other], number)
            if reason:
                for unit in (first, other):
                    why[number, unit] = min(reason, why.get((number, unit), reason))
            else:
                pairs.append((first, other))
    for sure_only in (False, True):
        left_out = set()
        for group in _groups(dict.fromkeys(claimants), pairs):
            for first in group:
                against = [other for other in group if other != first and _contradict(speakers[first], speakers[other])]
                is_sure = _is_sure(speakers[first], number)
                if against and is_sure == sure_only:
                    left_out.add(first)
        for unit in left_out:
            why[number, unit] = "contradicts another that shares the number"
        pairs = [pair for pair in pairs if left_out.isdisjoint(pair)]
    return pairs


def _units_disagree(some: list[Evidence], others: list[Evidence], number: str) -> str:
    """Why no Patient of one unit agrees with any of the other; "" when one does."""
    reasons = [
        disagreement(first, other, number)
        for first in some
        for other in others
        if first.claims(number) and other.claims(number)
    ]
    if not reasons:
        return "the number is one that the source has replaced"
    return "" if "" in reasons else min(reasons)


def _contradict(some: list[Evidence], others: list[Evidence]) -> bool:
    return any(contradicts(first, other) for first in some for other in others)


def _is_sure(unit: list[Evidence], number: str) -> bool:
    return any(claimant.claims(number) and claimant.grade(number) != CLAIMED for claimant in unit)


def _sound(person: list[str], speakers: dict[str, list[Evidence]]) -> list[list[str]]:
    """Keep a person that was gathered over several numbers only if none of its Patients contradict each other.
    Otherwise split it into single Patients."""
    for index, first in enumerate(person):
        if any(_contradict(speakers[first], speakers[other]) for other in person[index + 1 :]):
            return [[unit] for unit in person]
    return [person]


def _of_one_number(
    person: list[str],
    edges: Iterable[tuple[str, str]],
    speakers: dict[str, list[Evidence]],
    why: dict[tuple[str, str], str],
) -> list[list[str]]:
    """Keep a person none of whose units are sure of numbers that the others are not, unless PDS says that one number
    replaced the other. Otherwise leave out the units that claim several of those numbers, who bridge them."""
    claimed = {unit: _numbers_of(speakers[unit]) for unit in person}
    sure = {unit: {number for number in claimed[unit] if _is_sure(speakers[unit], number)} for unit in person}
    numbers = set().union(*sure.values())
    if len(numbers) < 2:
        return [person]
    pairs = {pair for unit in person for said in speakers[unit] for pair in said.paired}
    first_of = {
        number: group[0]
        for group in _groups(numbers, [pair for pair in pairs if numbers.issuperset(pair)])
        for number in group
    }
    surely = [{first_of[number] for number in sure[unit]} for unit in person if sure[unit]]
    if not any(some.isdisjoint(others) for some, others in combinations(surely, 2)):
        return [person]
    bridges = {unit for unit in person if len({first_of[number] for number in claimed[unit] & numbers}) > 1}
    why.update({(number, unit): "claims numbers of several people" for unit in bridges for number in claimed[unit]})
    within = set(person) - bridges
    return _groups(person, [pair for pair in edges if within.issuperset(pair)])


def _numbers_of(unit: list[Evidence]) -> set[str]:
    return {number for claimant in unit for number, _ in claimant.grades}


def _person(evidences: list[Evidence], units: int) -> Person:
    grade = min((claimant.best for claimant in evidences), key=GRADES.index)
    if units > 1:
        why = f"number, birth date and names agree; {grade}"
    elif len(evidences) > 1:
        why = "linked by the source"
    else:
        why = "alone"
    return Person(tuple(sorted(claimant.patient for claimant in evidences)), grade, why)


def _mismatches(
    by_id: dict[str, Evidence], unit_of: dict[str, str], person_of: dict[str, int], why: dict[tuple[str, str], str]
) -> list[tuple[str, str, str]]:
    """Return the Patients that claim a number and are not gathered with its one sure owner. If there is no owner, or
    several, return all claimants."""
    mismatches = []
    for number in sorted({number for claimant in by_id.values() for number, _ in claimant.grades}):
        claimants = [claimant for claimant in by_id.values() if claimant.claims(number)]
        persons = {person_of[unit_of[claimant.patient]] for claimant in claimants}
        if len(persons) < 2:
            continue
        sure = {person_of[unit_of[claimant.patient]] for claimant in claimants if claimant.grade(number) != CLAIMED}
        for claimant in claimants:
            unit = unit_of[claimant.patient]
            if sure != {person_of[unit]}:
                mismatches.append(
                    (number, claimant.patient, why.get((number, unit), "contradicts another that shares the number"))
                )
    return mismatches


def are_one(numbers: Iterable[str], pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether pairs of numbers, of which one replaced the other, connect all of these.

    >>> are_one("ac", [("a", "b"), ("b", "c")]), are_one("ac", [("a", "a"), ("c", "c")])
    (True, False)
    """
    pairs, numbers = list(pairs), set(numbers)
    return any(numbers.issubset(group) for group in _groups(numbers.union(*pairs), pairs))


def _groups(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Connected nodes, each group sorted, the groups by their first."""
    root = {node: node for node in nodes}

    def find(node: str) -> str:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for first, other in edges:
        low, high = sorted((find(first), find(other)))
        root[high] = low
    groups: dict[str, list[str]] = {}
    for node in sorted(root):
        groups.setdefault(find(node), []).append(node)
    return [groups[first] for first in sorted(groups)]
