"""Two stores that differ in what is withheld, and in nothing else: for each reason to withhold one person, or one item
of theirs, in the same words and ids but for what nobody else may learn.

A person of ``CASES`` is known to a practice, to a trust on whose ward they lie, and to a council that cares for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.fhir import params
from gateway.nhs import identifiers, labels, roles, sandbox
from gateway.store.database import Store
from gateway.store.hashes import id_hash
from tests.api.people import EVERYTHING, OBJECTS, SETS, coded, observation, on_the_ward, patient, to, uid
from tests.api.people import encounter as encounter_of
from tests.toy import deliver, resource, row, says

WORDS = {"one": ("hiv", "2021-01-01"), "other": ("flu", "2024-06-06")}
"""The code and the date that a withheld item has in each store."""
PLAIN = ("plain", "2023-03-03")
PRACTICE, PRACTICE_EPISODE, TRUST, WARD, COUNCIL, PACKAGE, ELSEWHERE, EPISODE_ELSEWHERE = range(1, 9)
SHOWN, HIDDEN, MORE, POINTING, SECOND_VISIT = 100, 200, 300, 400, 290
UNKNOWN = 99_999_001
TYPES = tuple(type_ for type_ in EVERYTHING if type_ in params.PATIENT_TYPES and type_ != "Patient")
PLACE = {type_: number for number, type_ in enumerate(TYPES)}

EVERYBODY = frozenset(
    {
        "dr-green", "dr-other", "nurse-ward", "dr-ward", "pharmacist", "social-worker", "receptionist", "privacy-officer", "guardian-ward", "student",
        "admin", "no-role", "researcher", "tester", "scoped-ward", "launched-ward", "",
    }
)  # fmt: skip
"""The callers: the sandbox's users, those of ``MORE_USERS``, and who has no token."""
OF_PRACTICE = frozenset({"dr-green", "privacy-officer", "receptionist"})
OTHERS = EVERYBODY - OF_PRACTICE
SCOPES = frozenset({"Patient", "Observation", "MedicationRequest"})


def more_users(launched: str) -> dict[str, dict[str, Any]]:
    """Users beside the sandbox's own: a guardian at the trust, an application with few scopes, and one that was
    launched for a Patient."""
    ward = sandbox.USERS["dr-ward"]
    guard = {**ward["nhsid_nrbac_roles"][0], "role_code": "S8002:G8003:R0001", "activity_codes": ["B0011"]}
    scope = " ".join(f"user/{type_}.rs" for type_ in sorted(SCOPES))
    return {
        "guardian-ward": {**ward, "nhsid_nrbac_roles": [guard]},
        "scoped-ward": {**ward, "scope": scope},
        "launched-ward": {**ward, "scope": "patient/*.rs", "patient": launched},
    }


@dataclass(frozen=True)
class Case:
    """One reason to withhold. ``callers`` are those from whom the difference is withheld; ``witness`` sees it ("" where
    nobody does). ``bit`` is put on the hidden items; ``whole``: all that the practice holds differs; ``types``: those
    that differ, all by default; ``basis`` is what the ward has recorded as permission, "" for nothing, ``expired``
    for one that has ended."""

    name: str
    callers: frozenset[str]
    witness: str
    bit: int = 0
    whole: bool = False
    types: frozenset[str] = frozenset(TYPES)
    basis: str = "permission"
    but: str = ""
    """What requests hold that the reason does not govern."""
    points: bool = False
    """Whether what is shown points at one hidden visit in one store, and at another in the other."""


def _closed_to(role: str) -> frozenset[str]:
    """The types that no row of a role opens."""
    rules = [rule for rule in roles.RULES if role in rule.roles]
    return frozenset(type_ for type_ in TYPES if not any(roles.opens(rule, type_) for rule in rules if rule.acts & roles.RESOURCES))  # fmt: skip


ITEM = {"callers": OTHERS | {"receptionist"}, "witness": "dr-green", "points": True}
SUMMARY = "view=summary"
"""The practice's own document, which the objection to sharing does not govern and which opens other sections."""
WHOLE: dict[str, Any] = {"callers": OTHERS - {"dr-other"}, "witness": "dr-green", "whole": True}
"""Dr Other's practice holds a Patient of these people in one store, which is its own."""
CASES = (
    Case("Confidential", bit=labels.CONFIDENTIAL, **ITEM),
    Case("Notopatient", bit=labels.NOT_TO_PATIENT, **ITEM),
    Case("Sensitive", bit=labels.SENSITIVE, **{**ITEM, "basis": "permission-extended"}),
    Case("Unclassified", bit=labels.UNCLASSIFIED, **ITEM),
    Case("Service", bit=labels.SERVICE, **ITEM),
    Case("Legal", bit=labels.LEGAL, **ITEM),
    Case("Withheld", EVERYBODY, "", labels.WITHHELD),
    Case("Restricted", EVERYBODY - {"dr-other"}, "", whole=True),  # whose practice holds a Patient of hers in one store
    Case("Objecting", but=SUMMARY, **WHOLE),
    Case("Unpermitted", **{**WHOLE, "basis": ""}),
    Case("Expired", **{**WHOLE, "basis": "expired"}),
    Case("Claimed", bit=labels.SENSITIVE, **{**ITEM, "basis": "self-claimed-lr"}),
    Case("Discharged", **WHOLE),
    Case("Dead", **WHOLE),
    Case("Elsewhere", EVERYBODY - {"dr-other"}, "dr-other", basis=""),
    Case("Mismatched", EVERYBODY - {"dr-other"}, "dr-other"),
    Case("Suspended", EVERYBODY, ""),
    Case("Pharmacist", frozenset({"pharmacist"}), "dr-green", types=_closed_to("R1290"), but=SUMMARY),
    Case("Socialwork", frozenset({"social-worker"}), "dr-green", types=_closed_to("R8014"), but=SUMMARY),
    Case("Scoped", frozenset({"scoped-ward"}), "dr-ward", types=frozenset(TYPES) - SCOPES),
    Case("Superseded", OTHERS | {"receptionist"}, "dr-green"),
    Case("Deleted", OTHERS | {"receptionist"}, "dr-green"),
)  # fmt: skip
"""THE TABLE of reasons. A person is called by the name of their case."""
NUMBER = {case.name: number for number, case in enumerate(CASES, 1)}


def at(name: str, place: int) -> int:
    """The number of a person's resource."""
    return NUMBER[name] * 1000 + place


def nhs_number(name: str) -> str:
    return identifiers.synthetic(700 + NUMBER[name])


def fill(store: Store, variant: str) -> None:
    """Load everybody as they are in one of the two stores."""
    others = {"P2": "A99002", "P9": "A99009"}
    practice = [says("P1", 1, ods="A99001", name="Quillbank Surgery")]
    practice += [says(code, 1, ods=ods) for code, ods in others.items()]
    trust, council = [says("T", 1, ods="RZZ", name="Vellshire Hospital")], [says("C", 1, ods="990")]
    directory = (EVERYTHING[type_] for type_ in ("Organization", "Practitioner", "PractitionerRole", "Location"))
    practice.append(row("directory", *directory))
    for case in CASES:
        practice += _practice_rows(case, variant)
        if case.name != "Elsewhere":
            trust.append(_ward_row(case, variant))
            council.append(_council_row(case, variant))
    deliver(store, practice, SETS)
    deliver(store, trust, SETS, name="trust", kind="hospital")
    deliver(store, council, SETS, name="council", kind="social-care")
    deliver(store, _later_rows(variant), SETS)
    _relabel(store)


def _person(case: Case, place: int, **elements: Any) -> dict[str, Any]:
    born = {"Mismatched": "1941-01-01"} if place == ELSEWHERE else {}
    return patient(at(case.name, place), nhs_number(case.name), case.name, "Ann", born.get(case.name, "1980-02-29"), **elements)  # fmt: skip


def _registered(case: Case, place: int, of: int) -> dict[str, Any]:
    person = to("Patient", at(case.name, of))
    return resource("EpisodeOfCare", uid(at(case.name, place)), status="active", type=[coded("R")], patient=person)


def _practice_rows(case: Case, variant: str) -> Iterator[Any]:
    varied, key = WORDS[variant], case.name
    if case.name == "Elsewhere":
        if variant == "one":
            yield row(key, *_elsewhere(case, varied), publisher="P2")
        return
    about = {"security": ["S"]} if case.name == "Restricted" else {}
    about |= {"deceasedDateTime": "2026-01-05"} if case.name == "Dead" else {}
    about |= {"telecom": [{"system": "phone", "value": varied[0]}]} if case.whole else {}
    yield row(f"{key} person", _person(case, PRACTICE, **about), _registered(case, PRACTICE_EPISODE, PRACTICE))
    yield row(f"{key} shown", *_held(case, SHOWN, varied if case.whole else PLAIN, TYPES))
    if case.name == "Objecting":
        yield row(f"{key} objects", observation(at(key, 80), at(key, PRACTICE), OBJECTS, effectiveDateTime="2020-01-01"))  # fmt: skip
    if case.name in ("Mismatched", "Suspended"):
        yield row(f"{key} elsewhere", *_elsewhere(case, varied), publisher="P2" if case.name == "Mismatched" else "P9")
    elif case.whole:
        if variant == "one":
            yield row(f"{key} more", observation(at(key, MORE), at(key, PRACTICE), "more"))
            yield row(f"{key} elsewhere", _person(case, ELSEWHERE), publisher="P2")
    else:
        yield from _hidden(case, variant)


def _elsewhere(case: Case, words: tuple[str, str]) -> Iterator[dict[str, Any]]:
    yield _person(case, ELSEWHERE, telecom=[{"system": "phone", "value": words[0]}])
    yield _registered(case, EPISODE_ELSEWHERE, ELSEWHERE)
    yield from _held(case, HIDDEN, words, TYPES, ELSEWHERE)


def _hidden(case: Case, variant: str) -> Iterator[Any]:
    """What is withheld, more of it in one store, and what is shown and points at it."""
    key, words = case.name, WORDS[variant]
    marked = ["R"] if case.bit else []
    types = [type_ for type_ in TYPES if type_ in case.types]
    yield row(f"{key} hidden", *_held(case, HIDDEN, words, types, security=marked))
    if "Encounter" in case.types:
        second = _one(case, "Encounter", SECOND_VISIT, words, PRACTICE, HIDDEN)
        yield row(f"{key} visit", {**second, "security": marked})
    if variant == "one" and case.name != "Superseded":
        more = {type_ for type_ in ("Observation", "Encounter", "Condition", "Procedure") if type_ in case.types}
        yield row(f"{key} more", *_held(case, MORE, words, sorted(more), security=marked))
    visit = SECOND_VISIT if case.points and variant == "one" else HIDDEN + PLACE["Encounter"]
    yield row(f"{key} pointing", *_pointing(case, visit, words))


def _pointing(case: Case, visit: int, words: tuple[str, str]) -> Iterator[dict[str, Any]]:
    person, problem = (
        to("Patient", at(case.name, PRACTICE)),
        to("Condition", at(case.name, HIDDEN + PLACE["Condition"])),
    )
    encounter = to("Encounter", at(case.name, visit))
    constant = to("Encounter", at(case.name, HIDDEN + PLACE["Encounter"]))
    for place, pointed in ((POINTING, encounter), (POINTING + 5, constant)):
        yield resource(
            "MedicationRequest", uid(at(case.name, place)), status="active", intent="order", medicationCodeableConcept=coded("dox"), subject=person,
            authoredOn="2024-05-01", reasonReference=[problem] if case.points else [], encounter=pointed,
        )  # fmt: skip
    about = observation(at(case.name, POINTING + 1), at(case.name, PRACTICE), "w", effectiveDateTime="2024-05-01")
    yield {**about, "encounter": encounter}
    yield observation(at(case.name, POINTING + 2), at(case.name, PRACTICE), "k", effectiveDateTime="2024-05-02",
                      valueQuantity={"value": Decimal("5.10"), "unit": "mmol/L"})  # fmt: skip
    if case.name == "Socialwork":  # whose role opens the visit, and not why it was
        yield encounter_of(at(case.name, POINTING + 4), at(case.name, PRACTICE), reasonCode=[coded(words[0])])
    if case.points:
        yield observation(at(case.name, POINTING + 3), at(case.name, PRACTICE), "f", focus=[problem])


def _held(
    case: Case, first: int, words: tuple[str, str], types: Any, of: int = PRACTICE, **marks: Any
) -> Iterator[dict[str, Any]]:
    for type_ in types:
        yield {**_one(case, type_, first + PLACE[type_], words, of, first), **marks}


def _one(case: Case, type_: str, place: int, words: tuple[str, str], of: int, first: int) -> dict[str, Any]:
    """The resource of ``people.EVERYTHING`` of a type, of this person and in these words."""
    numbers = {EVERYTHING[name]["id"]: first + number for name, number in PLACE.items()}
    numbers |= {uid(1): of}
    numbers[EVERYTHING[type_]["id"]] = place

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: put(inner) for name, inner in value.items() if name != "slot"}
        if isinstance(value, list):
            return [put(inner) for inner in value]
        return _text(value) if isinstance(value, str) else value

    def _text(text: str) -> str:
        kind, slash, id_ = text.rpartition("/")
        if id_ in numbers:
            return f"{kind}{slash}{uid(at(case.name, numbers[id_]))}"
        text = text.replace("2021-05-04", words[1]).replace("2021-05-05", words[1])
        return re.sub(r"^([ckvrt]\d{3}|id-\d{3})$", rf"{words[0]}-\1-{place}", text)

    return put(EVERYTHING[type_])


def _ward_row(case: Case, variant: str) -> Any:
    word = {"telecom": [{"system": "phone", "value": WORDS[variant][0]}]} if case.name == "Restricted" else {}
    stay = on_the_ward(at(case.name, WARD), at(case.name, TRUST))
    stay |= {"status": "finished", "period": {"start": "2026-01-01", "end": "2026-01-09"}} if case.name == "Discharged" else {}  # fmt: skip
    weight = observation(at(case.name, 90), at(case.name, TRUST), "w", effectiveDateTime="2026-02-01")
    return row(f"{case.name} ward", _person(case, TRUST, **word), stay, weight, publisher="T")


def _council_row(case: Case, variant: str) -> Any:
    person = to("Patient", at(case.name, COUNCIL))
    status = "finished" if case.name == "Discharged" else "active"
    package = resource(
        "EpisodeOfCare", uid(at(case.name, PACKAGE)), status=status, patient=person, type=[coded("care")]
    )
    return row(f"{case.name} council", _person(case, COUNCIL), package, publisher="C")


def _later_rows(variant: str) -> list[Any]:
    """What comes later: a sharing agreement is switched off, secrets are corrected or deleted."""
    superseded, deleted = (next(case for case in CASES if case.name == name) for name in ("Superseded", "Deleted"))
    return [
        says("P9", 2, state="withheld"),
        row("Superseded hidden", *_held(superseded, HIDDEN, PLAIN, TYPES), order=2),
        row("Superseded visit", _one(superseded, "Encounter", SECOND_VISIT, PLAIN, PRACTICE, HIDDEN), order=2),
        row("Deleted hidden", order=2, deleted=True),
        *(row(f"Deleted {part}", order=2, deleted=True) for part in ("visit", "more")),
    ]


def _relabel(store: Store) -> None:
    """Put its own bit on what was flagged confidential: the flag has spread to what would give it away, as each of
    these labels does."""
    with store.write() as session:
        for case in CASES:
            if not case.bit:
                continue
            places = [HIDDEN + PLACE[type_] for type_ in TYPES] + [SECOND_VISIT]
            places += [MORE + PLACE[type_] for type_ in ("Observation", "Encounter", "Condition", "Procedure")]
            for place in places:
                if case.bit == labels.LEGAL and TYPES[(place % 100) % len(TYPES)] in KEPT and place < MORE:
                    continue
                session.run(
                    "UPDATE head SET labels = (labels & ~?) | ? WHERE id_hash = ? AND labels & ?", labels.CONFIDENTIAL, case.bit,
                    id_hash(uid(at(case.name, place))), labels.CONFIDENTIAL,
                )  # fmt: skip


KEPT = frozenset({"AllergyIntolerance", "MedicationRequest", "MedicationStatement", "Immunization"})
"""What the law leaves in place, blanked: of these the flag stays."""
