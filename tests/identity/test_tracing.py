"""A record's number is verified only by what PDS answers, about this record, while it still says the same."""

import json
from dataclasses import replace

import pytest

from gateway.identity import review, tracing
from gateway.nhs import labels, traced
from gateway.store import identities, labelling
from gateway.store.hashes import id_hash
from tests.identity.people import A, B, C, at_the_practice, at_the_trust, patient, uid
from tests.pds.fake import Someone


def grade(store, id_: int) -> str:
    """The grade of the person of a Patient."""
    with store.read() as session:
        person = identities.person_of(session, id_hash(uid(id_)))
        return min(grade for _, _, grade in identities.gathered(session, [person]))


def persons(store) -> set[str]:
    """The ids of the Patients of each person, together."""
    with store.read() as session:
        rows = session.rows("SELECT n.person, h.id FROM person n JOIN head h ON h.patient = n.patient AND h.type = 0")
    people: dict[int, list[int]] = {}
    for person, id_ in rows:
        people.setdefault(person, []).append(int(id_[:8]))
    return {" ".join(map(str, sorted(ids))) for ids in people.values()}


def outcome(report) -> str:
    (name,) = report.outcomes
    return name


CASES = [
    # what the trust says, what PDS holds, the outcome
    ({}, {}, "verified"),
    ({"given": "A", "family": "Fernsby"}, {}, "verified"),  # an initial is no name; surname and postcode agree
    ({"family": "Gooch"}, {}, "verified"),  # given name and postcode agree
    ({"family": "Gooch", "postcode": ""}, {}, "differs"),
    ({"family": "Gooch", "given": "Bea"}, {}, "differs"),
    ({"born": "1980-03-02"}, {}, "differs"),
    ({"born": "1980"}, {}, "differs"),
    ({"gender": "male"}, {}, "differs"),
    ({}, {"security": "R"}, "verified"),
    ({}, {"number": B}, "not-found"),
    ({}, {"invalidated": True}, "invalidated"),
]


@pytest.mark.hazard("HZ-ID-01")
@pytest.mark.parametrize("record, held, expected", CASES)
def test_a_number_is_verified_with_birth_date_names_and_sex_together(store, fake, trace, record, held, expected):
    fake.hold([Someone(**{"number": A, **held})])
    at_the_trust(store, patient(1, A, **record))
    report = trace(store)
    assert (report.asked, outcome(report)) == (1, expected)
    assert grade(store, 1) == ("verified" if traced.is_verified(expected) else "claimed")


def test_a_verified_record_is_gathered_and_shown_with_the_practices(store, fake, trace, seen):
    """Both only claimed the number. By PDS's word they are one person's."""
    fake.hold([Someone(A)])
    at_the_trust(store, patient(1, A), patient(2, A, given="Anne"))
    assert persons(store) == {"1", "2"}
    trace(store)
    assert persons(store) == {"1 2"}


@pytest.mark.hazard("HZ-ID-02")
def test_a_record_that_says_something_else_since_its_trace_is_claimed_again(store, fake, trace):
    fake.hold([Someone(A)])
    at_the_trust(store, patient(1, A))
    trace(store)
    assert grade(store, 1) == "verified"
    at_the_trust(store, patient(1, A, born="1999-01-01"), order=2)
    assert grade(store, 1) == "claimed"
    assert [record.id for record in tracing.due(store)] == [uid(1)]


@pytest.mark.hazard("HZ-ID-02")
def test_a_trace_ends_and_the_record_is_claimed_until_it_is_traced_again(store, fake, trace):
    fake.hold([Someone(A)])
    at_the_trust(store, patient(1, A))
    assert trace(store).asked == 1 and trace(store).asked == 0
    with store.write() as session:
        session.run("UPDATE trace SET until = 1")
    fake.troubles = [(429, {"retry-after": "3600"})]
    assert trace(store).stopped and grade(store, 1) == "claimed", "it is claimed again also where nobody answers"
    fake.troubles = []
    assert outcome(trace(store)) == "verified" and grade(store, 1) == "verified"


def test_a_trace_that_ended_is_taken_off_once_and_in_pages(store, fake, trace, monkeypatch):
    fake.hold([Someone(A), Someone(B), Someone(C)])
    at_the_trust(store, patient(1, A), patient(2, B), patient(3, C))
    trace(store)
    with store.write() as session:
        session.run("UPDATE trace SET until = 1")
    fake.troubles = [(429, {"retry-after": "3600"})] * 9
    pages: list[int] = []
    regather = tracing.derive.regather
    monkeypatch.setattr(tracing, "PAGE", 2)
    monkeypatch.setattr(
        tracing.derive, "regather", lambda session, page: (pages.append(len(page)), regather(session, page))
    )
    assert trace(store).stopped and pages == [2, 1]
    assert [grade(store, number) for number in (1, 2, 3)] == ["claimed"] * 3
    assert trace(store).stopped and pages == [2, 1], "nothing is left to take off"
    fake.troubles = []
    assert trace(store).asked == 3
    del pages[:]
    assert trace(store).asked == 0 and not pages, "a newer trace is in force"


def test_a_delivery_that_changes_nothing_keeps_what_was_traced(store, fake, trace):
    fake.hold([Someone(A)])
    at_the_trust(store, patient(1, A))
    trace(store)
    at_the_trust(store, patient(1, A, maritalStatus={"text": "single"}), order=2)
    assert grade(store, 1) == "verified"


# Superseded numbers


@pytest.mark.hazard("HZ-ID-03")
def test_a_superseded_number_gathers_with_the_new_one_by_pds_and_both_find_the_person(store, fake, trace, seen):
    at_the_practice(store, patient(1, B))
    at_the_trust(store, patient(2, A))
    assert seen(B) == {101} and seen(A) == "ptv-required", "before PDS says so they are two people"
    fake.hold([Someone(A, replaced_by=B), Someone(B)])
    assert outcome(trace(store)) == "superseded"
    assert persons(store) == {"1 2"} and seen(A) == seen(B) == {101, 102}
    (item,) = [item for item in review.review(store).items if item.kind == "superseded"]
    shown = review.plain(item, review.review(store), values=True)
    assert shown["numbers"] == ["999 000 0018", "999 000 0026"]


@pytest.mark.hazard("HZ-ID-03")
def test_a_superseding_number_of_somebody_else_gathers_nobody(store, fake, trace, seen):
    at_the_practice(store, patient(1, B, given="Bea", family="Gooch"))
    at_the_trust(store, patient(2, A))
    fake.hold([Someone(A, replaced_by=B), Someone(B, given="Bea", family="Gooch")])
    assert outcome(trace(store)) == "superseded-differs"
    assert persons(store) == {"1", "2"} and seen(B) == {101} and seen(A) == "ptv-required"
    assert [item.kind for item in review.review(store).items] == ["pds"]


@pytest.mark.hazard("HZ-ID-03")
def test_a_superseded_number_that_its_source_verified_is_found_when_all_are_asked_about(store, fake, trace, seen):
    at_the_practice(store, patient(1, B))
    at_the_trust(store, patient(2, A, verified=True))
    fake.hold([Someone(A, replaced_by=B), Someone(B)])
    assert trace(store).asked == 0 and persons(store) == {"1", "2"}
    assert trace(store, everyone=True).outcomes == {"superseded": 1, "verified": 1}
    assert persons(store) == {"1 2"} and seen(A) == seen(B) == {101, 102}


@pytest.mark.hazard("HZ-ID-17")
@pytest.mark.parametrize("ending", ["the trace ends", "the record changes"])
def test_a_number_that_was_traced_still_refuses_when_its_trace_no_longer_holds(store, fake, trace, seen, ending):
    """Wide to refuse: whom an opt-out list or another record names by the old number is still named by it."""
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(3, A, family="Gooch", given="Bea", postcode=""))
    fake.hold([Someone(A, replaced_by=B), Someone(B)])
    trace(store, everyone=True)
    if ending == "the trace ends":
        with store.write() as session:
            session.run("UPDATE trace SET until = 1")
        fake.troubles = [(429, {"retry-after": "3600"})]
        trace(store)
    else:
        at_the_practice(store, patient(1, B), order=2)
    with store.read() as session:
        held = {number: {claim[0] for claim in identities.claimants(session, [number])} for number in (A, B)}
    assert id_hash(uid(1)) in held[A] & held[B]
    with store.write() as session:
        session.run("UPDATE head SET labels = ? WHERE id = ?", labels.RESTRICTED, uid(3))
    assert seen(A if ending == "the trace ends" else B) == "no-record"


# Records without a number


@pytest.mark.hazard("HZ-ID-04")
@pytest.mark.parametrize(
    "record, held, expected",
    [
        ({}, {}, "traced"),
        ({"family": "Fernsbey"}, {}, "likely"),
        ({"family": "Fernsbey", "postcode": ""}, {}, "likely"),
        ({"postcode": ""}, {}, "likely"),  # exact, and yet nobody's own
        ({"gender": "unknown"}, {}, "likely"),
        ({"born": "1980-02-04"}, {}, "none"),
        ({}, {"security": "R"}, "none"),  # a search by postcode never finds a restricted person
        ({"given": "", "family": "Fernsby"}, {}, "too-little"),
        ({"given": "Baby"}, {}, "too-little"),
        ({"born": ""}, {}, "too-little"),
    ],
)
def test_a_record_without_a_number_gets_one_by_an_exact_and_complete_match_only(
    store, fake, trace, record, held, expected
):
    fake.hold([Someone(**{"number": B, **held}), Someone(C, born="1991-01-01")])
    at_the_practice(store, patient(1, B))
    at_the_trust(store, {key: value for key, value in patient(2, **record).items() if value})
    report = trace(store)
    assert outcome(report) == expected
    assert persons(store) == ({"1 2"} if expected == "traced" else {"1", "2"})


@pytest.mark.hazard("HZ-ID-04")
def test_several_matches_give_no_number(store, fake, trace):
    fake.hold([Someone(A), Someone(B)])
    at_the_trust(store, patient(2))
    assert outcome(trace(store)) == "many" and grade(store, 2) == "claimed"


def test_a_partial_match_is_a_proposal_of_the_review(store, fake, trace):
    fake.hold([Someone(B)])
    at_the_trust(store, patient(2, family="Fernsbey"))
    trace(store)
    (item,) = review.review(store).items
    assert item.kind == "proposal" and item.numbers == (B,)


# What PDS says beside the number


@pytest.mark.hazard("HZ-ID-05")
@pytest.mark.parametrize("security", ["R", "V", "", "X"])
def test_whoever_pds_restricts_is_hidden_here_from_everyone(store, fake, trace, seen, security):
    fake.hold([Someone(A, security=security)])
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, postcode=""))
    assert seen(A) == {101, 102}
    trace(store)
    assert seen(A) == "no-record"
    with store.read() as session:
        assert labelling.labelled(session, [id_hash(uid(2))], labels.RESTRICTED) == {id_hash(uid(2))}
    at_the_trust(store, patient(2, A, postcode="ZE1 0AB"), order=2)
    assert seen(A) == "no-record", "it stays so until PDS says otherwise"
    (item,) = [item for item in review.review(store).items if item.kind == "restricted"]
    shown = review.plain(item, review.review(store), values=True)
    assert shown["records"][0]["hidden"] and A not in json.dumps(shown) and "Fernsby" not in json.dumps(shown)


@pytest.mark.hazard("HZ-ID-05")
def test_a_restriction_is_taken_off_when_pds_says_so(store, fake, trace, seen):
    fake.hold([Someone(A, security="R")])
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A))
    trace(store)
    assert seen(A) == "no-record"
    fake.hold([Someone(A)])
    with store.write() as session:
        session.run("UPDATE trace SET until = 1")
    trace(store)
    assert seen(A) == {101, 102}


@pytest.mark.hazard("HZ-ID-16")
@pytest.mark.parametrize(
    "record, held, expected",
    [
        ((A,), Someone(A, security="R", family="Gooch", given="Bea"), "differs"),
        ((A,), Someone(A, security="R", gender="male"), "differs"),
        ((A,), Someone(A, security="R", born="1999-01-01"), "differs"),
        ((), Someone(A, security="R", family="Fernsbee"), "likely"),
    ],
)
def test_whoever_pds_restricts_is_hidden_whatever_else_the_record_says(
    store, fake, trace, seen, record, held, expected
):
    fake.hold([held])
    at_the_trust(store, patient(2, *record, postcode=""))
    assert outcome(trace(store)) == expected
    with store.read() as session:
        assert labelling.labelled(session, [id_hash(uid(2))], labels.RESTRICTED) == {id_hash(uid(2))}
    fake.hold([replace(held, security="U")])
    with store.write() as session:
        session.run("UPDATE trace SET until = 1")
    assert outcome(trace(store)) == expected
    with store.read() as session:
        assert not labelling.labelled(session, [id_hash(uid(2))], labels.RESTRICTED), "it ends when PDS says so"


@pytest.mark.hazard("HZ-ID-16")
def test_a_superseding_number_of_a_restricted_stranger_hides_the_record_too(store, fake, trace, seen):
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A))
    fake.hold([Someone(A, replaced_by=B), Someone(B, given="Bea", family="Gooch", security="R")])
    assert outcome(trace(store)) == "superseded-differs" and seen(A) == "no-record"


@pytest.mark.hazard("HZ-ID-16")
@pytest.mark.parametrize("restricted", [A, B])
def test_a_trace_of_the_second_number_does_not_lift_what_pds_said_of_the_first(store, fake, trace, seen, restricted):
    fake.hold([Someone(number, security="R" if number == restricted else "U") for number in (A, B)])
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, B))
    assert trace(store).outcomes == {"verified": 2}
    assert seen(A) == "no-record"
    assert [item.patients for item in review.review(store).items if item.kind == "restricted"] == [(id_hash(uid(2)),)]
    fake.hold([Someone(A), Someone(B)])
    with store.write() as session:
        session.run("UPDATE trace SET until = 1")
    trace(store)
    assert seen(A) == {101, 102}


@pytest.mark.hazard("HZ-ID-16")
def test_a_likely_match_does_not_lift_what_an_exact_one_said(store, fake, trace):
    at_the_trust(store, patient(2, A))
    fake.hold([Someone(A, security="R")])
    trace(store)
    at_the_trust(store, patient(2, family="Fernsbey"), order=2)
    fake.people = {B: Someone(B)}
    assert outcome(trace(store)) == "likely"
    with store.read() as session:
        assert labelling.labelled(session, [id_hash(uid(2))], labels.RESTRICTED)


@pytest.mark.hazard("HZ-ID-16")
@pytest.mark.parametrize("dead", [A, B])
def test_a_death_by_one_number_is_not_undone_by_the_other(store, fake, trace, seen, dead):
    death = {"death": "2026-01-01T00:00:00+00:00", "died": "2"}
    fake.hold([Someone(number, **(death if number == dead else {})) for number in (A, B)])
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A, B))
    trace(store)
    assert seen(A) == {101}


@pytest.mark.parametrize("died, shown", [("2", {101}), ("1", {101, 102}), ("U", {101, 102})])
def test_a_death_counts_when_the_registrar_notified_it(store, fake, trace, seen, died, shown):
    fake.hold([Someone(A, death="2026-01-01T00:00:00+00:00", died=died)])
    at_the_practice(store, patient(1, A))
    at_the_trust(store, patient(2, A))
    trace(store)
    assert seen(A) == shown


# Who is asked about, and what is told of it


def test_only_claimed_and_missing_numbers_are_asked_about(store, fake, trace):
    real = "9434765919"
    at_the_practice(store, patient(1, A))
    at_the_trust(
        store, patient(2, B, verified=True), patient(3, C), patient(4), patient(5, real),
        patient(6, link=[{"other": {"reference": f"Patient/{uid(3)}"}, "type": "replaced-by"}]),
    )  # fmt: skip
    assert {record.id for record in tracing.due(store)} == {uid(3), uid(4)}, "a sandbox asks about no real number"
    assert tracing.due(store, publisher="P1") == []


@pytest.mark.hazard("HZ-ID-06")
def test_every_query_is_in_the_audit_before_it_is_sent_and_says_no_value(store, fake, trace):
    fake.hold([Someone(A)])
    at_the_trust(store, patient(1, A), patient(2, family="Quillfeather"))
    trace(store)
    with store.read() as session:
        events = [json.loads(event) for (event,) in session.rows("SELECT event FROM audit ORDER BY seq")]
    queries = [event for event in events if event["act"] == "identity.query"]
    assert [query["asks"] for query in queries] == ["number", "demographics", "fuzzy"]
    assert all(query["purpose"] and query["by"] == "tester" for query in queries)
    sent = [request["headers"]["x-request-id"] for request in fake.requests]
    assert sent == [query["request"] for query in queries]
    assert not any(value in json.dumps(events) for value in (A, "Quillfeather", "Fernsby", "1980-02-03"))


@pytest.mark.hazard("HZ-ID-06")
def test_a_run_stops_where_pds_asks_to_wait_and_keeps_what_was_done(store, fake, trace):
    fake.hold([Someone(A), Someone(B)])
    at_the_trust(store, patient(1, A), patient(2, B))
    fake.troubles = [(500, {})] + [(429, {"retry-after": "3600"})] * 9
    report = trace(store)
    assert (report.due, report.asked) == (2, 0) and "wait" in report.stopped
    fake.troubles = []
    assert trace(store).asked == 2


@pytest.mark.hazard("HZ-ID-19")
@pytest.mark.parametrize("status", [400, 404, 409, 422, 418, 302])
def test_a_record_that_pds_does_not_take_holds_up_no_other(store, fake, trace, status):
    fake.hold([Someone(A), Someone(B)])
    at_the_trust(store, patient(1, A), patient(2, B))
    fake.troubles = [(status, {})]
    report = trace(store)
    assert report.asked == 2 and not report.stopped
    assert report.outcomes == {"unreadable" if status < 400 else "rejected": 1, "verified": 1}
    assert trace(store).asked == 0, "it is asked about again after some days"
    assert [item.kind for item in review.review(store).items] == ["pds"]


ODD = [
    {"identifier": [None]},
    {"identifier": ["x"]},
    {"birthDate": None},
    {"birthDate": 1980},
    {"name": [{"family": None, "given": ["Ann"]}, None]},
    {"name": "Fernsby"},
    {"address": [None, {"postalCode": None}]},
    {"meta": None},
    {"meta": {"security": [{"code": None}]}},
    {"extension": [None, {"url": None}]},
    {"id": None},
]


@pytest.mark.hazard("HZ-ID-19")
@pytest.mark.parametrize("odd", ODD)
def test_a_patient_of_pds_of_another_shape_holds_up_no_other(store, fake, trace, monkeypatch, odd):
    fake.hold([Someone(A), Someone(B)])
    at_the_trust(store, patient(1, A), patient(2, B))
    from tests.pds import fake as served

    answers = served.patient
    monkeypatch.setattr(served, "patient", lambda someone: {**answers(someone), **(odd if someone.number == A else {})})
    report = trace(store)
    assert report.asked == 2 and not report.stopped and grade(store, 2) == "verified"


@pytest.mark.hazard("HZ-ID-19")
def test_a_run_stops_where_no_answer_is_that_of_pds(store, fake, trace):
    at_the_trust(store, *(patient(number) for number in range(1, 13)))
    fake.troubles = [(400, {})] * 30
    report = trace(store)
    assert report.asked == tracing.MOST_UNKNOWN and report.stopped
