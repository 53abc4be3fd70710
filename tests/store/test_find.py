"""Finding within limits, on both databases: every kind of clause, prefixes of dates, pages, and nothing past a
limit."""

import hashlib
import uuid

import pytest

from gateway.fhir import build, index
from gateway.fhir.parse import parse
from gateway.fhir.search import Allow, Limits, PatientKey
from gateway.store import find, writing
from gateway.store.hashes import hash64, id_hash
from gateway.store.mapped import Mapped, Put
from gateway.store.numbers import TYPE_NUMBER, UNDATED


def uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


P1, P2 = uid("p1"), uid("p2")


def observation(name: str, patient: str, **elements) -> dict:
    return build.resource(
        "Observation",
        uid(name),
        status=elements.pop("status", "final"),
        subject={"reference": f"Patient/{patient}"},
        **elements,
    )


RESOURCES = [
    build.resource("Patient", P1, name=[{"family": "O’Brien-Ångström", "given": ["Anna"]}], birthDate="1980-02-29",
                   identifier=[{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}]),
    build.resource("Patient", P2, name=[{"family": "Obrienne", "given": ["Ben"]}], birthDate="1990"),
    observation("o1", P1, code={"coding": [{"system": "s", "code": "hb"}]}, effectiveDateTime="2024-01-10"),
    observation("o2", P1, code={"coding": [{"system": "s", "code": "hb"}]}, effectiveDateTime="2024-02"),
    observation("o3", P1, code={"coding": [{"system": "t", "code": "hb"}]}, effectiveDateTime="2024-03-01T10:00:00Z", status="amended",
                encounter={"reference": f"Encounter/{uid('e1')}"}),
    observation("o4", P1, code={"coding": [{"code": "bp"}]}),
    observation("o5", P2, code={"coding": [{"system": "s", "code": "hb"}]}, effectiveDateTime="2024-01-10"),
    build.resource("Condition", uid("c1"), subject={"reference": f"Patient/{P1}"}, recordedDate="2020-05-05", onsetDateTime="1998"),
    build.resource("Organization", uid("org"), name="The Surgery", identifier=[{"system": "ods", "value": "A99001"}]),
]  # fmt: skip
NAMES = {uid(name): name for name in ("o1", "o2", "o3", "o4", "o5", "c1", "org")} | {P1: "p1", P2: "p2"}


def put(resource: dict, own: int = 0) -> Put:
    body, e = build.encode(resource), index.entries(resource)
    patient = id_hash(e.patient) if e.patient else 0
    low, high = (UNDATED, UNDATED) if e.low is None else (e.low, e.high)
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return Put(
        TYPE_NUMBER[resource["resourceType"]],
        resource["id"],
        patient,
        1,
        body,
        digest,
        low,
        high,
        own,
        {},
        e.tokens,
        e.globals,
        e.words,
        e.dates,
    )


@pytest.fixture
def filled(store):
    with store.write() as session:
        for number, resource in enumerate(RESOURCES):
            publisher = 2 if resource["id"] == uid("o2") else 1
            own = 8 if resource["id"] == uid("o3") else 0
            writing.put_many(session, 1, "1", [Mapped(hash64(str(number)), 0, publisher, 1, [put(resource, own)])])
    return store


def found(store, type_: str, pairs: list[tuple[str, str]], limits: Limits, after=None) -> list[str]:
    with store.read() as session:
        return [NAMES[one.id] for one in find.find(session, parse(type_, pairs), limits, after)]


K1, K2 = PatientKey(id_hash(P1)), PatientKey(id_hash(P2))
ONE = Limits((Allow(),), frozenset({K1}))
ANY = find.ANYBODY

CASES = [
    ("Observation", [], "o3 o2 o1 o4"),
    ("Observation", [("_sort", "date")], "o4 o1 o2 o3"),
    ("Observation", [("code", "s|hb")], "o2 o1"),
    ("Observation", [("code", "hb")], "o3 o2 o1"),
    ("Observation", [("code", "|bp")], "o4"),
    ("Observation", [("code", "|hb")], ""),
    ("Observation", [("code", "t|hb,bp")], "o3 o4"),
    ("Observation", [("code", "hb"), ("status", "amended")], "o3"),
    ("Observation", [("encounter", f"Encounter/{uid('e1')}")], "o3"),
    ("Observation", [("date", "2024-01-10")], "o1"),
    ("Observation", [("date", "2024-01")], "o1"),
    ("Observation", [("date", "2024")], "o3 o2 o1"),
    ("Observation", [("date", "2024-02-10")], ""),
    ("Observation", [("date", "ge2024-02-10")], "o3 o2"),
    ("Observation", [("date", "gt2024-02")], "o3"),
    ("Observation", [("date", "lt2024-02")], "o1"),
    ("Observation", [("date", "le2024-02-10")], "o2 o1"),
    ("Observation", [("date", "sa2024-01")], "o3 o2"),
    ("Observation", [("date", "eb2024-02")], "o1"),
    ("Observation", [("date", "ne2024-01-10")], "o3 o2"),
    ("Observation", [("date", "ge2024-02"), ("date", "lt2024-03")], "o2"),
    ("Observation", [("_id", f"{uid('o1')},{uid('o5')}")], "o1"),
    ("Condition", [("onset-date", "1998")], "c1"),
    ("Condition", [("recorded-date", "ge2020")], "c1"),
    ("Condition", [("recorded-date", "gt2020")], ""),
]


@pytest.mark.parametrize(
    "type_, pairs, expected",
    CASES,
    ids=lambda value: str(value)[:40] if not isinstance(value, list) else "-".join(v[:12] for _, v in value),
)
def test_a_query_finds_what_it_says_and_of_the_one_patient_only(filled, type_, pairs, expected):
    assert found(filled, type_, pairs, ONE) == expected.split()


@pytest.mark.parametrize("type_, pairs, expected", [
    ("Patient", [("family", "obrien"), ("given", "an")], "p1"),
    ("Patient", [("family", "O'BRIEN"), ("birthdate", "1980-02-29")], "p1"),
    ("Patient", [("family", "obrien"), ("birthdate", "1990")], "p2"),
    ("Patient", [("identifier", "9990000018")], "p1"),
    ("Organization", [("name", "the sur")], "org"),
    ("Organization", [("identifier", "ods|A99001")], "org"),
])  # fmt: skip
def test_people_and_places_are_found_by_their_words_and_identifiers(filled, type_, pairs, expected):
    assert found(filled, type_, pairs, ANY) == expected.split()


@pytest.mark.parametrize("limits, expected", [
    (Limits((), frozenset({K1})), ""),
    (Limits((Allow(),), frozenset()), ""),
    (Limits((Allow(types=frozenset({"Condition"})),), frozenset({K1})), ""),
    (Limits((Allow(publishers=frozenset({2})),), frozenset({K1})), "o2"),
    (Limits((Allow(publishers=frozenset()),), frozenset({K1})), ""),
    (Limits((Allow(hidden=8),), frozenset({K1})), "o2 o1 o4"),
    (Limits((Allow(kinds=frozenset({"hospital"})),), frozenset({K1})), ""),
    (Limits((Allow(hidden=8, publishers=frozenset({1})), Allow(publishers=frozenset({2}))), frozenset({K1})), "o2 "
                                                                                                              "o1 o4"),
    (Limits((Allow(),), frozenset({K1, K2})), "o3 o2 o5 o1 o4"),
])  # fmt: skip
def test_limits_only_ever_narrow(filled, limits, expected):
    assert found(filled, "Observation", [], limits) == expected.split()
    with filled.read() as session:
        assert find.count(session, parse("Observation", []), limits) == len(expected.split())


@pytest.mark.parametrize("sort", ["-date", "date", "_lastUpdated", "-_lastUpdated"])
def test_pages_follow_each_other_without_gap_or_repeat(filled, sort):
    query = parse("Observation", [("_count", "1"), ("_sort", sort)])
    whole = found(filled, "Observation", [("_sort", sort)], ONE)
    seen, after = [], None
    with filled.read() as session:
        while True:
            page = find.find(session, query, ONE, after)
            if not page:
                break
            seen.append(NAMES[page[0].id])
            after = find.position(query, page[0])
    assert seen == whole and len(seen) == 4
