"""What an alarm can use: every metric means what its row says, tells of nobody, and an outage is told by the scrape."""

import asyncio
import re
import time
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import metrics
from gateway.api import connection
from gateway.commands import verbs
from gateway.errors import Unavailable
from gateway.store import jobs, ledger, rejected, subscriptions, vitals, watched
from gateway.store.inbox import Inbox
from gateway.store.sent import Rejected
from tests.api.people import ANN, uid
from tests.toy import deliver, row

ROOT = Path(__file__).parents[2]
ALARMS = (ROOT / "deploy/alarms.yml").read_text(encoding="utf-8")
HOUR = 3_600_000_000


def scraped(api) -> dict[tuple, float]:
    """The samples of a scrape: (name, label values in the order of their names) → value."""
    answer = api.get("/metrics", "admin")
    assert (answer.status_code, answer.headers["content-type"]) == (200, metrics.CONTENT_TYPE)
    families = text_string_to_metric_families(answer.text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_requests_are_counted_and_timed_by_the_template_of_their_route(clinic):
    for number in (1, 1, 99):
        clinic.get(f"/fhir/Patient/{uid(number)}")
    told, route = scraped(clinic), "/fhir/{resource_type}/{id_}"
    assert told["gateway_http_requests_total", "GET", route, "200"] == 2
    assert told["gateway_http_request_seconds_count", route, "2xx"] == 2
    assert told["gateway_http_request_seconds_count", route, "4xx"] == 1
    assert told["gateway_http_request_seconds_bucket", "+Inf", route, "2xx"] == 2
    assert told[("gateway_http_in_flight",)] == 1, "the scrape itself"


def test_refusals_are_counted_by_their_code(clinic):
    clinic.get("/fhir/metadata", "", Invented="x")
    clinic.get(f"/fhir/Patient/{uid(99)}")
    clinic.get("/metrics", "dr-green")
    clinic.get(f"/fhir/Patient/{uid(1)}", "")
    told = scraped(clinic)
    codes = {labels[0]: count for (name, *labels), count in told.items() if name == "gateway_refusals_total"}
    assert codes == {"not-supported": 1, "not-found": 1, "role": 1, "login": 1}


def test_what_stands_in_the_store_is_told(clinic):
    """On both databases."""
    store, before = clinic.store, scraped(clinic)
    assert before[("gateway_export_releases",)] == 0 and ("gateway_export_release_age_seconds",) not in before
    assert before[("gateway_job_oldest_waiting_seconds",)] == 0
    deliver(store, [row("bad", {"resourceType": "Nonsense", "id": uid(3)})])
    with store.write() as session:
        rejected.keep(
            session, "toy", "", 1, [Rejected("line 1", "no", "a.csv", b"x"), Rejected("line 2", "no", "", b"y")]
        )
        jobs.create(session, "one", "export", "somebody", {})
        jobs.create(session, "two", "export", "somebody", {})
        ledger.append(session, {"release": "one"})
    clock, store.clock = store.clock, lambda: clock() + HOUR
    told = scraped(clinic)
    assert told[("gateway_store_up",)] == 1
    assert told["gateway_delivery_age_seconds", "toy"] == pytest.approx(3600, abs=60)
    assert told["gateway_quarantined_groups", "toy"] == 1 and told[("gateway_rejects_kept",)] == 2
    assert told["gateway_jobs", "accepted"] == 2
    assert told[("gateway_job_oldest_waiting_seconds",)] == pytest.approx(3600, abs=60)
    assert told[("gateway_export_releases",)] == 1
    assert told[("gateway_export_release_age_seconds",)] == pytest.approx(3600, abs=60)
    assert 0 < told[("gateway_disk_free_bytes",)] <= told[("gateway_disk_size_bytes",)]


def watched_feed(clinic) -> None:
    """The file of a feed that has a gap and refused deliveries, and of one that has neither."""
    now = clinic.store.clock()
    standing = watched.Standing(
        "emis", began=now - 3 * HOUR, looked=now - HOUR, loaded=now - 2 * HOUR, waiting=1, refused=2,
        counts={"loaded": 5}, look=30,
    )  # fmt: skip
    standing.gaps.append(watched.Gap("x", "1", "2", now))
    watched.save(clinic.settings.watch_file, {"practice": standing, "quiet": watched.Standing("cld", began=now)})


@pytest.mark.hazard("HZ-FEED-15")
def test_how_watched_folders_stand_is_told(clinic):
    watched_feed(clinic)
    told = scraped(clinic)
    names = ("waiting", "incomplete", "refused", "gaps", "behind")
    assert [told[f"gateway_watch_{name}", "practice"] for name in names] == [1, 0, 2, 1, 1]
    assert [told[f"gateway_watch_{name}", "quiet"] for name in names] == [0] * 5
    assert told["gateway_watch_deliveries_total", "practice", "loaded"] == 5
    assert told["gateway_watch_age_seconds", "practice"] == pytest.approx(7200, abs=60)
    assert told["gateway_watch_look_age_seconds", "practice"] == pytest.approx(3600, abs=60)


def test_how_feeds_stand_is_told(clinic):
    with closing(Inbox(clinic.settings.inbox_file)) as inbox:
        asyncio.run(inbox.keep(b"MSH", "ward", "1", "a", "AA", ""))
        inbox.count("ward", {"received": 2, "AA": 1}, 5)
        inbox.count("ward", {"received": 1}, 4)
        inbox.count("lab", {"received": 1})
    clinic.store.clock = lambda: time.time_ns() // 1000 + HOUR
    told = scraped(clinic)
    assert (told["gateway_feed_waiting", "ward"], told["gateway_feed_waiting", "lab"]) == (1, 0)
    assert told["gateway_feed_oldest_waiting_seconds", "ward"] == pytest.approx(3600, abs=60)
    assert told["gateway_feed_oldest_waiting_seconds", "lab"] == 0
    assert told["gateway_feed_messages_total", "ward", "received"] == 3
    assert ("gateway_feed_messages_total", "ward", "last") not in told
    clinic.settings.inbox_file.write_bytes(b"not a database" * 100)
    assert ("gateway_feed_waiting", "ward") not in scraped(clinic), "a scrape tells of an outage and is none"


def test_the_lag_of_the_audit_is_told(clinic):
    audit = clinic.service.door.audit
    audit.seal()
    sealed = scraped(clinic)
    assert sealed["gateway_audit_unsealed_rows", "read"] == sealed["gateway_audit_unsealed_seconds", "read"] == 0
    for _ in range(3):
        clinic.get(f"/fhir/Patient/{uid(1)}")
    told = scraped(clinic)
    assert told["gateway_audit_unsealed_rows", "read"] == 3
    assert told["gateway_audit_unsealed_seconds", "read"] > 0
    assert told["gateway_audit_unsealed_rows", "write"] == 0
    assert told[("gateway_audit_seal_age_seconds",)] >= 0


def test_a_failure_of_the_audit_is_counted(clinic, monkeypatch):
    audit = clinic.service.door.audit
    assert scraped(clinic)["gateway_audit_failures_total", "record"] == 0, "there before the first, so that it can rise"
    monkeypatch.setattr("gateway.store.changes.encode", lambda event: 1 / 0)
    with pytest.raises(Unavailable):
        audit.record({})
    assert clinic.get(f"/fhir/Patient/{uid(1)}").status_code == 503
    assert scraped(clinic)["gateway_audit_failures_total", "record"] == 2


def test_a_sealer_that_fails_is_counted(clinic, monkeypatch):
    audit = clinic.service.door.audit
    with monkeypatch.context() as broken, audit.sealing(0.01):
        broken.setattr(audit, "seal", lambda: 1 / 0)
        until = time.monotonic() + 10
        while not audit.failures["seal"] and time.monotonic() < until:
            time.sleep(0.01)
        broken.undo()
    assert scraped(clinic)["gateway_audit_failures_total", "seal"] > 0


def test_an_outage_of_the_database_is_told_by_the_scrape(clinic, monkeypatch):
    """The counts of the process are there, what is read from the store is not, and the answer is 200."""
    for error in (Unavailable("the database is away", "database-away"), RuntimeError(ANN)):

        def away(_store, _audit, error=error):
            raise error

        clinic.get("/livez", "")
        monkeypatch.setattr(vitals, "read", away)
        told = scraped(clinic)
        assert told[("gateway_store_up",)] == 0
        names = {name for name, *_ in told}
        assert not names & {"gateway_jobs", "gateway_rejects_kept", "gateway_audit_unsealed_rows"}
        assert {"gateway_http_requests_total", "gateway_disk_free_bytes", "gateway_audit_failures_total"} <= names


def test_a_refused_connection_is_counted(clinic):
    counts = clinic.app.state.metrics
    connections = connection.Connections(2, counts.connection_refused)
    connections.refused(431)
    assert scraped(clinic)["gateway_connections_refused_total", "431"] == 1


def test_a_scrape_costs_little(town):
    town.get("/metrics", "admin")
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        town.get("/metrics", "admin")
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.1


def test_every_metric_has_its_row_and_every_row_its_metric(clinic):
    clinic.get(f"/fhir/Patient/{uid(99)}")
    clinic.app.state.metrics.connection_refused(408)
    deliver(clinic.store, [row("bad", {"resourceType": "Nonsense", "id": uid(3)})])
    with clinic.store.write() as session:
        jobs.create(session, "one", "export", "somebody", {})
        ledger.append(session, {"release": "one"})
        subscriptions.add(session, subscriptions.SubscriptionRow("a", "", "a", "", 7, "active", "", "", "{}", ""))
    clinic.service.door.audit.seal()
    with closing(Inbox(clinic.settings.inbox_file)) as inbox:
        inbox.count("ward", {"received": 1})
    watched_feed(clinic)
    answer = clinic.get("/metrics", "admin")
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(answer.text):
        for each in family.samples:
            name = re.sub(r"_(bucket|sum|count)\Z", "", each.name)
            told.setdefault(name, set()).update(each.labels.keys() - {"le"})
    assert told == {name: set(labels) for name, (labels, _) in metrics.TABLE.items()}


def test_no_label_can_name_anybody():
    assert {label for labels, _ in metrics.TABLE.values() for label in labels} == {
        "route", "method", "status", "code", "version", "source", "state", "stream", "act", "feed", "what",
    }  # fmt: skip


def test_every_alarm_is_of_a_metric_that_exists_with_labels_that_it_has():
    rules = re.findall(r"- alert: (\w+)\n\s+expr: (.+)\n", ALARMS)
    assert len(rules) == ALARMS.count("- alert:") > 10
    for name, expr in rules:
        asked = re.findall(r"\b((?:gateway|process)_[a-z_]+)(?:\{([^}]*)\})?", expr)
        assert asked, name
        for metric, matchers in asked:
            labels, _ = metrics.TABLE[metric.removesuffix("_bucket")]
            assert set(re.findall(r"(\w+)!?=~?", matchers)) <= {*labels, "job"}, name


def test_every_alarm_says_what_to_do():
    rules = ALARMS.split("- alert: ")[1:]
    for rule in rules:
        assert re.search(r"\n {10}summary: \S.+\.\n {10}do: \S.+\.\n", rule), rule.split("\n")[0]
        assert re.search(r"severity: (page|ticket)\}", rule)


def test_every_command_that_an_alarm_names_is_one():
    assert set(re.findall(r"`gateway (\w+)", ALARMS)) <= set(verbs())
