"""What a person rules: in force at once where it narrows, by two people where it widens, and taken back at any time."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.care import Statement, permit
from gateway.errors import Invalid, Refused
from gateway.identity import answering, review, tracing
from gateway.nhs import four_eyes, ruling
from gateway.nhs.codesets import CodeSets
from gateway.nhs.ruling import CONFIRM, JOIN, SEPARATE, UNDO, Ruling
from gateway.records import open_door
from gateway.store import identities, registry
from gateway.store.database import open_store
from gateway.store.hashes import id_hash
from tests.identity.people import GREEN, A, B, at_the_practice, at_the_trust, observation, patient, uid
from tests.identity.test_tracing import persons
from tests.pds.fake import Someone
from tests.schema import sqlite_url
from tests.toy import deliver, resource, row, says

WHY = "seen at the desk"


def items(store, kind: str = "") -> list[review.Item]:
    return [item for item in review.review(store).items if kind in ("", item.kind)]


def only(store, kind: str) -> str:
    (item,) = items(store, kind)
    return item.id


# What stands, by rule


def by(person: str, key: int, act: str, undoes: int = 0) -> Ruling:
    return Ruling(key, act, "i", 1, 2 if act == JOIN else 0, A, undoes, person)


@pytest.mark.hazard("HZ-ID-07")
@pytest.mark.parametrize(
    "rulings, apart, joined, confirmed, waiting",
    [
        ([by("ann", 1, SEPARATE)], True, False, False, 0),
        ([by("ann", 1, SEPARATE), by("ann", 2, UNDO, 1)], True, False, False, 1),
        ([by("ann", 1, SEPARATE), by("bob", 2, UNDO, 1), by(" BOB ", 3, UNDO, 1)], True, False, False, 1),
        ([by("ann", 1, SEPARATE), by("ann", 2, UNDO, 1), by("bob", 3, UNDO, 1)], False, False, False, 0),
        ([by("ann", 1, SEPARATE), by("ann", 2, UNDO, 1), by("bob", 3, UNDO, 1), by("cy", 4, SEPARATE)], True, False, False, 0),
        ([by("ann", 1, JOIN)], False, False, False, 1),
        ([by("ann", 1, JOIN), by("Ann", 2, JOIN)], False, False, False, 1),
        ([by("ann", 1, JOIN), by("bob", 2, JOIN)], False, True, False, 0),
        ([by("ann", 1, JOIN), by("bob", 2, JOIN), by("cy", 3, UNDO, 1)], False, False, False, 0),
        ([by("ann", 1, JOIN), by("cy", 2, UNDO, 1), by("bob", 3, JOIN)], False, False, False, 1),
        ([by("ann", 1, CONFIRM)], False, False, True, 0),
        ([by("ann", 1, CONFIRM), by("bob", 2, UNDO, 1)], False, False, False, 0),
        ([by("ann", 1, SEPARATE), by("ann", 2, UNDO, 9)], True, False, False, 0),
    ],
)  # fmt: skip
def test_what_stands_of_rulings(rulings, apart, joined, confirmed, waiting):
    stands = ruling.standing(rulings)
    assert (bool(stands.apart), bool(stands.joined), bool(stands.confirmed), len(stands.waiting)) == (
        apart, joined, confirmed, waiting,
    )  # fmt: skip


@pytest.mark.hazard("HZ-ID-07")
@given(st.lists(st.tuples(st.sampled_from([CONFIRM, SEPARATE, JOIN, UNDO]), st.integers(0, 6)), max_size=12))
@settings(max_examples=200, deadline=None)
def test_one_person_alone_never_widens(acts):
    """Whatever one person does, nobody is joined, and what was once held apart stays so."""
    rulings = [by("ann", key, act, undoes) for key, (act, undoes) in enumerate(acts, 1)]
    stands = ruling.standing(rulings)
    assert not stands.joined
    assert bool(stands.apart) == any(act == SEPARATE for act, _ in acts)


@pytest.mark.hazard("HZ-ID-07")
@pytest.mark.parametrize(
    "first, other",
    [
        ("Zoë", "Zoe\u0308"),
        ("ann", "a\u200bnn"),
        ("ann", "ann\u00ad"),
        ("ann", "ann\ufe0f"),
        ("ann", "ann\u3164"),
        ("ann", "ａｎｎ"),
        ("ann", "𝐀nn"),
        ("A. Guardian", "a guardian"),
        ("o'brien", "O’Brien"),
        ("ann-marie", "ann\u2011marie"),
        ("ann@trust", "ann @trust."),
        ("ﬁona", "Fiona"),
        ("straße", "STRASSE"),
    ],
)
def test_two_spellings_of_one_name_are_one_person(first, other):
    assert not four_eyes.are_two_people([first, other])
    assert not ruling.standing([by(first, 1, JOIN), by(other, 2, JOIN)]).joined


def test_different_names_are_two_people_in_any_script():
    for first, other in [("ann", "anne"), ("राम", "रमा"), ("李", "王"), ("user1", "user2"), ("José", "Jose")]:
        assert four_eyes.are_two_people([first, other])
    assert not four_eyes.are_two_people(["ann", "...", "\u200b", "\ufe0f"]), "what shows nothing is nobody"


@pytest.mark.parametrize(
    "why",
    [
        "9990000018",
        "999.000.0018",
        "999/000/0018",
        "999–000–0018",
        "9 9 9 0 0 0 0 0 1 8",
        "９９９００００018",
        "999\u00a0000  0018",
        "nr9990000018x",
        "at 10 999 000 0018",
        "٩٩٩٠٠٠٠٠١٨",
        "999,000,0018",
    ],
)
def test_a_number_is_found_in_a_reason_however_it_is_written(why):
    with pytest.raises(Invalid, match="no NHS number"):
        ruling.require_why(f"seen {why} today")


@pytest.mark.parametrize("why", ["seen on 27.11.2026 at 10:30", "bed 4, ward 12, bay 3", "call 020 7946 0000"])
def test_a_reason_may_hold_other_digits(why):
    assert ruling.require_why(why) == why


@pytest.mark.parametrize("why", ["", "  ", "no", "x" * 501, "she is 999 000 0018", "9990000018 is hers"])
def test_a_reason_is_given_and_holds_no_number(why):
    with pytest.raises(Invalid) as refusal:
        ruling.require_why(why)
    assert A not in str(refusal.value)


# Held apart


@pytest.mark.hazard("HZ-ID-08")
def test_a_record_held_apart_from_a_number_is_neither_gathered_nor_found_by_it(store, seen):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A), patient(3, A, family="Gooch", given="Bea", postcode=""))
    assert seen(A) == {101, 102} and persons(store) == {"1 2", "3"}
    item = only(store, "number")
    assert answering.separate(store, item, uid(2), "ann", WHY)["state"] == "in force"
    assert seen(A) == {101} and persons(store) == {"1", "2", "3"}
    at_the_trust(store, patient(2, A, maritalStatus={"text": "single"}), order=2)
    assert seen(A) == {101}, "a later delivery does not undo it"


@pytest.mark.hazard("HZ-ID-08")
def test_a_number_does_not_find_the_only_record_that_is_held_apart_from_it(store, seen):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, family="Gooch", given="Bea", postcode=""))
    answering.separate(store, only(store, "number"), uid(1), "ann", WHY)
    assert seen(A) == "ptv-required", "the practice's own patient is not found by a number that is not theirs"


@pytest.mark.hazard("HZ-ID-08")
def test_permission_for_a_number_opens_no_record_that_is_held_apart_from_it(store):
    deliver(store, [
        says("P1", 1, ods=GREEN.organisation),
        row("a", patient(1, A), resource("EpisodeOfCare", uid(51), status="active", type=[{"coding": [{"code": "T"}]}],
            patient={"reference": f"Patient/{uid(1)}"}), observation(101, 1)),
    ])  # fmt: skip
    at_the_trust(store, patient(2, A, family="Gooch", given="Bea", postcode=""))
    door = open_door(store, CodeSets())
    permit(door, GREEN, Statement(A, "permission"), "r")
    from gateway.records.facts import about_head, facts_about
    from gateway.store import resources

    def permission():
        with store.read() as session:
            return facts_about(
                door, session, GREEN, about_head(resources.head_of(session, "Patient", uid(1)))
            ).permission

    assert permission() is not None
    answering.separate(store, only(store, "number"), uid(1), "ann", WHY)
    assert permission() is None
    door.audit.close()


@pytest.mark.hazard("HZ-ID-08")
def test_whoever_shares_a_number_is_still_refused_for_a_record_held_apart_from_it(store, seen):
    """Wide to refuse: a restriction of the one still hides the other."""
    from gateway.nhs import labels

    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, family="Gooch", given="Bea", postcode=""))
    answering.separate(store, only(store, "number"), uid(2), "ann", WHY)
    assert seen(A) == {101}
    with store.write() as session:
        session.run("UPDATE head SET labels = ? WHERE id = ?", labels.RESTRICTED, uid(2))
    assert seen(A) == "no-record"


def test_no_possible_mismatch_is_told_once_the_other_is_held_apart(store):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, family="Gooch", given="Bea", postcode=""))
    from gateway import records

    def mismatch() -> bool:
        door = open_door(store, CodeSets())
        try:
            return records.person(door, GREEN, "r", number=A).mismatch
        finally:
            door.audit.close()

    assert mismatch()
    answering.separate(store, only(store, "number"), uid(2), "ann", WHY)
    assert not mismatch() and items(store) == []


@pytest.mark.hazard("HZ-ID-09")
def test_what_a_source_linked_wrongly_is_held_apart(store, seen):
    at_the_practice(store, patient(1, A))
    link = [{"other": {"reference": f"Patient/{uid(2)}"}, "type": "replaced-by"}]
    at_the_trust(store, patient(2, A), patient(3, family="Gooch", given="Bea", born="1999-01-01", link=link))
    assert seen(A) == {101, 102, 103}
    item = only(store, "gathering")
    answering.separate(store, item, uid(3), "ann", WHY)
    assert seen(A) == {101, 102} and persons(store) == {"1 2", "3"}


@pytest.mark.hazard("HZ-ID-07")
def test_to_take_back_that_a_record_is_held_apart_needs_two_people(store, seen):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A), patient(3, A, born="1999-01-01"))
    key = answering.separate(store, only(store, "number"), uid(2), "ann", WHY)["ruling"]
    assert answering.undo(store, key, "bob", WHY)["state"] == "waits for a second person" and seen(A) == {101}
    assert answering.undo(store, key, "Bob", WHY)["state"] == "waits for a second person" and seen(A) == {101}
    assert answering.undo(store, key, "cy", WHY)["state"] == "in force" and seen(A) == {101, 102}
    assert [entry["stands"] for entry in answering.history(store)] == [False] * 4


# Joined


def two_verified(store, **other) -> None:
    at_the_practice(store, patient(1, A, verified=True))
    at_the_trust(store, patient(2, A, verified=True, **other))


@pytest.mark.hazard("HZ-ID-10")
@pytest.mark.parametrize("other", [{"gender": "male"}, {"family": "Gooch", "given": "Robin"}])
def test_two_people_join_two_verified_records_that_names_or_sex_keep_apart(store, seen, other):
    two_verified(store, **other)
    item = only(store, "number")
    assert answering.join(store, item, uid(1), uid(2), "ann", WHY)["state"] == "waits for a second person"
    assert seen(A) != {101, 102}
    assert answering.join(store, item, uid(2), uid(1), "bob", WHY)["state"] == "in force"
    assert seen(A) == {101, 102} and items(store) == []
    key = answering.history(store)[0]["ruling"]
    answering.undo(store, key, "cy", WHY)
    assert persons(store) == {"1", "2"}, "one person takes a join back"


@pytest.mark.hazard("HZ-ID-10")
@pytest.mark.parametrize("first, other", [({"born": "1999-01-01"}, {}), ({}, {"born": ""}), ({}, {"verified": False})])
def test_nobody_joins_records_on_less_than_a_verified_number_and_one_birth_date(store, first, other):
    at_the_practice(store, {key: value for key, value in patient(1, A, **{"verified": True, **first}).items() if value})
    at_the_trust(store, {k: v for k, v in patient(2, A, **{"verified": True, "gender": "male", **other}).items() if v})
    item = only(store, "number")
    with pytest.raises(Refused, match="a join needs"):
        answering.join(store, item, uid(1), uid(2), "ann", WHY)
    with store.read() as session:
        assert session.value("SELECT count(*) FROM ruling") == 0


@pytest.mark.hazard("HZ-ID-10")
def test_a_join_ends_when_what_it_rests_on_does(store):
    two_verified(store, gender="male")
    for who in ("ann", "bob"):
        answering.join(store, only(store, "number"), uid(1), uid(2), who, WHY)
    assert persons(store) == {"1 2"}
    at_the_trust(store, patient(2, A, gender="male"), order=2)
    assert persons(store) == {"1", "2"}, "its number is no longer verified"
    at_the_trust(store, patient(2, A, gender="male", verified=True), order=3)
    assert persons(store) == {"1 2"}
    at_the_trust(store, patient(2, A, gender="male", verified=True, born="1999-01-01"), order=4)
    assert persons(store) == {"1", "2"}


@pytest.mark.hazard("HZ-ID-10")
def test_a_record_that_contradicts_a_joined_one_is_not_carried_along(store):
    two_verified(store, gender="male")
    for who in ("ann", "bob"):
        answering.join(store, only(store, "number"), uid(1), uid(2), who, WHY)
    at_the_trust(store, patient(3, A, born="1999-01-01"))
    assert persons(store) == {"1 2", "3"}


# The list


def test_a_question_is_asked_until_it_is_answered_and_again_when_a_record_says_something_else(store):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, born="1999-01-01"))
    item = only(store, "number")
    key = answering.confirm(store, item, "ann", WHY)["ruling"]
    assert items(store) == []
    with store.read() as session:
        assert len(list(identities.mismatches(session))) == 1, "`mismatches` lists what lies in the store"
    at_the_trust(store, patient(2, A, born="1999-01-02"), order=2)
    assert only(store, "number") != item
    at_the_trust(store, patient(2, A, born="1999-01-01"), order=3)
    assert items(store) == []
    answering.undo(store, key, "bob", WHY)
    assert only(store, "number") == item


@pytest.mark.hazard("HZ-ID-11")
def test_a_record_that_has_or_had_two_numbers_is_listed(store):
    at_the_practice(store, patient(1, A), patient(2, B))
    at_the_trust(store, patient(3, A, B, family="Quillfeather"))
    at_the_practice(store, patient(2, A, family="Other", born="1999-01-01"), order=2)
    assert {item.patients for item in items(store, "two-numbers")} == {(id_hash(uid(2)),), (id_hash(uid(3)),)}


@pytest.mark.hazard("HZ-ID-11")
def test_two_numbers_are_explained_only_where_pds_says_that_one_replaced_the_other(store, fake, trace):
    at_the_trust(store, patient(1, A, B))
    fake.hold([Someone(A), Someone(B)])
    assert trace(store).outcomes == {"verified": 2}
    assert len(items(store, "two-numbers")) == 1, "each was traced to itself: two people, or one whom PDS holds twice"
    fake.hold([Someone(A, replaced_by=B)])
    with store.write() as session:
        session.run("UPDATE trace SET until = 1")
    assert trace(store).outcomes == {"superseded": 1, "verified": 1}
    assert items(store, "two-numbers") == []


@pytest.mark.hazard("HZ-ID-18")
def test_a_record_that_claims_two_numbers_shows_nobody_the_other_ones_record(store, seen):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, B, verified=True), patient(3, A, B))
    assert persons(store) == {"1", "2", "3"} and seen(A) == {101}


@pytest.mark.hazard("HZ-ID-11")
def test_a_number_of_the_test_range_is_listed_in_a_live_store_and_never_asked_about(tmp_path):
    live = open_store(sqlite_url(tmp_path / "gateway.db"), create="live")
    with live.write() as session:
        registry.ensure_publisher(session, "trust", "T", "hospital")
    at_the_trust(live, patient(1, A), patient(2, "9434765919"))
    asked = [record.id for record in tracing.due(live)]
    (item,) = items(live, "test-number")
    live.close()
    assert item.patients == (id_hash(uid(1)),) and asked == [uid(2)]


def test_the_list_says_no_value_unless_it_is_asked_for(store):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, born="1999-01-01"))
    open_items = review.review(store)
    (item,) = open_items.items
    told = json.dumps(review.plain(item, open_items, values=False))
    assert not any(value in told for value in (A, "999 000", "Fernsby", "1999-01-01", "ZE1"))
    shown = json.dumps(review.plain(item, open_items, values=True))
    assert all(value in shown for value in ("999 000 0018", "Ann Fernsby", "1999-01-01", "ZE1 0AA"))


def test_the_name_of_an_item_cannot_be_computed_from_a_number(store):
    """It is keyed: whoever reads names in an audit cannot try all numbers."""
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, born="1999-01-01"))
    open_items = review.review(store)
    (item,) = open_items.items
    question = (item.kind, item.why, item.patients, item.numbers)
    assert review._named(store.namespace.bytes, open_items.evidence, question).id == item.id
    assert review._named(b"another key", open_items.evidence, question).id != item.id


@pytest.mark.parametrize(
    "answer",
    [
        lambda store, item: answering.separate(store, item, uid(99), "ann", WHY),
        lambda store, item: answering.separate(store, item, uid(1), "ann", WHY, 2),
        lambda store, item: answering.separate(store, "none", uid(1), "ann", WHY),
        lambda store, item: answering.join(store, item, uid(1), uid(1), "ann", WHY),
        lambda store, item: answering.confirm(store, item, " ", WHY),
        lambda store, item: answering.undo(store, 99, "ann", WHY),
    ],
)
def test_an_answer_that_does_not_fit_its_question_is_refused_and_leaves_nothing(store, answer):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, born="1999-01-01"))
    with pytest.raises((Refused, Invalid)):
        answer(store, only(store, "number"))
    with store.read() as session:
        assert session.value("SELECT count(*) FROM ruling") == 0


@pytest.mark.hazard("HZ-ID-06")
def test_every_ruling_is_in_the_audit_without_a_value(store):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, born="1999-01-01"))
    answering.separate(store, only(store, "number"), uid(2), "ann", WHY)
    with store.read() as session:
        event = json.loads(session.value("SELECT event FROM audit ORDER BY seq DESC LIMIT 1"))
    assert event["act"] == "identity.separate" and event["by"] == "ann" and event["why"] == WHY
    assert A not in json.dumps(event)
