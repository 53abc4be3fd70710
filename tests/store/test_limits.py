"""Limits in SQL, in memory and in the export's reading let the same resources through, on both databases."""

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.fhir import build, index
from gateway.fhir.search import Allow, Limits, PatientKey, Query, Whose
from gateway.store import find, limits, snapshot, writing
from gateway.store.hashes import hash64, id_hash
from gateway.store.mapped import Mapped
from gateway.store.numbers import KIND_NUMBER
from tests.store.test_find import put

PATIENTS = [str(uuid.uuid5(uuid.NAMESPACE_OID, f"patient {number}")) for number in range(3)]
KEYS = [PatientKey(id_hash(patient)) for patient in PATIENTS]
TYPES, PUBLISHERS, KINDS = ("Observation", "Condition", "Organization"), (1, 2), ("gp", "hospital")
BITS = (0, 1, 8, 9)


@pytest.fixture
def filled(store):
    """One resource of each patient, type, publisher, kind and labels; organisations are about nobody."""
    combinations = [
        (patient, type_, publisher, kind, bits)
        for patient in PATIENTS for type_ in TYPES for publisher in PUBLISHERS for kind in KINDS for bits in BITS
        if type_ != "Organization" or patient == PATIENTS[0]
    ]  # fmt: skip
    with store.write() as session:
        for number, (patient, type_, publisher, kind, bits) in enumerate(combinations):
            about = {} if type_ == "Organization" else {"subject": {"reference": f"Patient/{patient}"}}
            resource = build.resource(type_, str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))), **about)
            mapped = Mapped(hash64(str(number)), 0, publisher, KIND_NUMBER[kind], [put(resource, bits)])
            writing.put_many(session, 1, "1", [mapped])
    return store


def some(values):
    return st.none() | st.frozensets(st.sampled_from(values))


ALLOWS = st.builds(
    Allow, some((*TYPES, "Nonsense")), some((*PUBLISHERS, 3)), some((*KINDS, "nonsense")), st.sampled_from(BITS)
)
LIMITS = st.builds(
    Limits, st.lists(ALLOWS, max_size=3).map(tuple), st.frozensets(st.sampled_from(KEYS)) | st.sampled_from(Whose)
)


def test_a_limit_is_one_condition_however_it_is_asked(filled):
    with filled.read() as session:
        everything = [
            resource
            for type_ in TYPES
            for resource in find.find(session, Query(type_, count=1000), Limits((Allow(),), Whose.ANYBODY))
        ]
        now = session.stamp()
        assert len(everything) == 3 * 2 * 16 + 16

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(LIMITS)
        def holds(limit: Limits) -> None:
            in_memory = {resource.key for resource in filter(limits.passes(limit), everything)}
            found = {
                resource.key for type_ in TYPES for resource in find.find(session, Query(type_, count=1000), limit)
            }
            assert found == in_memory
            assert {resource.key for resource in snapshot.as_of(session, limit, now)} == in_memory
            for type_ in TYPES:
                narrowed = limits.passes(limits.of_type(limit, type_))
                of_type = [resource for resource in everything if resource.type == type_]
                assert {r.key for r in filter(narrowed, of_type)} == {r.key for r in of_type} & in_memory
                assert find.count(session, Query(type_), limit) == len({r.key for r in of_type} & in_memory)

        holds()


def test_the_index_knows_a_patient_by_the_key_that_limits_speak_of(filled):
    resource = build.resource("Observation", "o", subject={"reference": f"Patient/{PATIENTS[0]}"})
    assert id_hash(index.entries(resource).patient) == KEYS[0]
