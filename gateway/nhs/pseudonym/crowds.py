"""k-anonymity: which facts tell who somebody is, how they are made coarser, and how coarse whose must be.

The facts of a person are compared as they would leave. Who shares theirs with fewer than k people is made coarser, step
by step, until k people look the same at that step. A masked fact is a value like any other: k people must share it. A
fact that a step takes away is written as masked for everybody, also for those who never had it: else the few who had it
would be known among the many who had not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.nhs.pseudonym.shapes import MASKED

DEFAULT_K = 5
ETHNICITY = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory"
BIRTH_SEX = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex"
DECADE = "urn:nhs-record-gateway:birth-decade"
QUASI_IDENTIFIERS: dict[str, tuple[str, ...]] = {
    "born": ("birthDate",),
    "sex": ("gender", f"extension:{BIRTH_SEX}"),
    "district": ("address.postalCode",),
    "ethnicity": (f"extension:{ETHNICITY}",),
    "died": ("deceasedDateTime", "deceasedBoolean"),
}
"""THE TABLE of facts by which somebody may be known, and the elements of a Patient that tell each."""
NOT_QUASI = frozenset({"id", "identifier", "active"})
"""Elements of a Patient by which nobody outside knows a person. A profile with any other, that is no quasi-identifier
either, is refused."""
STEPS: tuple[tuple[str, str, str], ...] = (
    ("born", "decade", "the year divides most; ten years still serve research by age"),
    ("district", "", "a place divides next, and is least needed where few people share it"),
    ("ethnicity", "", "kept longer than the place, because who is missing must stay visible"),
    ("died", "yes", "that somebody died is kept to the end: without it the dead would look alive"),
    ("born", "", "then nothing is left but the sex"),
    ("sex", "", "at last nothing but whether they live"),
)
"""THE TABLE of steps: (fact, what it becomes, reason). Step n includes all before it."""
LAST = len(STEPS)
STATUS_SYSTEMS = frozenset({
    "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "http://terminology.hl7.org/CodeSystem/data-absent-reason",
    "http://unitsofmeasure.org",
})  # fmt: skip
"""Systems whose codes stay however few hold them: a refuted diagnosis without its status would look like a diagnosis, a
number without its unit like another number."""
Facts = tuple[str, ...]
"""One text for each quasi-identifier, "" for none; of several Patients of a person every different value, with "+"."""
_NAMES = tuple(QUASI_IDENTIFIERS)
_LIVES: dict[object, str] = {True: "yes", False: "no"}
"""What is said of somebody's death without a date."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def facts(patients: Iterable[bytes]) -> Facts:
    """The facts that the Patients of one person tell, as they would leave.

    >>> facts([b'{"gender":"female","birthDate":"1950"}', b'{"gender":"female","deceasedDateTime":"2024"}'])
    ('1950', 'female', '', '', '2024')
    """
    by_patient = [_facts(_decode(patient)) for patient in patients]
    return tuple("+".join(sorted({text for text in texts if text})) for texts in zip(*by_patient, strict=True)) or (
        "",
    ) * len(_NAMES)


def _facts(patient: Mapping[str, Any]) -> Facts:
    extensions = {extension["url"]: extension for extension in patient.get("extension", ())}
    died = patient.get("deceasedDateTime", "") or _mask(patient, "deceasedDateTime")
    died = died or _LIVES.get(patient.get("deceasedBoolean"), "")
    born = patient.get("birthDate", "") or _masked_birth(patient)
    addresses = patient.get("address", ())
    district = "+".join(sorted(text.get("postalCode", "") or _mask(text, "postalCode") or "none" for text in addresses))
    sex = patient.get("gender", "") or _code(extensions.get(BIRTH_SEX)) or _mask(patient, "gender")
    return born, sex, district, _code(extensions.get(ETHNICITY)), died


def _masked_birth(patient: Mapping[str, Any]) -> str:
    """The decade that stands in place of a year of birth, or "masked"; "" where nothing says that it is."""
    if "_birthDate" not in patient:
        return ""
    extensions = patient["_birthDate"].get("extension", ())
    return next((extension["valueCode"] for extension in extensions if extension["url"] == DECADE), "masked")


def _mask(element: Mapping[str, Any], name: str) -> str:
    return "masked" if f"_{name}" in element else ""


def _code(extension: Mapping[str, Any] | None) -> str:
    """The codes of an extension; "masked" for one that has none, "" where there is none."""
    if extension is None:
        return ""
    codings = (extension.get("valueCodeableConcept") or {}).get("coding", ())
    return "+".join(sorted(str(coding.get("code", "")) for coding in codings)) or "masked"


def at(about: Facts, step: int) -> Facts:
    """Facts as they are after so many steps. Facts that are coarse already stay as they are.

    >>> at(("1950", "female", "LS1", "A", "2024"), 1), at(("1950", "female", "LS1", "A", "2024"), 4)
    (('1950s', 'female', 'LS1', 'A', '2024'), ('1950s', 'female', 'masked', 'masked', 'yes'))
    """
    coarse = dict(zip(_NAMES, about, strict=True))
    for name, becomes, _ in STEPS[:step]:
        coarse[name] = _COARSER[becomes](coarse[name])
    return tuple(coarse.values())


def decade(born: str) -> str:
    """The decades of years of birth; what is no year stays.

    >>> decade("1950+1961"), decade("masked"), decade("1950s")
    ('1950s+1960s', 'masked', '1950s')
    """
    return "+".join(sorted({f"{year[:3]}0s" if year.isdigit() else year for year in born.split("+")}))


_COARSER: dict[str, Callable[[str], str]] = {
    "decade": decade,
    "": lambda _: "masked",
    "yes": lambda died: "" if {"", "no"}.issuperset(died.split("+")) else "yes",
}


@dataclass(frozen=True)
class Crowds:
    """What may leave of whom. ``kept`` are, for each step, the facts that at least k people share after it."""

    kept: tuple[frozenset[Facts], ...]

    def step(self, about: Facts) -> int | None:
        """The step after which a person leaves; None for somebody who cannot leave, or was never counted."""
        return next((step for step in range(LAST + 1) if at(about, step) in self.kept[step]), None)


def crowds(people: Mapping[Facts, int], k: int) -> Crowds:
    """Decide, from how many people have which facts, after which step each leaves. The same counts decide the same.

    Where at the last step fewer than k are left, the smallest crowd that would look the same joins them. Where there is
    none, they are left out: ``Crowds.step`` is None for them.
    """
    kept: list[dict[Facts, int]] = []
    rest = dict(people)
    for step in range(LAST + 1):
        shared = _shared(rest, step)
        kept.append({about: count for about, count in shared.items() if count >= k})
        rest = {about: count for about, count in rest.items() if at(about, step) not in kept[step]}
    for few in sorted(_shared(rest, LAST)):
        _join(kept, few)
    return Crowds(tuple(frozenset(shared) for shared in kept))


def _shared(people: Mapping[Facts, int], step: int) -> Counter[Facts]:
    shared: Counter[Facts] = Counter()
    for about, count in people.items():
        shared[at(about, step)] += count
    return shared


def _join(kept: list[dict[Facts, int]], few: Facts) -> None:
    """Have the smallest crowd of the coarsest step that has any join a few people at the last step."""
    for step in range(LAST - 1, -1, -1):
        alike = sorted((count, about) for about, count in kept[step].items() if at(about, LAST) == few)
        if alike:
            count, about = alike[0]
            del kept[step][about]
            kept[LAST][few] = count
            return


def coarser(patient: bytes, step: int) -> bytes:
    """A Patient that leaves, after so many steps. What a step takes away says that it is masked, also where there was
    nothing; a date of death becomes that the person died. Elements are in the order of their names: that of a source
    would tell whose record it is."""
    if not step:
        return patient
    resource = _decode(patient)
    for name, becomes, _ in STEPS[:step]:
        _CHANGES[name](resource, becomes)
    return _encode(dict(sorted(resource.items(), key=lambda item: (item[0] != "resourceType", item[0]))))


def _coarser_birth(patient: dict[str, Any], becomes: str) -> None:
    born = patient.pop("birthDate", "")
    if born or not becomes:
        masked = msgspec.json.decode(MASKED)
        if becomes:
            masked["extension"].append({"url": DECADE, "valueCode": decade(born)})
        patient["_birthDate"] = masked


def _without_sex(patient: dict[str, Any], _becomes: str) -> None:
    patient.pop("gender", "")
    patient["_gender"] = msgspec.json.decode(MASKED)
    patient["extension"] = [it for it in patient.get("extension", ()) if it["url"] != BIRTH_SEX]


def _without_district(patient: dict[str, Any], _becomes: str) -> None:
    patient["address"] = [{"_postalCode": msgspec.json.decode(MASKED)}]


def _without_ethnicity(patient: dict[str, Any], _becomes: str) -> None:
    masked = {"url": ETHNICITY, "valueCodeableConcept": msgspec.json.decode(MASKED)}
    others = [extension for extension in patient.get("extension", ()) if extension["url"] != ETHNICITY]
    patient["extension"] = [*others, masked]


def _without_death_date(patient: dict[str, Any], _becomes: str) -> None:
    is_dead = patient.pop("deceasedDateTime", "") or "_deceasedDateTime" in patient or patient.get("deceasedBoolean")
    for name in ("_deceasedDateTime", "deceasedBoolean"):  # that somebody lives is said of some alone
        patient.pop(name, None)
    if is_dead:
        patient["deceasedBoolean"] = True


_CHANGES = {
    "born": _coarser_birth, "sex": _without_sex, "district": _without_district, "ethnicity": _without_ethnicity,
    "died": _without_death_date,
}  # fmt: skip


def codes(written: bytes) -> frozenset[str]:
    """The codes ("system code") in the JSON of an element that leaves, without those that always stay.

    >>> sorted(codes(b'{"coding":[{"system":"http://loinc.org","code":"1-8"}]}'))
    ['http://loinc.org 1-8']
    """
    return frozenset(_codes(msgspec.json.decode(written))) if b'"system"' in written else frozenset()


def _codes(value: object) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:
            yield from _codes(item)
    elif isinstance(value, dict):
        system, code = value.get("system"), value.get("code")
        if isinstance(system, str) and isinstance(code, str) and system not in STATUS_SYSTEMS:
            yield f"{system} {code}"
        for below in value.values():
            yield from _codes(below)
