"""What an organisation records of a patient's permission: what it opens, until when, and which alert it raises; in live
stores as in a sandbox."""

import itertools
from dataclasses import replace

import pytest

from gateway import records
from gateway.care import Statement, may_record, permit
from gateway.errors import Forbidden, Invalid
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import DAY, moment
from gateway.nhs import access, sandbox
from gateway.nhs.alerting import PAIRS
from gateway.nhs.codesets import CodeSets
from gateway.nhs.relationship import ANSWERS, BASES, DENIED, alert_of, standing
from gateway.nhs.roles import caller_from_claims
from gateway.records import open_door
from gateway.records.door import Door
from gateway.records.facts import about_number, facts_about
from gateway.store import alerts
from gateway.store.database import open_store
from tests.api import people
from tests.api.people import ABE, ANN, NOBODY, ODD, SETS
from tests.schema import sqlite_url
from tests.toy import deliver, row, says

HOUR = 3_600_000_000
WHY = "cannot speak, found collapsed"
WARD, NURSE, OTHER, DESK = (
    caller_from_claims(sandbox.claims(user)) for user in ("dr-ward", "nurse-ward", "dr-other", "receptionist")
)


LIVE_SETS = CodeSets(tuple(replace(code_set, sandbox=False) for code_set in SETS.sets))


@pytest.fixture(params=["sqlite", "postgresql"])
def live(request, tmp_path) -> Door:
    """A live store with the people of a practice, another practice and a trust, on each database."""
    is_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "gateway.db") if is_sqlite else request.getfixturevalue("postgres_schema_url")
    store = open_store(url, create="live")
    store.mode = "sandbox"  # a live one takes rows of registered publishers only
    people.fill(store)
    store.mode = "live"
    door = open_door(store, LIVE_SETS)
    assert not store.is_sandbox and not door.missing
    yield door
    door.audit.close()
    store.close()


def seen(door: Door, number: str, caller=OTHER) -> str:
    """How the shared record is answered: "shown", or the code of the refusal."""
    try:
        records.person(door, caller, "seen", number=number)
    except Forbidden as refusal:
        return refusal.code
    return "shown"


def events(door: Door, request_id: str) -> list[dict]:
    return [event for event in door.audit.events() if event.get("request") == request_id]


# basis → what it opens to a practice without a relationship: of Ann, Abe (objects), Odd (restricted) and Nobody
OPENS = {
    "permission": ("no-relationship", "no-relationship", "no-relationship", "no-relationship"),
    "permission-extended": ("no-relationship", "no-relationship", "no-relationship", "no-relationship"),
    "self-claimed-lr": ("shown", "no-record", "no-record", "no-record"),
    "emergency": ("shown", "no-record", "no-record", "no-record"),
    "court-order": ("shown", "no-record", "no-record", "no-record"),
    "statute": ("shown", "no-record", "no-record", "no-record"),
    "public-interest": ("shown", "no-record", "no-record", "no-record"),
    DENIED: ("permission-refused", "permission-refused", "permission-refused", "permission-refused"),
}
BREAKER = caller_from_claims(
    {
        **sandbox.claims("dr-other"),
        "nhsid_nrbac_roles": [
            {
                **sandbox.claims("dr-other")["nhsid_nrbac_roles"][0],
                "activity_codes": ["B0370", "B0380", "B0168", "B0082"],
            }
        ],
    }
)


@pytest.mark.hazard("HZ-ACCESS-39")
def test_what_was_recorded_opens_this_and_no_more(live):
    """No basis lifts a restriction or an objection, and none tells whether anybody has the number."""
    assert OPENS.keys() == ANSWERS.keys()
    for basis, answers in OPENS.items():
        live.store.clock = lambda now=live.store.clock() + 400 * DAY: now  # what was recorded before has ended
        for number, answer in zip((ANN, ABE, ODD, NOBODY), answers):
            assert seen(live, number) == "ptv-required"
            permit(live, BREAKER, Statement(number, basis, WHY), "r")
            assert seen(live, number) == answer, (basis, number)
            assert seen(live, number, NURSE) == "ptv-required", "it is the organisation's that recorded it"


@pytest.mark.hazard("HZ-ACCESS-40")
def test_each_basis_is_audited_in_its_own_transaction_with_the_alert_that_it_raises(live, monkeypatch):
    raised = {}
    for basis in ANSWERS:
        for number in (ANN, NOBODY):  # Ann is on the ward, Nobody is not
            permit(live, WARD, Statement(number, basis, WHY), f"{basis} {number}")
            (event,) = events(live, f"{basis} {number}")
            raised[basis, number] = event.get("alert")
            assert (event["act"], event["organisation"], event["reason"]) == (ANSWERS[basis].act, "RZZ", WHY)
    assert {basis: (raised[basis, ANN], raised[basis, NOBODY]) for basis in ANSWERS} == {
        "permission": (None, None), "permission-extended": (None, None), "self-claimed-lr": ("1/6", "1/6"),
        "emergency": ("2/5", "1/4"), "court-order": ("2/3", "1/3"), "statute": ("2/2", "1/2"),
        "public-interest": ("2/1", "1/1"), DENIED: (None, None),
    }  # fmt: skip
    with live.store.read() as session:
        rows = alerts.listed(session, "RZZ")
        before = session.value("SELECT count(*) FROM permission")
    assert sorted(f"{row.type}/{row.subtype}" for row in rows) == sorted(pair for pair in raised.values() if pair)
    assert {row.user for row in rows} == {WARD.user} and not any(ANN in repr(row._replace(request="")) for row in rows)
    monkeypatch.setattr("gateway.care.permission.record_write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        permit(live, WARD, Statement(ANN, "statute", WHY), "r")
    with live.store.read() as session:
        assert session.value("SELECT count(*) FROM permission") == before
        assert alerts.listed(session, "RZZ") == rows, "the permission, its alert and its event: all or none"


def test_an_alert_is_of_an_allowed_pair():
    pairs = {alert_of(basis, is_related=related) for basis in ANSWERS for related in (True, False)} - {None}
    assert pairs <= PAIRS and len(pairs) == 9


@pytest.mark.hazard("HZ-ACCESS-39")
def test_a_refusal_ends_what_was_recorded_before_and_no_emergency_lifts_it(live):
    permit(live, BREAKER, Statement(ANN, "self-claimed-lr", WHY), "r")
    assert seen(live, ANN) == "shown"
    permit(live, BREAKER, Statement(ANN, DENIED), "r")
    assert seen(live, ANN) == "permission-refused"
    with pytest.raises(Forbidden) as refused:
        permit(live, BREAKER, Statement(ANN, "emergency", WHY), "late")
    assert refused.value.code == "permission-refused"
    (event,) = events(live, "late")
    assert (event["act"], event["outcome"], event["refusal"]) == ("break-glass", "refused", "permission-refused")
    assert (event["number"], event["basis"], event["reason"]) == (ANN, "emergency", WHY)
    assert event["patients"], "whom it was tried on"
    permit(live, BREAKER, Statement(ANN, "court-order", WHY), "r")
    assert seen(live, ANN) == "shown", "the law does not ask"


@pytest.mark.hazard("HZ-ACCESS-39")
def test_a_refusal_under_a_number_that_is_merely_claimed_ends_what_was_recorded_under_the_sure_one(live):
    ann = people.patient(51, ANN, "Ames", "Ann")
    ann["identifier"].append({"system": NHS_NUMBER, "value": NOBODY})
    live.store.mode = "sandbox"
    deliver(live.store, [says("P3", 1, ods="A99003"), row("ann3", ann, publisher="P3")], SETS, name="third")
    live.store.mode = "live"
    permit(live, BREAKER, Statement(ANN, "self-claimed-lr", WHY), "r")
    assert seen(live, ANN) == "shown"
    permit(live, BREAKER, Statement(NOBODY, DENIED), "r")
    assert seen(live, ANN) != "shown"


BEFORE = ("permission", "permission-extended", "self-claimed-lr", "emergency")


@pytest.mark.parametrize("before, after", list(itertools.product(BEFORE, (*BEFORE, "statute"))))
def test_what_stands_beside_a_refusal(before, after):
    """(basis, from, until): a refusal at 10, one thing before it and one after."""
    far = 200 * DAY
    rows = [(before, 5, far), (DENIED, 10, 90 * DAY), (after, 20, far)]
    standing_now = {basis for basis, _, _ in standing(rows, 30)}
    if after == "emergency":
        assert standing_now == {DENIED}
        later = [(before, 5, far), (DENIED, 10, 90 * DAY), (after, 10 + DAY, far)]
        assert {basis for basis, _, _ in standing(later, 20 + DAY)} == {"emergency"}
    elif after == "statute":
        assert standing_now == {DENIED, "statute"}
    else:
        assert standing_now == {after} and all(at == 20 for _, at, _ in standing(rows, 30))
    assert standing([(before, 5, far), (DENIED, 5, 90 * DAY)], 10) == [(DENIED, 5, 90 * DAY)], "of one moment, refused"
    assert standing([("curiosity", 5, far)], 10) == []


ENDS = {
    # basis, days from now → hours from now at most, None where it is refused
    "permission": [(None, 24), (1, None)],
    "permission-extended": [(None, 24 * 90), (3, 24 * 4), (0, 24), (90, 24 * 90), (92, None), (-1, None)],
    "self-claimed-lr": [(None, 24 * 7), (2, 24 * 3), (9, None)],
    "emergency": [(None, 12), (1, None)],
    "court-order": [(None, 24)],
}


@pytest.mark.parametrize("basis, days, most", [(basis, *row) for basis, rows in ENDS.items() for row in rows])
def test_each_basis_ends(door, basis, days, most):
    now = door.store.clock()
    day = "" if days is None else f"{moment(now + days * DAY):%Y-%m-%d}"
    statement = Statement(NOBODY, basis, WHY, day)
    if most is None:
        with pytest.raises(Invalid, match="until"):
            permit(door, WARD, statement, "r")
    else:
        until = permit(door, WARD, statement, "r")
        assert now < until <= door.store.clock() + most * HOUR
        assert days is not None or until >= now + most * HOUR


FAULTS = {
    "no number": (Statement("9990000019", "permission"), "number"),
    "no basis": (Statement(ANN, ""), "basis"),
    "a basis that nobody knows": (Statement(ANN, "curiosity"), "basis"),
    "the own practice's right": (Statement(ANN, "registered"), "basis"),
    "a reason too short": (Statement(ANN, "emergency", "   urgent    "), "reason"),
    "a reason too long": (Statement(ANN, "emergency", "x" * 501), "reason"),
    "an end that is no day": (Statement(ANN, "permission-extended", WHY, "tomorrow!!"), "until"),
    "an end that is a month": (Statement(ANN, "permission-extended", WHY, "2027-01"), "until"),
}


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Door:
    """A sandbox that holds nobody."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('door') / 'gateway.db'}", create="sandbox")
    opened = open_door(store, SETS)
    yield opened
    opened.audit.close()
    store.close()


@pytest.mark.parametrize("statement, place", FAULTS.values(), ids=FAULTS)
def test_what_is_not_as_its_basis_asks_is_refused_by_its_place(door, statement, place):
    with pytest.raises(Invalid, match=f"^{place}") as fault:
        permit(door, WARD, statement, "r")
    assert ANN not in str(fault.value) and "curiosity" not in str(fault.value)


RECORDS = {
    "dr-ward": set(ANSWERS),
    "nurse-ward": {"permission", "permission-extended", "self-claimed-lr", DENIED},
    "receptionist": {"permission", "permission-extended", "self-claimed-lr", DENIED},
    "privacy-officer": set(),
    "student": set(),
    "admin": set(),
    "researcher": set(),
}


@pytest.mark.parametrize("user", RECORDS)
def test_who_may_record_which_basis(door, user):
    caller = caller_from_claims(sandbox.claims(user))
    assert may_record(door, caller) == RECORDS[user]
    for basis in BASES:
        if basis not in RECORDS[user]:
            with pytest.raises(Forbidden):
                permit(door, caller, Statement(NOBODY, basis, WHY), "r")


def test_a_claim_is_nobodys_but_a_persons(live):
    """A system is told of changes of whom its organisation cares for, not of whom somebody looked up."""
    permit(live, BREAKER, Statement(ANN, "emergency", WHY), "r")
    claims = {**sandbox.claims("tester"), "org_code": "A99002"}
    system = caller_from_claims(claims)
    with live.store.read() as session:
        facts = facts_about(live, session, system, about_number(session, ANN))
    assert facts.claim and access.decide(system, access.Act("notify", "Encounter"), facts).refusal
