"""Resources at rest: versions, tombstones, entries and what goes out, on both databases."""

import hashlib
import json

import pytest

from gateway.fhir import build
from gateway.store import resources, serving, writing
from gateway.store.hashes import hash64, id_hash
from gateway.store.mapped import OTHER_VERSION, Mapped, Put
from gateway.store.numbers import TYPE_NUMBER

PATIENT = "0b6f7c52-8f0e-5a43-9a1b-000000000001"
PAT = id_hash(PATIENT)


def put(id_: str, text: str = "a", *, type_: str = "Observation", own: int = 0, patient: int = PAT) -> Put:
    body = build.encode(build.resource(type_, id_, code={"text": text}))
    causes = {1: "flag"} if own else {}
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return Put(
        TYPE_NUMBER[type_],
        id_,
        patient,
        1,
        body,
        digest,
        10,
        20,
        own,
        causes,
        ((3, hash64(text)),),
        ((1, hash64(id_)),),
        (),
        (),
    )


def group(name: str, *puts: Put) -> Mapped:
    return Mapped(hash64(name), PAT, 1, 1, list(puts))


def write(store, *groups: Mapped):
    with store.write() as session:
        return writing.put_many(session, 1, "1", groups)


def rows(store, sql: str) -> list[tuple]:
    with store.read() as session:
        return session.rows(sql)


A, B, C = (f"{digit * 8}-{digit * 4}-5{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123")


def test_the_same_bytes_are_no_new_version(store):
    write(store, group("g", put(A)))
    written = write(store, group("g", put(A)))
    assert written.counts == {("Observation", "unchanged"): 1} and not written.patients
    assert rows(store, "SELECT number FROM head") == [(1,)] and rows(store, "SELECT count(*) FROM version") == [(1,)]


def test_other_bytes_are_a_new_version_and_the_old_one_is_history(store):
    write(store, group("g", put(A, "a")))
    counts = write(store, group("g", put(A, "b"))).counts
    assert counts == {("Observation", "updated"): 1}
    with store.read() as session:
        head = resources.head_of(session, "Observation", A)
        versions = resources.versions_of(session, head.key)
    assert [number for number, *_ in versions] == [2, 1]
    assert json.loads(versions[1][4])["code"] == {"text": "a"}
    assert rows(store, "SELECT value FROM entry") == [(hash64("b"),)], "entries are of the current version only"


def test_what_a_group_makes_no_more_becomes_a_tombstone_and_may_come_back(store):
    write(store, group("g", put(A), put(B)))
    counts = write(store, group("g", put(B))).counts
    assert counts == {("Observation", "unchanged"): 1, ("Observation", "deleted"): 1}
    with store.read() as session:
        assert resources.head_of(session, "Observation", A).deleted
        assert [found.id for found in resources.of_patients(session, [PAT])] == [B]
    assert rows(store, "SELECT count(*) FROM entry_global") == [(1,)]
    counts = write(store, group("g", put(A), put(B))).counts
    assert counts[("Observation", "updated")] == 1
    with store.read() as session:
        assert [
            number for number, *_ in resources.versions_of(session, resources.head_of(session, "Observation", A).key)
        ] == [3, 2, 1]


def test_a_group_with_a_fault_keeps_what_it_made_last(store):
    write(store, group("g", put(A)))
    counts = write(store, Mapped(hash64("g"), PAT, 1, 1, None, "t line 1: column x", "column x")).counts
    assert not counts and rows(store, "SELECT deleted FROM head") == [(0,)]


def test_an_own_label_that_changes_alone_is_no_new_version(store):
    write(store, group("g", put(A)))
    write(store, group("g", put(A, own=1)))
    assert rows(store, "SELECT number, own, labels FROM head") == [(1, 1, 1)]
    assert rows(store, "SELECT bit, cause FROM label") == [(1, "flag")]
    write(store, group("g", put(A)))
    assert rows(store, "SELECT own, labels FROM head") == [(0, 0)] and not rows(store, "SELECT * FROM label")


@pytest.mark.parametrize("profile", [None, "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Observation"])
def test_version_time_source_and_security_are_spliced_into_the_stored_bytes(store, profile):
    body = build.encode(build.resource("Observation", A, profile=profile, status="final"))
    one = put(A)
    one.body = body
    write(store, group("g", one))
    with store.read() as session:
        found = resources.head_of(session, "Observation", A)
    served = json.loads(serving.splice(found, "urn:emis:p#1", b'{"code":"R"}'))
    assert served["meta"]["versionId"] == "1" and served["meta"]["source"] == "urn:emis:p#1"
    assert served["meta"]["security"] == [{"code": "R"}] and served["meta"].get("profile") == (
        [profile] if profile else None
    )
    assert served["status"] == "final"


def test_each_commit_has_its_own_number_and_a_later_time(store):
    seen = []
    for text in "abc":
        write(store, group("g", put(A, text)))
        seen += rows(store, "SELECT commit_seq, updated FROM head")
    assert seen == sorted(seen) and len({seq for seq, _ in seen}) == 3
    assert all(later[1] - earlier[1] >= 1000 for earlier, later in zip(seen, seen[1:]))


def test_nothing_of_a_failed_transaction_stays(store):
    with pytest.raises(RuntimeError), store.write() as session:
        writing.put_many(session, 1, "1", [group("g", put(A))])
        raise RuntimeError
    assert rows(store, "SELECT count(*) FROM head") == [(0,)]


def test_a_write_answers_the_versions_it_made(store):
    assert write(store, group("g", put(A), put(B))).versions == [
        ("Observation", A, 1, "created"), ("Observation", B, 1, "created"),
    ]  # fmt: skip
    again = write(store, group("g", put(A, "changed")))
    assert again.versions == [("Observation", A, 2, "updated"), ("Observation", B, 2, "deleted")]
    assert write(store, group("g", put(A, "changed"))).versions == [("Observation", A, 2, "unchanged")]


@pytest.mark.parametrize(("number", "is_written"), [(1, True), (2, False), (0, False)])
def test_a_write_of_another_version_than_expected_names_the_resource_and_writes_nothing_of_its_group(
    store, number, is_written
):
    write(store, group("g", put(A)), group("h", put(B)))
    name = ("Observation", A)
    with store.write() as session:
        groups = [group("g", put(A, "changed"), put(C)), group("h", put(B, "changed"))]
        written = writing.put_many(session, 1, "1", groups, {name: number})
    outcomes = {version.id: version.outcome for version in written.versions}
    assert outcomes == ({A: "updated", C: "created", B: "updated"} if is_written else {B: "updated"})
    assert written.conflicts == ([] if is_written else [name])
    if not is_written:
        assert groups[0].reason == OTHER_VERSION and groups[0].place.startswith(f"Observation/{A}")


def test_a_resource_that_must_not_be_there_is_not_written_over(store):
    name = ("Observation", A)
    with store.write() as session:
        assert writing.put_many(session, 1, "1", [group("g", put(A))], {name: 0}).versions[0].outcome == "created"
    with store.write() as session:
        assert writing.put_many(session, 1, "1", [group("g", put(A, "x"))], {name: 0}).conflicts == [name]
    write(store, group("g"))
    with store.write() as session:
        after = writing.put_many(session, 1, "1", [group("g", put(A, "y"))], {name: 0})
    assert after.versions == [("Observation", A, 3, "updated")], "deleted is not there"


def test_a_deletion_of_another_version_than_expected_is_a_conflict_too(store):
    write(store, group("g", put(A)))
    with store.write() as session:
        assert writing.put_many(session, 1, "1", [group("g")], {("Observation", A): 7}).conflicts
    assert rows(store, "SELECT deleted FROM head") == [(0,)]
