"""What a subscriber is told, over a real connection to a real receiver, and what it never is."""

import threading
import time

import pytest
from standardwebhooks import Webhook

from gateway import processes
from gateway.egress import LedAway, Receipt
from gateway.errors import Refused, TooLarge, Unavailable
from gateway.notify import notifier, overseeing, wish
from gateway.notify.notifier import LEASE, PAUSES, Notifier
from gateway.records import notified
from gateway.signin import registration
from gateway.store import subscriptions
from gateway.store.subscriptions import SubscriptionRow
from tests.api import people
from tests.api.people import ANN, observation, patient, registered, to, uid
from tests.toy import resource, row

LEASED = LEASE // 1_000_000 + 1


def trust(key: str, *makes: dict, **more):
    return row(key, *makes, publisher="T", **more)


def from_trust(area, *rows):
    area.deliver(*rows, source="trust", kind="hospital")


def test_a_change_is_told_once_signed_and_by_its_id_alone(area):
    id_, secret = area.subscribe()
    area.deliver(row("new", observation(60, 1)))
    area.work()
    (came,) = area.receiver.taken()
    Webhook(secret).verify(came.body, came.headers)
    assert came.focus == [f"Observation/{uid(60)}"] and came.path == "/hook"
    assert came.headers["content-type"] == "application/fhir+json"
    assert came.status["events-since-subscription-start"] == "1" and came.status["type"] == "event-notification"
    assert b"http://snomed.info" not in came.body and ANN.encode() not in came.body
    assert area.told() == [], "it is told once"
    (event,) = [event for event in area.api.audit() if event["act"] == "notify"]
    assert event["resources"] == [f"Observation/{uid(60)}/1"] and event["user"] == "gp" and event["subscription"] == id_
    assert event["stream"] == "write" and uid(1) in event["patients"]


@pytest.mark.hazard("HZ-API-14")
def test_nothing_is_lost_and_nothing_has_two_ids_wherever_a_process_ends(area):
    """It ends after each step: the change, the notice, the claim, and the receiver's answer."""
    area.subscribe()
    from_trust(area, trust("one", observation(61, 31)))
    died = []

    def killed_before(endpoint, content, headers):
        died.append(headers["webhook-id"])
        raise KeyboardInterrupt

    def killed_after(endpoint, content, headers):
        area.api.service.hooks.send(endpoint, content, headers)
        killed_before(endpoint, content, headers)

    for send, came in ((killed_before, 0), (killed_after, 1)):
        with pytest.raises(KeyboardInterrupt):
            Notifier(area.api.service.door, area.api.service.hooks, send).work_once()
        assert len(area.receiver.received) == came
        assert area.notifier.work_once() is False, "who died holds it for the time of a lease"
        area.offset += LEASE + 1_000_000
    area.work()
    first, second = area.receiver.taken()
    assert {first.id, second.id} == set(died) and len(set(died)) == 1
    assert first.focus == second.focus == [f"Observation/{uid(61)}"]
    with area.store.read() as session:
        assert session.value("SELECT count(*) FROM notice") == 0


@pytest.mark.hazard("HZ-API-14")
def test_a_receiver_that_is_down_is_tried_again_in_order_until_it_is_given_up_and_can_begin_again(area):
    id_, _ = area.subscribe()
    area.receiver.answers = [500] * (len(PAUSES) + 1)
    area.deliver(row("one", observation(62, 1)))
    area.work()
    area.deliver(row("two", observation(63, 1)))
    for pause in PAUSES:
        assert area.row(id_)["status"] == "active"
        area.work(pause - 1)
        before = len(area.receiver.received)
        area.work(2)
        assert len(area.receiver.received) == before + 1
    came = area.receiver.taken()
    assert len({each.id for each in came}) == 1 and len({each.body[-300:] for each in came}) == 1
    assert all(each.focus == [f"Observation/{uid(62)}"] for each in came), "the second waits for the first"
    row_ = area.row(id_)
    assert row_["status"] == "error" and row_["error"] == "the endpoint answers 500"
    assert area.told(10**6) == []
    assert area.ask("PUT", f"Subscription/{id_}", body={**row_, "status": "requested"}).json()["status"] == "requested"
    area.work()
    area.work(2)
    handshake, first, second = area.receiver.taken()
    assert handshake.status["type"] == "handshake" and first.id == came[0].id
    assert (first.focus, second.focus) == ([f"Observation/{uid(62)}"], [f"Observation/{uid(63)}"])
    assert "error" not in area.row(id_) and area.row(id_)["status"] == "active"


def test_an_empty_ping_and_a_bundle_without_ids_say_that_something_changed_and_no_more(site):
    for content in ("", "empty"):
        _, secret = site.subscribe(content=content)
        site.deliver(row("new", observation(64 + len(content), 1)))
        site.work(2)
        (came,) = site.receiver.taken()
        Webhook(secret).verify(came.body, came.headers, json_parse=False) if not site.offset else None
        assert uid(64 + len(content)).encode() not in came.body and (content or came.body == b"")
        assert "content-type" not in came.headers or content
        site.ask("DELETE", f"Subscription/{_}")


def test_many_changes_come_in_their_order_some_at_a_time(site, monkeypatch):
    monkeypatch.setattr(notifier, "AT_ONCE", 3)
    monkeypatch.setattr(notifier, "WINDOW", 2)
    monkeypatch.setattr(notifier, "MOST_WAITING", 4)
    site.subscribe()
    site.deliver(*(row(f"many-{n}", observation(700 + n, 1)) for n in range(8)))
    with site.store.read() as session:
        order = [
            f"Observation/{id_}" for (id_,) in session.rows("SELECT id FROM head WHERE id LIKE '000007%' ORDER BY key")
        ]
    site.work()
    for _ in range(8):
        site.work(2)
    came = site.receiver.taken()
    assert [name for each in came for name in each.focus] == order and max(len(each.focus) for each in came) == 3
    assert came[-1].status["events-since-subscription-start"] == "8"


def ended(id_: int, patient_: int) -> dict:
    return resource(
        "EpisodeOfCare", uid(id_), status="finished", type=[people.coded("R")], patient=to("Patient", patient_),
        period={"start": "2020-01-01", "end": "2021-01-01"},
    )  # fmt: skip


SENSITIVE = {"coding": [{"system": "https://fhir.hl7.org.uk/Id/egton-codes", "code": "EMISSENS1"}]}
SILENT = {
    "an item that the source marks as confidential": [trust("s1", observation(800, 31, security=["R"]))],
    "an item that is sensitive by its code": [trust("s2", {**observation(801, 31), "code": SENSITIVE})],
    "a person who objects to sharing": [trust("s3", observation(802, 32))],
    "a person who is restricted": [trust("s4", observation(803, 37))],
    "somebody else's patient": [row("s5", observation(804, 21), publisher="P2")],
    "what another organisation deletes": [trust("s6", observation(805, 31)), trust("s6", order=2, deleted=True)],
    "what does not match": [trust("s7", {**observation(806, 31), "status": "amended"})],
    "another type": [trust("s8", people.encounter(807, 31))],
}
"""What leads to no notification of the practice's ``Observation?status=final``."""


@pytest.mark.hazard("HZ-ACCESS-36")
@pytest.mark.parametrize("rows", SILENT.values(), ids=SILENT)
def test_what_may_not_be_told_is_byte_equal_silence(site, rows):
    """Beside it stands a receiver that is down: neither attempts, nor numbers, nor words tell of it."""
    id_, _ = site.subscribe()
    site.receiver.answers = [503]
    site.deliver(row("seen", observation(850, 1), order=site.offset + 5))
    site.deliver(row("seen", observation(850, 1, note=[{"text": str(site.offset)}]), order=site.offset + 6))
    site.work()
    (attempt,) = site.receiver.taken()
    before = [site.ask("GET", path).content for path in (f"Subscription/{id_}", f"Subscription/{id_}/$status")]
    for each in rows:
        from_trust(site, each) if each.publisher == "T" else site.deliver(each)
    site.work(1)
    assert site.receiver.taken() == []
    assert [site.ask("GET", path).content for path in (f"Subscription/{id_}", f"Subscription/{id_}/$status")] == before
    site.work(PAUSES[0])
    (again,) = site.receiver.taken()
    assert again.id == attempt.id and again.focus == attempt.focus
    site.deliver(row("seen", observation(850, 1, note=[{"text": "b"}]), order=site.offset + 7))
    site.work(2)
    (came,) = site.receiver.taken()
    assert came.status["events-since-subscription-start"] == str(
        int(again.status["events-since-subscription-start"]) + 1
    )


def test_a_change_of_labels_is_no_change(site):
    site.subscribe()
    from_trust(site, trust("l1", observation(860, 31)))
    assert site.told() == [f"Observation/{uid(860)}"]
    from_trust(site, trust("l1", observation(860, 31, security=["R"]), order=2))
    assert site.told() == []
    from_trust(site, trust("l1", observation(860, 31), order=3))
    assert site.told() == [], "what is shown again was not changed"


def hide(site):
    from_trust(site, trust("h1", observation(870, 31, security=["R"]), order=2))


def disable(site):
    registration.set_active(site.store, "gp", False, "me")


def narrow(site):
    registration.change(site.store, "gp", "me", scopes=frozenset({"system/Subscription.cruds", "system/Encounter.rs"}))


def move(site):
    registration.change(site.store, "gp", "me", organisation="RZZ")


def give_back(site):
    registration.set_active(site.store, "gp", True, "me")
    registration.change(site.store, "gp", "me", organisation="A99001", scopes=frozenset({"system/*.cruds"}))


def leave(site):
    site.deliver(row("ann", patient(1, ANN, "Ames", "Ann"), ended(2, 1), order=2))


def restrict(site):
    site.deliver(row("ann", patient(1, ANN, "Ames", "Ann", security=["S"]), registered(2, 1), order=2))


LOST = {"it is hidden": hide, "the client is disabled": disable, "its scopes are narrowed": narrow, "it acts for another": move,
        "the person leaves": leave, "the person is restricted": restrict}  # fmt: skip


@pytest.mark.hazard("HZ-ACCESS-36")
@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
def test_access_is_asked_for_when_a_notification_leaves_and_at_each_attempt(tmp_path, data_dir, receiver, lose):
    from gateway.store.database import open_store
    from tests.notify.conftest import opened

    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}", create="sandbox")
    area = opened(store, data_dir(tmp_path / "data"), receiver)
    area.subscribe()
    receiver.answers = [503]
    from_trust(area, trust("h1", observation(870, 31)))
    area.work()
    assert [name for came in receiver.taken() for name in came.focus] == [f"Observation/{uid(870)}"]
    lose(area)
    assert area.told(PAUSES[0] + 1) == [], "the second attempt is not made"
    from_trust(
        area, trust("h1", observation(870, 31, note=[{"text": "b"}], security=["R"] if lose is hide else []), order=3)
    )
    assert area.told() == []
    if lose in (disable, narrow, move):
        give_back(area)
        assert area.told() + area.told() == [f"Observation/{uid(870)}"] * 2, "who was away for a while is told then"
    with store.read() as session:
        assert session.value("SELECT count(*) FROM notice") == 0
    area.api.close()
    store.close()


@pytest.mark.hazard("HZ-ACCESS-36")
def test_what_is_hidden_before_the_next_attempt_leaves_no_gap_in_the_numbers(site):
    id_, _ = site.subscribe()
    status = f"Subscription/{id_}/$status"

    def number(came):
        return int(came.status["events-since-subscription-start"])

    site.deliver(row("n0", observation(960, 1)))
    assert site.told() == [f"Observation/{uid(960)}"]
    before = site.ask("GET", status).content
    site.receiver.answers = [503]
    from_trust(site, trust("n1", observation(961, 31)))
    site.work()
    site.receiver.taken()
    from_trust(site, trust("n1", observation(961, 31, security=["R"]), order=2))
    assert site.told(PAUSES[0] + 1) == [] and site.ask("GET", status).content == before
    site.receiver.answers = [503]
    from_trust(site, trust("n2", observation(962, 31)), trust("n3", observation(963, 31)))
    site.work(1)
    (attempt,) = site.receiver.taken()
    from_trust(site, trust("n2", observation(962, 31, security=["R"]), order=2))
    site.work(PAUSES[0] + 1)
    (came,) = site.receiver.taken()
    assert (number(attempt), number(came), came.focus) == (3, 2, [f"Observation/{uid(963)}"]) and came.id != attempt.id


def test_attempts_to_tell_what_is_hidden_now_do_not_count_for_the_next(site):
    id_, _ = site.subscribe()
    site.receiver.answers = [503] * 3
    from_trust(site, trust("a1", observation(964, 31)))
    for pause in (0, *PAUSES[:2]):
        site.work(pause + 1)
    assert len(site.receiver.taken()) == 3
    from_trust(site, trust("a1", observation(964, 31, security=["R"]), order=2))
    site.work(PAUSES[2] + 1)
    with site.store.read() as session:
        assert subscriptions.get(session, id_).failures == 0


def off(site, id_):
    site.ask("PUT", f"Subscription/{id_}", body={**site.row(id_), "status": "off"})


def stop(site, id_):
    overseeing.stop(site.store, id_, "me")


MEANWHILE = {
    "its client ends it": (off, 200, "off"), "the operator stops it": (stop, 200, "error"),
    "its client ends it, and it fails for good": (off, 410, "off"),
    "the operator stops it, and it fails for good": (stop, 410, "error"),
}  # fmt: skip


@pytest.mark.hazard("HZ-ACCESS-38")
@pytest.mark.parametrize("is_handshake", [True, False])
@pytest.mark.parametrize("change, answer, state", MEANWHILE.values(), ids=MEANWHILE)
def test_what_is_changed_while_a_request_waits_stands(site, change, answer, state, is_handshake):
    if is_handshake:
        id_ = site.ask("POST", "Subscription", body=site.wish()).json()["id"]
    else:
        id_, _ = site.subscribe()
        site.deliver(row("m1", observation(970, 1, note=[{"text": id_}]), order=site.store.clock()))

    def send(*_):
        change(site, id_)
        return Receipt(answer)

    Notifier(site.api.service.door, site.api.service.hooks, send).work_once()
    now = site.row(id_)
    assert (now["status"], now.get("error")) == (state, overseeing.STOPPED if change is stop else None)


def test_a_later_end_stands(site):
    id_, _ = site.subscribe(end="2999-01-01T00:00:00Z")
    with site.store.write() as session:
        session.run("UPDATE subscription SET until = 1 WHERE id = ?", id_)
        old = subscriptions.get(session, id_)
    site.ask("PUT", f"Subscription/{id_}", body={**site.row(id_), "end": "2998-01-01T00:00:00Z"})
    assert site.notifier._noticed(old, 0) is False and site.row(id_)["status"] == "active"


def test_what_its_client_ended_is_not_begun_by_the_operator_and_an_endpoint_accepts_first(site):
    id_, _ = site.subscribe()
    overseeing.stop(site.store, id_, "me")
    overseeing.resume(site.store, id_, "me")
    assert site.row(id_)["status"] == "requested"
    site.work()
    assert [came.status["type"] for came in site.receiver.taken()] == ["handshake"]
    off(site, id_)
    for ask in (overseeing.stop, overseeing.resume):
        with pytest.raises(Refused):
            ask(site.store, id_, "me")
    assert site.row(id_)["status"] == "off"


@pytest.mark.hazard("HZ-API-14")
@pytest.mark.parametrize("error", [TooLarge("a"), ValueError("a")], ids=repr)
def test_what_cannot_be_judged_holds_nothing_else_back(site, monkeypatch, error):
    site.subscribe()
    judge = notified._matches

    def broken(hops, query, seen, decision):
        if seen.id == uid(981):
            raise error
        return judge(hops, query, seen, decision)

    monkeypatch.setattr(notified, "_matches", broken)
    note = [{"text": repr(error)}]
    site.deliver(*(row(f"p{n}", observation(n, 1, note=note), order=site.offset + n) for n in (980, 981, 982)))
    assert sorted(site.told()) == [f"Observation/{uid(980)}", f"Observation/{uid(982)}"]


def test_an_outage_while_judging_skips_nothing(site, monkeypatch):
    site.subscribe()
    judge = notified._matches
    monkeypatch.setattr(notified, "_matches", lambda *_: (_ for _ in ()).throw(Unavailable("away")))
    site.deliver(row("q1", observation(983, 1)))
    with pytest.raises(Unavailable):
        site.work()
    monkeypatch.setattr(notified, "_matches", judge)
    assert site.told() == [f"Observation/{uid(983)}"]


def test_a_contributors_own_writes_and_deletions_are_told_to_its_organisation(site):
    site.subscribe()
    made = site.ask("POST", "Patient", body={"resourceType": "Patient", "gender": "female"}).json()["id"]
    body = {k: v for k, v in observation(0, 1).items() if k != "id"} | {"subject": {"reference": f"Patient/{made}"}}
    id_ = site.ask("POST", "Observation", body=body).json()["id"]
    assert site.told() == [f"Observation/{id_}"]
    assert site.ask("DELETE", f"Observation/{id_}").status_code == 204
    assert site.told() == [f"Observation/{id_}"]


CRITERIA = {
    f"Observation?patient=Patient/{uid(31)}": ["880"],
    f"Observation?patient={uid(31)}&code=http://snomed.info/sct|x": ["880"],
    f"Observation?patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{ANN}": ["880", "881"],
    "Observation?patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9990000034": [],
    "Observation?code=y": ["881"],
    "Observation?status:not=final": [],
    f"Observation?_id={uid(881)}": ["881"],
    "Observation": ["880", "881"],
}


def test_criteria_are_searches_and_find_what_they_find(site):
    for number, (criteria, expected) in enumerate(CRITERIA.items()):
        id_, _ = site.subscribe(criteria)
        note = {"note": [{"text": str(number)}]}
        from_trust(site, trust("c1", observation(880, 31, **note), order=number + 1))
        site.deliver(row("c2", observation(881, 1, "y", **note), order=number + 1))
        assert sorted(site.told()) == [f"Observation/{uid(int(name))}" for name in expected], criteria
        assert site.ask("DELETE", f"Subscription/{id_}").status_code == 204


def test_a_topic_and_its_filters_are_criteria(site):
    base = site.api.app.state.base
    extension = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria"
    filters = [{"url": extension, "valueString": text} for text in ("Observation?code=z", "status=final")]
    topic = f"{base}/SubscriptionTopic/results"
    site.subscribe(topic, _criteria={"extension": filters})
    site.deliver(row("t1", observation(890, 1, "z")), row("t2", observation(891, 1, "y")))
    site.work(2)
    (came,) = site.receiver.taken()
    assert came.focus == [f"Observation/{uid(890)}"] and came.status["topic"] == topic


@pytest.mark.parametrize("status, ends", [(302, False), (429, False), (404, False), (410, True)])
def test_an_answer_that_is_not_success_is_not_followed_and_gone_ends_it(site, status, ends):
    id_, _ = site.subscribe()
    site.receiver.answers, site.receiver.headers = (
        [status],
        {"Location": f"{site.receiver.origin}/else", "Retry-After": "60"},
    )
    site.deliver(row(f"r{status}", observation(900 + status, 1)))
    site.work()
    (came,) = site.receiver.taken()
    assert came.path == "/hook" and site.row(id_)["status"] == ("error" if ends else "active")
    assert site.told(50) == [], "the receiver asked to wait for a minute"
    assert len(site.told(20)) == (0 if ends else 1)


def test_off_ends_it_and_requested_begins_with_what_comes_then(site):
    id_, _ = site.subscribe()
    assert site.ask("PUT", f"Subscription/{id_}", body={**site.row(id_), "status": "off"}).json()["status"] == "off"
    site.deliver(row("o1", observation(910, 1)))
    assert site.told() == []
    site.ask("PUT", f"Subscription/{id_}", body={**site.row(id_), "status": "active"})
    site.work()
    site.receiver.taken()
    assert site.told() == []
    site.deliver(row("o2", observation(911, 1)))
    assert site.told() == [f"Observation/{uid(911)}"]


def test_it_ends_when_it_was_to_end(site):
    id_, _ = site.subscribe(end="2999-01-01T00:00:00Z")
    with site.store.write() as session:
        session.run("UPDATE subscription SET until = ? WHERE id = ?", site.store.clock() + 1_000_000, id_)
    site.deliver(row("e1", observation(920, 1)))
    site.offset += 2_000_000
    site.work()
    assert site.told() == [] and site.row(id_)["status"] == "off"


def test_one_subscriptions_fault_holds_no_other_back(site, monkeypatch):
    site.subscribe("Observation?code=a")
    site.subscribe("Observation?code=b")
    read = wish.query_of

    def broken(body, base, now):
        assert body["criteria"] != "Observation?code=a"
        return read(body, base, now)

    monkeypatch.setattr(wish, "query_of", broken)
    site.deliver(row("f1", observation(930, 1, "b")))
    assert site.told() == [f"Observation/{uid(930)}"]


def test_two_workers_send_one_notification(site):
    site.subscribe()
    site.deliver(row("w1", observation(940, 1)))
    other = Notifier(site.api.service.door, site.api.service.hooks)
    inner = []

    def send(endpoint, content, headers):
        inner.append(other.work_once())
        return site.api.service.hooks.send(endpoint, content, headers)

    Notifier(site.api.service.door, site.api.service.hooks, send).work_once()
    assert inner == [False] and len(site.receiver.taken()) == 1


def test_of_two_that_read_the_same_one_moves_the_cursor_and_one_begins(site):
    id_, _ = site.subscribe()
    with site.store.read() as session:
        row_ = subscriptions.get(session, id_)
    with site.store.write() as session:
        moved = [subscriptions.notice(session, row_, row_.cursor + 1, [(row_.cursor + 1, 1)]) for _ in range(2)]
        waiting = subscriptions.waiting(session, id_, 10)
        begun = [subscriptions.begin(session, row_, waiting, (), "a", 1) for _ in range(2)]
    assert moved == [True, False] and begun[0][0].event == 1 and begun[1] is None


@pytest.mark.parametrize("refusal, state", [(LedAway("a"), "active"), (Refused("a"), "error")], ids=repr)
def test_a_name_that_leads_away_once_is_tried_again(site, refusal, state):
    id_, _ = site.subscribe()
    site.deliver(row("z1", observation(984, 1, note=[{"text": id_}]), order=site.store.clock()))

    def send(*_):
        raise refusal

    Notifier(site.api.service.door, site.api.service.hooks, send).work_once()
    assert site.row(id_)["status"] == state


@pytest.mark.hazard("HZ-API-14")
def test_a_slow_endpoint_holds_up_its_own_client_alone_and_gets_one_request_at_a_time(site, monkeypatch):
    monkeypatch.setattr(notifier, "POLL_SECONDS", 0.05)
    for number in range(3):
        site.subscribe(f"Observation?code=x&patient={uid(31)}&status=final", channel={"header": [f"A: {number}"]})
    site.subscribe("Observation?code=x", "gp2", channel={"header": ["B: 1"]})
    from_trust(site, trust("y1", observation(985, 31)))
    answered, others, under_way = threading.Event(), threading.Event(), []

    def send(endpoint, content, headers):
        if "B" in headers:
            others.set()
        else:
            under_way.append(headers["A"])
            answered.wait(5)
        return Receipt(200)

    with processes.thread("a", Notifier(site.api.service.door, site.api.service.hooks, send).work):
        assert others.wait(3)
        from_trust(site, trust("y1", observation(985, 31, note=[{"text": "b"}]), order=2))
        others.clear()
        site.offset += 2_000_000
        assert others.wait(3) and len(under_way) == 1
        answered.set()


def test_an_unknown_failure_does_not_end_the_notifier(site, monkeypatch):
    monkeypatch.setattr(notifier, "POLL_SECONDS", 0.05)
    went_on, failures = threading.Event(), [RuntimeError("a"), Unavailable("b")]

    def step(pool):
        if failures:
            raise failures.pop()
        went_on.set()

    beside = Notifier(site.api.service.door, site.api.service.hooks)
    monkeypatch.setattr(beside, "_step", step)
    with processes.thread("a", beside.work):
        assert went_on.wait(3)


def test_work_once_leaves_nothing_that_waits_for_its_turn(site, monkeypatch):
    monkeypatch.setattr(notifier, "AT_ONCE", 1)
    monkeypatch.setattr(notifier, "GAP", 100_000)
    site.subscribe()
    site.deliver(*(row(f"d{n}", observation(n, 1)) for n in (990, 991, 992)))
    site.notifier.drain(threading.Event())
    assert len(site.receiver.taken()) == 3


def test_noticing_takes_turns(site, monkeypatch):
    monkeypatch.setattr(notifier, "NOTICE_SECONDS", 0.005)
    turns = []
    monkeypatch.setattr(site.notifier, "_noticed", lambda row, newest: turns.append(row) or time.sleep(0.01))
    for _ in range(3):
        site.notifier._notice([SubscriptionRow(id_, *[""] * 9) for id_ in "ab"], 1)
    assert [row.id for row in turns] == ["a", "b", "a"]
